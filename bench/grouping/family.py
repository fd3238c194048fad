"""The families of a set: `faults.toml` of its applications goes in; families, applications, hash sums leave."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["SETS", "Application", "Changed", "Family", "applications", "check_sums", "sums", "write_sums"]

SETS: Final = Path(__file__).with_name("families")
_SUMS: Final = "SHA256SUMS"


class Changed(Exception):
    """Tell that a set which must never change is another one now."""


@dataclass(frozen=True, slots=True)
class Family:
    """Hold one fault: ``why`` it is one, how it is reached (the first play is the usual), where it is (``at``)."""

    name: str
    why: str
    play: tuple[str, ...]
    at: str = ""  # file:Class.function, where another release puts decorators and handlers
    near: str = ""  # the family that it looks like
    seen: str = "raised"  # or "log"
    without: tuple[str, ...] = ()  # variations that would make another fault of it
    toggle: tuple[str, ...] = ()  # functions that may as well be asynchronous, or synchronous
    change: tuple[tuple[str, str, str, str], ...] = ()  # (name, file, old text, new text) of later releases
    prelude: str = ""  # run in the module of a call before it


@dataclass(frozen=True, slots=True)
class Application:
    """Hold one application: its sources, what it is built on, and the families of its faults."""

    name: str
    folder: Path
    about: str
    kind: str  # wsgi, flask, django, asgi, celery, plain
    app: str = ""
    prelude: str = ""
    families: tuple[Family, ...] = field(default=())

    def sources(self) -> dict[str, str]:
        """Return the text of each file by its path within the application."""
        files = [file for file in sorted(self.folder.rglob("*")) if file.is_file() and file.name != "faults.toml"]
        files = [file for file in files if "__pycache__" not in file.parts]
        return {file.relative_to(self.folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def applications(name: str) -> list[Application]:
    """Return the applications of a set, ``tuning`` or ``final``; the latter only as it was written."""
    if name == "final":
        check_sums(name)
    found = [_application(file) for file in sorted((SETS / name).glob("*/faults.toml"))]
    names = [family.name for application in found for family in application.families]
    doubled = sorted({one for one in names if names.count(one) > 1})
    strange = [one.near for app in found for one in app.families if one.near and one.near not in names]
    if doubled or strange:
        raise ValueError(f"families of {name}: twice there: {doubled}; near to none: {strange}")
    return found


def _application(file: Path) -> Application:
    said = tomllib.loads(file.read_text(encoding="utf-8"))
    families = tuple(_family(one, said.get("seen", "raised")) for one in said.pop("family"))
    said.pop("seen", None)
    return Application(file.parent.name, file.parent, families=families, **said)


def _family(said: Mapping[str, Any], seen: str) -> Family:
    lists = ("play", "without", "toggle")
    told = {name: tuple(value) if name in lists else value for name, value in said.items()}
    told["change"] = tuple(tuple(one) for one in said.get("change", ()))
    return Family(**{"seen": seen, **told})


def sums(name: str) -> Iterator[str]:
    """Yield a line for each file of a set, as sha256sum writes them."""
    folder = SETS / name
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name != _SUMS and "__pycache__" not in file.parts:
            yield f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}"


def check_sums(name: str) -> None:
    """Raise Changed unless a set is what it was when its hashes were written."""
    file = SETS / name / _SUMS
    told = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = list(sums(name))
    if told != found:
        other = sorted({line.partition("  ")[2] for line in set(told) ^ set(found)})
        raise Changed(f"families/{name} is not as it was written: {', '.join(other)}; get it back from version control")


def write_sums(name: str) -> None:
    """Write the hashes of a set: once, before anything is tuned."""
    (SETS / name / _SUMS).write_text("".join(f"{line}\n" for line in sums(name)), encoding="utf-8")
