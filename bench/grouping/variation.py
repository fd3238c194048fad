"""How life varies a fault: a family goes in; its variants leave, each with rewritten sources, a Python and a place."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import rewrite
from family import Application, Family

__all__ = ["Variant", "filled", "variants"]

Sources: TypeAlias = Mapping[str, str]

_WEB: Final = ("wsgi", "flask", "django", "asgi")
_FLOW: Final = {  # what another release puts around the function where the fault is
    "decorator": rewrite.decorated,
    "reraise": rewrite.caught_and_raised,
    "reraise_as": rewrite.caught_and_raised_as,
    "chained": rewrite.caught_and_chained,
    "group": rewrite.caught_and_grouped,
}
_FORM: Final[dict[str, tuple[Callable[[str], str], ...]]] = {
    "shifted": (rewrite.shift,),
    "reprinted": (rewrite.reprint,),
    "wrapped": (rewrite.explode,),
    "renamed": (rewrite.rename_locals,),
    "release": (rewrite.rename_locals, rewrite.explode, rewrite.shift),
}
_WORDS: Final = (
    *("amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "jaunt", "kayak", "lemon"),
    *("mango", "north", "olive", "pearl", "quart", "raven", "sable", "tulip", "umber", "vivid", "wheat", "xenon"),
    *("yacht", "zebra"),
)
_HOLE: Final = re.compile(r"\{([nsSkdu])\}")


@dataclass(frozen=True, slots=True)
class Variant:
    """Hold one occurrence to be: what is played, with which sources, where, under which Python."""

    application: Application
    family: Family
    name: str
    play: str
    prelude: str
    sources: Sources
    python: str = "3.11"
    place: str = ""  # what the sources' folder is called
    front: str = ""  # "edge": a layer of the application's own around it; "behind": layers of libraries


def variants(application: Application, family: Family) -> Iterator[Variant]:
    """Yield all variants of a family. Each has numbers and words of its own in what is played."""
    plain = application.sources()
    python = {name: text for name, text in plain.items() if name.endswith(".py")}
    first = family.play[0]

    def made(name: str, play: str = first, sources: Sources = plain, **told: str) -> Variant:
        tree = {**rewrite.TOOLS, **sources}
        values = _values(family.name, name)
        prelude = filled(family.prelude, values)
        return Variant(application, family, name, filled(play, values), prelude, tree, **told)

    found = [made("plain"), made("message")]
    found += [made(name, sources=_all(plain, python, changes)) for name, changes in _FORM.items() if name != "release"]
    found += [made("moved", place="srv/www/releases/20261122"), made("installed", place="lib/site-packages")]
    found += [made("3.12", python="3.12"), made("3.13", python="3.13")]
    found.append(made("release", sources=_all(plain, python, _FORM["release"]), python="3.13"))
    if family.at:
        file, _, function = family.at.partition(":")
        for name, change in _FLOW.items():
            found.append(made(name, sources=_all(plain, (file,), (partial(_flipped, change, function),))))
    if family.toggle:
        found.append(made("toggle", sources=_toggled(plain, family.toggle)))
    found += [made(f"entry {number}", play) for number, play in enumerate(family.play[1:], 2)]
    if application.kind in _WEB and first.startswith(("GET ", "POST ")):
        found += [made("edge", front="edge"), made("behind", front="behind")]
    for name, file, old, new in family.change:
        if old not in plain[file]:
            raise LookupError(f"{family.name}: {name}: {file} has no such text")
        found.append(made(name, sources={**plain, file: plain[file].replace(old, new)}))
    yield from (one for one in found if one.name not in family.without)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Put numbers and words in the places of a play: {n} {s} {S} {k} {d} {u}."""
    return _HOLE.sub(lambda match: values[match.group(1)], text)


def _values(family: str, variant: str) -> dict[str, str]:
    seed = zlib.crc32(f"{family}|{variant}".encode())
    word = _WORDS[seed % len(_WORDS)]
    other = _WORDS[seed // 7 % len(_WORDS)]
    return {
        "n": str(1000 + seed % 8999),  # four digits
        "s": word,
        "S": other.capitalize(),
        "k": str(1 + seed % 9),
        "d": str(2 + seed % 19),  # a depth
        "u": f"{seed:08x}-4f0e-4c1b-9d2a-{seed % 0xFFFFFFFFFFFF:012x}",
    }


def _all(plain: Sources, files: Iterable[str], changes: tuple[Callable[[str], str], ...]) -> Sources:
    made = dict(plain)
    for file in files:
        for change in changes:
            made[file] = change(made[file])
    return made


def _flipped(change: Callable[[str, str], str], function: str, source: str) -> str:
    return change(source, function)


def _toggled(plain: Sources, functions: tuple[str, ...]) -> Sources:
    by_file: dict[str, list[str]] = {}
    for one in functions:
        file, _, function = one.partition(":")
        by_file.setdefault(file, []).append(function)
    every = [function for found in by_file.values() for function in found]
    return {**plain, **{file: rewrite.toggle(plain[file], every) for file in by_file}}
