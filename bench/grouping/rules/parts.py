"""What several rules speak of: facts go in; the exceptions of a chain, titles and transactions leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["chain", "culprit", "in_app_or_all", "title", "transaction"]

Exc = Mapping[str, Any]


def chain(exception: Exc) -> Iterator[Exc]:
    """Yield an exception, its group's members, and what it came from, as the SDKs list them: the outermost first."""
    yield exception
    for inner in (*exception["members"], exception["cause"], exception["context"]):
        if inner is not None:
            yield from chain(inner)


def in_app_or_all(exception: Exc) -> list[Mapping[str, Any]]:
    """Return the application's frames, where there are any."""
    frames = exception["frames"]
    return [frame for frame in frames if frame["in_app"]] or frames


def transaction(facts: Mapping[str, Any]) -> str:
    """Return what the SDK calls the transaction: endpoint, route or task; WSGI without a framework has one for all."""
    request = facts["request"]
    return request.get("transaction") or ("generic WSGI request" if request else "")


def title(facts: Mapping[str, Any]) -> str:
    """Return what the issue lists of servers that take the SDK's events show: `Type: value`, or the message."""
    exception = facts["exception"]
    if exception is None:
        return str(facts["record"]["message"]).partition("\n")[0]
    return f"{exception['type']}: {exception['message']}".partition("\n")[0]


def culprit(facts: Mapping[str, Any]) -> str:
    """Return the transaction, else the function of the application where it happened, else the logger."""
    if facts["request"].get("transaction"):
        return transaction(facts)
    exception = facts["exception"]
    frames = in_app_or_all(exception) if exception is not None else []
    if frames:
        return f"{frames[-1]['module']} in {frames[-1]['function']}"
    return str(facts["record"]["logger"]) if facts["record"] else ""
