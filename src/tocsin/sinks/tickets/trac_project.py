"""The life cycle's calls go in; a Trac project's answers leave, by the methods of its XML-RPC plugin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from tocsin.event.limits import ANSWER_BYTES, SAID_CHARS
from tocsin.render import harmless
from tocsin.render.markup import Markup
from tocsin.sinks.base import Failed, SinkContext, Unavailable
from tocsin.sinks.http import Http, basic_authorization
from tocsin.sinks.tickets.ticket import LOOKED_AT, Draft, Ticket, TicketState, in_brief
from tocsin.sinks.tickets.xmlrpc import XmlRpc, XmlRpcFault

__all__ = ["TracProject", "authorization"]

_TRIES: Final = 5  # of one change: without editing the description, without details, as others change it as well
_EDITED_CHARS: Final = 1_000_000  # of a ticket's history; past it the description is left alone, which doubles in it
_NO_METHOD: Final = -32601
_RIGHTS: Final = (
    "give the account XML_RPC, TICKET_VIEW, TICKET_CREATE, TICKET_APPEND and TICKET_MODIFY; if it has them, see the "
    "project's log"
)


class TracProject:
    """Make the life cycle's calls to one project. Not thread-safe."""

    markup: Markup = "wiki"
    body_chars: int = 60_000  # Trac takes 262,144 unless told otherwise; nobody reads so much

    def __init__(self, http: Http, options: Mapping[str, Any], context: SinkContext) -> None:
        self._base = http.base
        self._where = http.where
        self._options = options
        self._mask = context.mask
        headers = authorization(options)
        self._secrets = [options[name] for name in ("password", "token") if options[name]]
        self._secrets += [value.partition(" ")[2] for value in headers.values()]
        self._rpc = XmlRpc(http, "/login/rpc" if headers else "/rpc", headers)
        self._history: tuple[str, str, list[Any]] = ("", "", [])  # of one ticket and version

    # -- what the life cycle asks for ------------------------------------------------------------------
    def find(self, keyword: str) -> Ticket | None:
        """Return the keyword's ticket, an open one first, else the latest."""
        # Without max a page of results is all that comes.
        found = self._call("ticket.query", f"keywords~={keyword}&order=id&desc=1&max=0", step="searching")
        latest = None
        for number in found[:LOOKED_AT]:
            ticket = self._read(number, keyword)
            if ticket is not None and ticket.state == "open":
                return ticket
            latest = latest or ticket
        return latest

    def create(self, draft: Draft) -> Ticket:
        """Make a ticket. What the project has no such value for is left to the project's default."""
        fields = self._fields()
        attributes, _ = self._attributes(draft, fields)
        component = attributes.get("component") or fields.get("component", {}).get("value")
        if component and not attributes["owner"]:
            # Only the form for new tickets puts it in; else Trac keeps "< default >" as the owner's name.
            attributes["owner"] = self._call("ticket.component.get", component, step="asking for fields").get(
                "owner", ""
            )
        number = self._call(
            "ticket.create", draft.title, draft.body, attributes, self._options["notify"], step="making a ticket"
        )
        return Ticket(str(number), self._url(number), "open", draft.body)

    def has_said(self, ticket: Ticket, mark: str) -> bool:
        """Tell whether the description or anything in the ticket's history holds the mark."""
        return mark in ticket.body or any(mark in str(entry[4]) for entry in self._log(ticket))

    def comment(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Add a comment without an action of the workflow."""
        self._update(ticket, text, body, lambda _ticket: {"action": "leave"})

    def reopen(self, ticket: Ticket, text: str, body: str | None = None) -> None:
        """Reopen with a comment; where the workflow or the account's rights don't allow it, the comment says so."""
        actions = {entry[0]: entry for entry in self._call("ticket.getActions", int(ticket.id), step="reopening")}
        if "reopen" not in actions:
            note = "It stays closed: this ticket's workflow has no action “reopen” that this account may use."
            self.comment(ticket, f"{note}\n\n{text}", body)
            return
        inputs = {str(name): value for name, value, _options in actions["reopen"][3] if name}

        def action(now: Ticket) -> dict[str, Any]:
            return {"action": "leave"} if now.state == "open" else {**inputs, "action": "reopen"}

        self._update(ticket, text, body, action)

    def check(self) -> str:
        """Log in, search, and have a ticket without a title turned away: nothing is made or changed."""
        version = self._call("system.getAPIVersion", step="logging in")
        told = [f"XML-RPC {'.'.join(str(part) for part in version)}: search works"]
        _, left_out = self._attributes(Draft("", "", "", "", "traceback", "ERROR"), self._fields())
        found = self._call("ticket.query", "keywords~=tb_&order=id&desc=1&max=1", step="searching")
        try:
            # Rights are asked for first, so this proves TICKET_CREATE; a ticket without a title is never made.
            made = self._rpc.call("ticket.create", "", "Sent by tocsin check.", {}, False, step="making a ticket")
            told.append(f"{self._url(made)} was made, though it has no title")
        except XmlRpcFault as fault:
            if fault.code in (403, _NO_METHOD):
                self._fail(fault, "making a ticket")
            told.append("tickets may be made")
        if found:
            told.append(f"the latest of ours is {self._url(found[0])}")
        if left_out:
            told.append(f"the project has no {', '.join(left_out)}, so its default is taken")
        told.append("not proved without a ticket: the rights to comment and to reopen")
        return "; ".join(told)

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self._history = ("", "", [])
        self._rpc.close()

    # -- calls -----------------------------------------------------------------------------------------
    def _read(self, number: int, keyword: str = "") -> Ticket | None:
        """Return a ticket; None where ``keyword`` isn't among its keywords but part of another."""
        values = self._call("ticket.get", number, step="reading a ticket")[3]
        if keyword and keyword not in re.split(r"[\s,;]+", values.get("keywords", "")):
            return None
        version = str(values.get("_ts", ""))
        state: TicketState = "open"
        if values.get("status") == "closed":
            state = "declined" if values.get("resolution") in self._options["leave_closed"] else "fixed"
        ticket = Ticket(str(number), self._url(number), state, values.get("description", ""), None, version)
        if state == "open":
            return ticket
        closings = [entry[0] for entry in self._log(ticket) if entry[2] == "status" and entry[4] == "closed"]
        closed_at = _time(closings[-1]) if closings else None
        return Ticket(ticket.id, ticket.url, state, ticket.body, closed_at, version)

    def _log(self, ticket: Ticket) -> list[Any]:
        """Return the ticket's history: (time, author, field, old, new, permanent) per change; none if it is too long.

        Then a notice repeated after a crash may be told twice: better than never anything again.
        """
        if self._history[:2] != (ticket.id, ticket.version):
            entries: list[Any] = []
            try:
                entries = list(self._call("ticket.changeLog", int(ticket.id), step="reading a ticket"))
            except Failed as fault:
                if f"longer than {ANSWER_BYTES:,}" not in fault.outcome.reason:
                    raise
            self._history = (ticket.id, ticket.version, entries)
        return self._history[2]

    def _update(
        self, ticket: Ticket, text: str, body: str | None, action: Callable[[Ticket], Mapping[str, Any]]
    ) -> None:
        """Change the ticket; what is refused is tried with less, for one ticket must not hold up all others.

        Somebody else may have changed it meanwhile, the account may not be allowed to edit descriptions, a plugin may
        mind words in the comment: Trac tells none of them by a code of its own.
        """
        if body is not None and sum(len(str(e[3])) + len(str(e[4])) for e in self._log(ticket)) > _EDITED_CHARS:
            body = None
        now = ticket
        for _ in range(_TRIES):
            attributes = {**action(now), "_ts": now.version, **({} if body is None else {"description": body})}
            try:
                self._rpc.call(
                    "ticket.update", int(now.id), text, attributes, self._options["notify"], step="commenting"
                )
            except XmlRpcFault as fault:
                newer = self._read(int(ticket.id)) or now
                if body is None and newer.version == now.version:
                    if fault.code != 1 or text == in_brief(text):
                        self._fail(fault, "commenting")
                    text = in_brief(text)
                now, body = newer, None
            else:
                self._history = ("", "", [])
                return
        raise Failed(Unavailable(f"{ticket.url} was changed by others again and again", "it is tried again"))

    def _fields(self) -> dict[str, dict[str, Any]]:
        """Return what the project knows of each field of a ticket, by name."""
        return {field["name"]: field for field in self._call("ticket.getTicketFields", step="asking for fields")}

    def _attributes(self, draft: Draft, fields: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], list[str]]:
        """Return a new ticket's fields, and what was left out since the project doesn't have it."""
        attributes: dict[str, str] = {"keywords": " ".join([draft.keyword, *self._options["keywords"]]), "owner": ""}
        left_out = []
        for name, value in self._wished(draft):
            field = fields.get(name)
            options = field.get("options") if field is not None and field.get("type") in ("select", "radio") else None
            if field is None or (options and value not in options):
                left_out.append(f"{name} {value!r}")
            elif value:
                attributes[name] = value
        return attributes, left_out

    def _wished(self, draft: Draft) -> Iterator[tuple[str, str]]:
        options = self._options
        priority = options["priorities"].get(draft.level, options["priorities"].get("ERROR", ""))
        wished = {
            "type": options["ticket_type"],
            "priority": priority,
            "component": options["component"],
            "milestone": options["milestone"],
            "owner": options["owner"],
            "cc": ", ".join(options["cc"]),
            **options["fields"],
        }
        return ((name, value) for name, value in wished.items() if value)

    def _url(self, number: Any) -> str:
        return f"{self._base}/ticket/{number}"

    def _call(self, method: str, *params: Any, step: str) -> Any:
        try:
            found = self._rpc.call(method, *params, step=step)
        except XmlRpcFault as fault:
            self._fail(fault, step)
        if not _SHAPES.get(method, _is_anything)(found):
            reason = f"{self._where} answered {method} with something else while {step}"
            raise Failed(Unavailable(reason, "check url: is it a Trac, with its own XML-RPC plugin?"))
        return found

    def _fail(self, fault: XmlRpcFault, step: str) -> NoReturn:
        said = harmless.without(self._secrets, fault.said)
        reason = f"{self._where} refused while {step}: {harmless.line(self._mask(said), SAID_CHARS)}"
        remedies = {
            404: "the ticket is gone; the next try makes a new one",
            _NO_METHOD: "enable tracrpc.* in the project's trac.ini",
        }
        # Not Refused: what a project demands of a ticket is mended in Trac, and then the same text is taken.
        raise Failed(Unavailable(reason, remedies.get(fault.code, _RIGHTS)))


def _is_anything(_found: Any) -> bool:
    return True


def _is_rows(found: Any, columns: int) -> bool:
    return isinstance(found, list) and all(isinstance(each, list) and len(each) >= columns for each in found)


# What each method returns, as far as it is looked at: whatever else answers at the url is told, not tripped over.
_SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "system.getAPIVersion": lambda found: isinstance(found, list),
    "ticket.changeLog": lambda found: _is_rows(found, 5),
    "ticket.component.get": lambda found: isinstance(found, dict),
    "ticket.create": lambda found: isinstance(found, int),
    "ticket.get": lambda found: isinstance(found, list) and len(found) >= 4 and isinstance(found[3], dict),
    "ticket.getActions": lambda found: _is_rows(found, 4) and all(_is_rows(each[3], 3) for each in found),
    "ticket.getTicketFields": lambda found: (
        isinstance(found, list) and all(isinstance(each, dict) and "name" in each for each in found)
    ),
    "ticket.query": lambda found: isinstance(found, list) and all(isinstance(each, int) for each in found),
}


def authorization(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that logs in, none where anybody may. Its value tells the password."""
    if options["token"]:
        return {"Authorization": f"Bearer {options['token']}"}
    if not options["user"]:
        return {}
    return {"Authorization": basic_authorization(options["user"], options["password"])}


def _time(value: Any) -> datetime | None:
    """Return an XML-RPC time, which is UTC and has whole seconds."""
    try:
        return datetime.strptime(str(value), "%Y%m%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
