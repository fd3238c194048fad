"""The state protocol: what the leader and the router remember between two looks, behind whatever keeps it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tocsin.event.notice import Notice
from tocsin.routing.issues import Issue, Occurrences, SampleRef

__all__ = ["IDENTITY_NOTE", "LEDGER", "RULES_NOTE", "Cursor", "Pace", "Pending", "Purged", "State", "Tally", "Told"]

LEDGER = "issues"  # the consumer that is the state's own: its cursor goes with add_occurrences
RULES_NOTE = "fingerprint rules"  # … and the one that holds since when there are which
IDENTITY_NOTE = "state identity"  # the note, in no consumer's name, that holds what `own_identity` returns


@dataclass(frozen=True, slots=True)
class Cursor:
    """Say how far a consumer has read one generation of a process.

    ``offset`` is the segment's first unread byte; ``counts`` maps a counter's slot to the cumulative count
    that was delivered.
    """

    offset: int = 0
    counts: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """Say what a sink was last told of an issue: the counts as they stood in that notice.

    ``closed_episode`` is the latest episode whose end the sink was told; while it is lower than ``episode``, that
    episode is open. For a sink that is not told of ends it is the same as ``episode``.
    """

    fingerprint: str
    count: int
    episode: int
    episode_count: int
    at: datetime
    comeback_at: datetime | None = None  # when a comeback was last told
    closed_episode: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Count what became of a sink's notices and of their occurrences since the last notice that it is alive.

    ``waiting`` is how many occurrences were untold then, ``lost`` all that had ever been lost.
    """

    notices: int = 0
    told: int = 0
    refused: int = 0
    waiting: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """Say how fast a sink was told of late.

    ``sent`` are the times of the ordinary notices of the last hour, oldest first (of a sink that is told one issue
    at a time, those of new faults). ``gather_until`` is set while faults that are new wait for a shared notice.
    ``flood_stage`` is the number of summaries sent in the present flood (0: there is none), ``flood_at`` the time
    of the last of them. ``alive_at`` is when the last notice that tocsin is alive was accepted, or from when on
    they are wanted.
    """

    sent: tuple[datetime, ...] = ()
    gather_until: datetime | None = None
    flood_stage: int = 0
    flood_at: datetime | None = None
    digest_at: datetime | None = None
    alive_at: datetime | None = None
    tally: Tally = Tally()


@dataclass(frozen=True, slots=True)
class Pending:
    """Hold a notice that was decided and perhaps sent, but not yet seen to be accepted.

    It is committed before the sink gets the notice, so a repetition after a crash is the same notice to the
    letter, and a receiver that drops the repetition by its id loses nothing. ``told`` is what becomes true
    once it is accepted; ``samples`` say where the reports' events lie (``notice`` itself holds none).
    """

    notice: Notice
    told: tuple[Told, ...]
    samples: Mapping[str, SampleRef] = field(default_factory=dict)
    comebacks: frozenset[str] = frozenset()
    is_gathered: bool = False  # it ends the wait of new faults for a shared notice
    has_digest: bool = False


@dataclass(frozen=True, slots=True)
class Purged:
    """Count what retention took away."""

    samples: int = 0
    issues: int = 0


@runtime_checkable
class State(Protocol):
    """Remember cursors, issues, losses and what was told.

    Used from one thread at a time. Each method is atomic of itself, or part of the surrounding ``transaction``.
    Every method raises StoreError when the store can't be read or written. Times are aware UTC.

    A state in the spool has one writer. One in a database is shared by the leaders of many spools: issues, samples,
    mutes and what was told are common to them; consumers, cursors, notes and losses are the spool's own, but `losses`
    returns those of all. Outside of a transaction, what another leader did may be seen some seconds late.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Commit all that is done inside at once, or nothing if it raises. A nested one joins the outer."""
        ...

    def close(self) -> None:
        """Release the store. May be called twice."""
        ...

    def own_identity(self) -> str:
        """Return 32 hex digits that no other state has: drawn when first asked for, kept with everything else.

        A shared state has one for all its spools. A file that is restored from a backup keeps its own.
        """
        ...

    # -- consumers and their cursors -------------------------------------------------------------------
    def has_peers(self) -> bool:
        """Tell whether another spool that shares the state has sinks in it already; always False in a spool's own."""
        ...

    def consumers(self) -> tuple[str, ...]:
        """Return the names of all consumers that were added and not forgotten, sorted."""
        ...

    def consumer_since(self, consumer: str) -> datetime | None:
        """Return when the consumer was added, None if it is unknown."""
        ...

    def add_consumer(self, consumer: str, at: datetime) -> None:
        """Remember a consumer; one that is known keeps its time."""
        ...

    def forget_consumer(self, consumer: str) -> None:
        """Drop a consumer with its cursors, its note and everything that it was told."""
        ...

    def cursor(self, consumer: str, process: str, generation: int) -> Cursor | None:
        """Return how far the consumer has read, None if it never has."""
        ...

    def save_cursor(self, consumer: str, process: str, generation: int, cursor: Cursor) -> None:
        """Replace the consumer's cursor in this generation."""
        ...

    def forget_generation(self, process: str, generation: int) -> None:
        """Drop all cursors and samples of a generation; its losses stay in the totals."""
        ...

    def note(self, consumer: str) -> dict[str, Any]:
        """Return the consumer's free JSON object, empty if there is none."""
        ...

    def save_note(self, consumer: str, note: Mapping[str, Any]) -> None:
        """Replace the consumer's free JSON object."""
        ...

    # -- issues ----------------------------------------------------------------------------------------
    def add_occurrences(self, seen: Occurrences) -> None:
        """Count occurrences into their issue and its episode; keep the sample and the client's hash.

        Whose issue that is, `routing.identity.place` says: where the rules that make fingerprints have changed, that
        of before, of which the present fingerprint becomes an alias.
        """
        ...

    def identities(self, fingerprints: Collection[str]) -> Mapping[str, str]:
        """Return which of the fingerprints are an alias, and of which issue's own fingerprint."""
        ...

    def called(self, fingerprint: str) -> frozenset[str]:
        """Return every fingerprint that the issue of one is counted under, its own and its aliases."""
        ...

    def rules_since(self, rules: str, at: datetime) -> datetime:
        """Return when the application's own rules, by their digest, were first seen: now, if they never were."""
        ...

    def issue(self, fingerprint: str) -> Issue | None:
        """Return one issue, by its own fingerprint or an alias."""
        ...

    def issues(
        self,
        *,
        now: datetime,
        include_muted: bool = False,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Issue, ...]:
        """Return the issues last seen at or after ``since``, latest first."""
        ...

    def issues_by_prefix(self, prefix: str) -> tuple[Issue, ...]:
        """Return the issues whose error ids begin with six characters (in capitals), by an alias too; latest first."""
        ...

    def mute(self, fingerprint: str, until: datetime) -> None:
        """Count the issue without telling it until then; an unknown issue is left alone."""
        ...

    def unmute(self, fingerprint: str) -> None:
        """Tell the issue again; an unknown issue is left alone."""
        ...

    def sample(self, error_id: str) -> SampleRef | None:
        """Return where the event with this error id lies; the latest, should an id have come round again."""
        ...

    def samples(
        self, fingerprint: str, limit: int, *, since: datetime | None = None, is_oldest_first: bool = False
    ) -> tuple[SampleRef, ...]:
        """Return where an issue's events lie, latest first unless told otherwise."""
        ...

    def event_body(self, sample: SampleRef) -> bytes | None:
        """Return an event's wire form where the state keeps it itself, as the spool may be on another host."""
        ...

    def clients(self, fingerprint: str, since: datetime) -> int | None:
        """Return the number of distinct client hashes since the day of ``since``; None if there are none."""
        ...

    def purge(self, before: datetime) -> Purged:
        """Drop samples and client hashes older than ``before``, and what exceeds the bounds.

        Issues past ISSUES go, the longest silent first; what a sink was not told of them becomes the loss
        ``issues_forgotten``.
        """
        ...

    def heal(self, now: datetime) -> int:
        """Bring times that lie after ``now``, as a clock set back leaves them, back to it; return of how many issues.

        Of issues, samples, consumers, and what was told how fast; not the end of a mute. A shared state goes by the
        database's clock instead of ``now``, and leaves alone what is less than CLOCK_BACK_S ahead of it.
        """
        ...

    # -- losses ----------------------------------------------------------------------------------------
    def save_losses(self, process: str, generation: int, losses: Mapping[str, int]) -> None:
        """Remember a generation's cumulative losses by reason; they never go down."""
        ...

    def add_loss(self, reason: str, n: int) -> None:
        """Count a loss of the leader's own."""
        ...

    def losses(self) -> dict[str, int]:
        """Return all losses by reason."""
        ...

    # -- what was told ---------------------------------------------------------------------------------
    def revision(self) -> int:
        """Return a number that has grown whenever any issue has changed."""
        ...

    def untold(
        self, identity: str, *, since: datetime, after_revision: int = 0, with_open: bool = False
    ) -> tuple[tuple[Issue, Told | None], ...]:
        """Return the issues with occurrences that the sink was not told, changed after a revision.

        Issues that the sink never heard of and that were last seen before ``since`` are left out. ``with_open``:
        also those, changed after the revision, whose episode was told and whose end was not
        (``closed_episode < episode`` in what was told).
        """
        ...

    def told(self, identity: str, fingerprint: str) -> Told | None:
        """Return what the sink was last told of an issue."""
        ...

    def save_told(self, identity: str, told: Told) -> None:
        """Replace what the sink was last told of an issue."""
        ...

    def claim(self, identity: str) -> bool:
        """Take or renew the right to decide and send for a sink; False while another leader has it.

        Called in the transaction that decides. The claim lasts as long as a notice is pending, but no longer than
        CLAIM_S without being renewed: then another leader may send that notice. Always True in a spool's own state.
        """
        ...

    def pace(self, identity: str) -> Pace:
        """Return how fast the sink was told; an empty Pace for a new one."""
        ...

    def save_pace(self, identity: str, pace: Pace) -> None:
        """Replace the sink's pace."""
        ...

    def pending(self, identity: str) -> Pending | None:
        """Return the notice that the sink has still to accept."""
        ...

    def save_pending(self, identity: str, pending: Pending | None) -> None:
        """Replace or (None) drop the notice that the sink has still to accept."""
        ...
