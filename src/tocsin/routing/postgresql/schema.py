"""The tables of the shared state, by version. Times are microseconds since 1970 where hosts wrote them, else the
database's own."""

from __future__ import annotations

from typing import Final

__all__ = ["COMPATIBLE", "MIGRATIONS", "SCHEMA", "VERSION", "ddl"]

VERSION: Final = 2
# The oldest version that may go on with these tables: in a rolling deploy, leaders of both are at work.
COMPATIBLE: Final = 1

# What an issue is called besides its own fingerprint: see `routing.identity`.
_ALIASES: Final = (
    "CREATE TABLE tocsin_state_aliases (scope INTEGER, fingerprint TEXT, prefix TEXT NOT NULL, issue TEXT NOT NULL,"
    " sort TEXT NOT NULL, since BIGINT NOT NULL, PRIMARY KEY (scope, fingerprint))",
    "CREATE INDEX tocsin_state_aliases_issue ON tocsin_state_aliases (scope, issue)",
    "CREATE INDEX tocsin_state_aliases_prefix ON tocsin_state_aliases (scope, prefix)",
)

SCHEMA: Final = (
    "CREATE TABLE tocsin_state_version (version INTEGER NOT NULL, compatible INTEGER NOT NULL)",
    f"INSERT INTO tocsin_state_version VALUES ({VERSION}, {COMPATIBLE})",
    # One row per application and environment: what everything else is shared by, and the lock of those who write.
    "CREATE TABLE tocsin_state_scopes (scope INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " application TEXT NOT NULL, environment TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0,"
    " telling BIGINT NOT NULL DEFAULT 0, purged_at TIMESTAMPTZ, UNIQUE (application, environment))",
    "CREATE TABLE tocsin_state_spools (scope INTEGER, spool TEXT, host TEXT NOT NULL, seen_at TIMESTAMPTZ NOT NULL,"
    " PRIMARY KEY (scope, spool))",
    # -- of one spool
    "CREATE TABLE tocsin_state_consumers (scope INTEGER, spool TEXT, consumer TEXT, since BIGINT NOT NULL,"
    " PRIMARY KEY (scope, spool, consumer))",
    "CREATE TABLE tocsin_state_notes (scope INTEGER, spool TEXT, consumer TEXT, note TEXT NOT NULL,"
    " PRIMARY KEY (scope, spool, consumer))",
    "CREATE TABLE tocsin_state_cursors (scope INTEGER, spool TEXT, consumer TEXT, process TEXT, generation INTEGER,"
    " position BIGINT NOT NULL, counts TEXT NOT NULL, PRIMARY KEY (scope, spool, consumer, process, generation))",
    # Process '' holds the leader's own losses and those of forgotten generations; spool '' those of spools long gone.
    "CREATE TABLE tocsin_state_losses (scope INTEGER, spool TEXT, process TEXT, generation INTEGER, reason TEXT,"
    " n BIGINT NOT NULL, PRIMARY KEY (scope, spool, process, generation, reason))",
    # -- shared
    "CREATE TABLE tocsin_state_issues (scope INTEGER, fingerprint TEXT, prefix TEXT NOT NULL, kind TEXT NOT NULL,"
    " level TEXT NOT NULL, levelno INTEGER NOT NULL, logger TEXT NOT NULL, title TEXT NOT NULL,"
    " culprit TEXT NOT NULL, application TEXT NOT NULL, environment TEXT NOT NULL,"
    " count BIGINT NOT NULL, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL,"
    " first_release TEXT NOT NULL, last_release TEXT NOT NULL, episode INTEGER NOT NULL,"
    " episode_started BIGINT NOT NULL, episode_count BIGINT NOT NULL, previous_seen BIGINT,"
    " muted_until BIGINT, recent TEXT NOT NULL, revision BIGINT NOT NULL, PRIMARY KEY (scope, fingerprint))",
    "CREATE INDEX tocsin_state_issues_prefix ON tocsin_state_issues (scope, prefix)",
    "CREATE INDEX tocsin_state_issues_revision ON tocsin_state_issues (scope, revision)",
    "CREATE TABLE tocsin_state_samples (scope INTEGER, process TEXT, generation INTEGER, position BIGINT,"
    " error_id TEXT NOT NULL, fingerprint TEXT NOT NULL, at BIGINT NOT NULL,"
    " PRIMARY KEY (scope, process, generation, position))",
    "CREATE INDEX tocsin_state_samples_error_id ON tocsin_state_samples (scope, error_id)",
    "CREATE INDEX tocsin_state_samples_fingerprint ON tocsin_state_samples (scope, fingerprint, at)",
    "CREATE INDEX tocsin_state_samples_at ON tocsin_state_samples (scope, at)",
    # Events themselves, compressed: of each issue the episode's first, the latest, and the one each sink was shown.
    "CREATE TABLE tocsin_state_bodies (scope INTEGER, fingerprint TEXT, role TEXT, process TEXT NOT NULL,"
    " generation INTEGER NOT NULL, position BIGINT NOT NULL, at BIGINT NOT NULL, episode INTEGER NOT NULL,"
    " body BYTEA NOT NULL, PRIMARY KEY (scope, fingerprint, role))",
    "ALTER TABLE tocsin_state_bodies ALTER COLUMN body SET STORAGE EXTERNAL",
    "CREATE INDEX tocsin_state_bodies_place ON tocsin_state_bodies (scope, process, generation, position)",
    "CREATE TABLE tocsin_state_clients (scope INTEGER, fingerprint TEXT, day INTEGER, hash TEXT,"
    " PRIMARY KEY (scope, fingerprint, day, hash))",
    "CREATE TABLE tocsin_state_told (scope INTEGER, identity TEXT, fingerprint TEXT, count BIGINT NOT NULL,"
    " episode INTEGER NOT NULL, episode_count BIGINT NOT NULL, at BIGINT NOT NULL, comeback_at BIGINT,"
    " closed_episode INTEGER NOT NULL, PRIMARY KEY (scope, identity, fingerprint))",
    # A sink that tells people: since when, how fast, what it has still to accept, and who is at it until when.
    "CREATE TABLE tocsin_state_sinks (scope INTEGER, identity TEXT, since BIGINT, pace TEXT, pending TEXT,"
    " holder TEXT, held_until TIMESTAMPTZ, PRIMARY KEY (scope, identity))",
    *_ALIASES,
)

# What brings the tables of a version to the next one. Older leaders may be at work on them: add, don't change.
MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {1: _ALIASES}


def ddl() -> str:
    """Return all statements that make the tables, ready for psql; in remarks those that bring older ones up to date."""
    text = "BEGIN;\n" + "".join(f"{statement};\n" for statement in SCHEMA) + "COMMIT;\n"
    for version, statements in MIGRATIONS.items():
        text += f"-- Where there are tables of version {version} already, instead of all this:\n"
        text += "".join(f"-- {statement};\n" for statement in (*statements, _set_version(version + 1)))
    return text


def _set_version(version: int) -> str:
    return f"UPDATE tocsin_state_version SET version = {version}, compatible = {COMPATIBLE}"
