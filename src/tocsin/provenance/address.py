"""A remote's address as git has it goes in; where its forge is found in a browser leaves, without user or password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from tocsin.event import limits

__all__ = ["Address", "address_of"]

_URL: Final = re.compile(r"(?P<scheme>https?|ssh|git|git\+ssh)://(?P<place>[^/?#]+)/+(?P<path>[^?#]+).*", re.DOTALL)
_SCP: Final = re.compile(r"(?P<place>[^/?#:]+):(?!//)/*(?P<path>[^?#]+).*", re.DOTALL)  # git@example.org:shop.git
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?P<port>:\d{1,5})?")
_PATH: Final = re.compile(r"[\w.~+-]+(?:/[\w.~+-]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """Say where a repository is on the web: ``base`` is its page, ``host`` in lower case."""

    host: str
    base: str


def address_of(remote: str) -> Address | None:
    """Return the address of a remote; None for one on a disk, and where it can't be told from what is secret in it."""
    if len(remote) > limits.QUERY_CHARS:
        return None
    match = _URL.fullmatch(remote)
    scheme = match["scheme"] if match else "ssh"
    match = match or _SCP.fullmatch(remote)
    if match is None:
        return None
    place = _HOST.fullmatch(match["place"].rpartition("@")[2])
    path = unquote(match["path"]).strip("/").removesuffix(".git")
    if place is None or not _PATH.fullmatch(path) or (len(place["host"]) == 1 and scheme == "ssh"):  # C:\shop
        return None
    is_web = scheme in ("http", "https")
    host = place["host"].lower()
    port = (place["port"] or "") if is_web else ""
    return Address(host, f"{scheme if is_web else 'https'}://{host}{port}/{quote(path)}")
