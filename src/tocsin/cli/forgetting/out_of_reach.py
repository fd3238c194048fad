"""A configuration goes in; where reports went that `tocsin forget` can't follow leaves, and what to do there."""

from __future__ import annotations

from typing import Final

from tocsin.cli.kept_files import sink_tables
from tocsin.cli.place import Place

__all__ = ["out_of_reach"]

_TICKETS: Final = "tickets, found by the keyword tb_ and the fingerprint: edit or delete them, and mails they made"
_WORDS: Final = {
    "chat": "messages in the chat: delete them there; most chats can be told to delete by age",
    "database": "rows of its tables: DELETE ... WHERE error_id IN (...); tocsin ddl shows the tables",
    "mail": "mails that were sent: delete them from mailboxes, lists and archives; each subject has the error id",
    "nteventlog": "the event log of Windows: only a whole log can be cleared there",
    "otlp": "records at the collector and behind it: delete by the attribute tocsin.error_id",
    "pager": "incidents at the pager: redact or delete them there",
    "sentry": "events there: delete the issue, or search for the error id",
    "socket": "what the receiver has: run tocsin forget there as well",
    "stderr": "whatever keeps the application's stderr, such as the journal",
    "syslog": "lines that syslog has written or passed on, and their archives",
    "webhook": "whatever the service behind the address keeps",
    **dict.fromkeys(("gitea", "github", "gitlab", "jira", "redmine", "trac"), _TICKETS),
}
_OWN: Final = "whatever this sink of your own made of it"
_COPIES: Final = ("backups and snapshots", "of the folders above: they expire by their own rules")


def out_of_reach(where: Place) -> list[tuple[str, str]]:
    """Return (place, what lies there and what to do), one for each type of sink, and backups last."""
    kinds = sorted({str(each.get("type", "")) for each in sink_tables(where)} - {"", "file"})
    return [*((kind, _WORDS.get(kind, _OWN)) for kind in kinds), _COPIES]
