"""The tables of the state file, by version. Times are whole microseconds since 1970 in UTC."""

from __future__ import annotations

from typing import Final

__all__ = ["ADD_LOSS", "MIGRATIONS", "SCHEMA", "VERSION"]

VERSION: Final = 3

# What an issue is called besides its own fingerprint: see `routing.identity`.
_ALIASES: Final = (
    "CREATE TABLE aliases (fingerprint TEXT PRIMARY KEY, prefix TEXT NOT NULL, issue TEXT NOT NULL, sort TEXT NOT NULL,"
    " since INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX aliases_issue ON aliases (issue)",
    "CREATE INDEX aliases_prefix ON aliases (prefix)",
)

SCHEMA: Final = (
    "CREATE TABLE revision (value INTEGER NOT NULL)",
    "INSERT INTO revision VALUES (0)",
    "CREATE TABLE consumers (consumer TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE notes (consumer TEXT PRIMARY KEY, note TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE cursors (consumer TEXT, process TEXT, generation INTEGER, position INTEGER NOT NULL,"
    " counts TEXT NOT NULL, PRIMARY KEY (consumer, process, generation)) WITHOUT ROWID",
    # Process '' holds the leader's own losses and those of forgotten generations.
    "CREATE TABLE losses (process TEXT, generation INTEGER, reason TEXT, n INTEGER NOT NULL,"
    " PRIMARY KEY (process, generation, reason)) WITHOUT ROWID",
    "CREATE TABLE issues (fingerprint TEXT PRIMARY KEY, prefix TEXT NOT NULL, kind TEXT NOT NULL,"
    " level TEXT NOT NULL, levelno INTEGER NOT NULL, logger TEXT NOT NULL, title TEXT NOT NULL,"
    " culprit TEXT NOT NULL, application TEXT NOT NULL, environment TEXT NOT NULL,"
    " count INTEGER NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,"
    " first_release TEXT NOT NULL, last_release TEXT NOT NULL, episode INTEGER NOT NULL,"
    " episode_started INTEGER NOT NULL, episode_count INTEGER NOT NULL, previous_seen INTEGER,"
    " muted_until INTEGER, recent TEXT NOT NULL, revision INTEGER NOT NULL)",
    "CREATE INDEX issues_prefix ON issues (prefix)",
    # No index on last_seen: it would move with every occurrence, and only commands sort by it.
    "CREATE INDEX issues_revision ON issues (revision)",
    "CREATE TABLE samples (process TEXT, generation INTEGER, position INTEGER, error_id TEXT NOT NULL,"
    " fingerprint TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (process, generation, position)) WITHOUT ROWID",
    "CREATE INDEX samples_error_id ON samples (error_id)",
    "CREATE INDEX samples_fingerprint ON samples (fingerprint, at)",
    "CREATE TABLE clients (fingerprint TEXT, day INTEGER, hash TEXT,"
    " PRIMARY KEY (fingerprint, day, hash)) WITHOUT ROWID",
    "CREATE TABLE told (identity TEXT, fingerprint TEXT, count INTEGER NOT NULL, episode INTEGER NOT NULL,"
    " episode_count INTEGER NOT NULL, at INTEGER NOT NULL, comeback_at INTEGER,"
    " closed_episode INTEGER NOT NULL, PRIMARY KEY (identity, fingerprint)) WITHOUT ROWID",
    "CREATE TABLE paces (identity TEXT PRIMARY KEY, pace TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE pending (identity TEXT PRIMARY KEY, pending TEXT NOT NULL) WITHOUT ROWID",
    *_ALIASES,
)

# What brings a file of a version to the next one.
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE told ADD COLUMN closed_episode INTEGER NOT NULL DEFAULT 0",
        # Nobody was told of ends before: none is owed.
        "UPDATE told SET closed_episode = episode",
    ),
    2: _ALIASES,
}

ADD_LOSS: Final = (
    "INSERT INTO losses VALUES ('', 0, ?, ?) ON CONFLICT (process, generation, reason) DO UPDATE SET n = n + excluded.n"
)
