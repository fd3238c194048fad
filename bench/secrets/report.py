"""What was found goes in; the page's tables leave, in Markdown, and lists of what leaks and what is masked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sorts
from places import FAMILIES, Place

from child import harmless_acts, secret_acts

__all__ = ["BEGIN", "END", "Contestant", "by_class", "leaks", "mistakes", "tables", "write"]

BEGIN: Final = "<!-- secrets: table -->"
END: Final = "<!-- secrets: end -->"
_ON: Final = frozenset(sort.name for sort in sorts.SORTS if sort.is_on)
_EXAMPLE_CHARS: Final = 110


@dataclass(frozen=True, slots=True)
class Contestant:
    """What one of them reported: with its masking on, and without; ``every``: how many of the acts happened."""

    name: str
    on: dict[str, Any]
    off: dict[str, Any]
    every: int
    seed: str

    def secrets(self) -> Iterator[tuple[Place, sorts.Secret, bool]]:
        """Yield (place, secret, whether it leaked) for all that shows without masking."""
        at = 0
        for act in secret_acts(self.every, self.seed):
            for place, secret in act.filled:
                if self.off["secrets"][at]:
                    yield place, secret, bool(self.on["secrets"][at])
                at += 1

    def harmless(self) -> Iterator[tuple[Place, Any, bool]]:
        """Yield (place, value, whether it was masked) for all that shows without masking."""
        at = 0
        for act in harmless_acts(self.every, self.seed):
            for place, value in act.filled:
                if self.off["harmless"][at]:
                    yield place, value, self.on["harmless"][at] < self.off["harmless"][at]
                at += 1


def tables(ours: Contestant, others: Sequence[Contestant], cost: str) -> str:
    """Return all tables."""
    parts = [_beside([ours, *others]), cost, _by_sort(ours), _by_outlet(ours), _by_value(ours)]
    return "\n\n".join(part for part in parts if part)


def leaks(ours: Contestant) -> list[str]:
    """Return a line for every leak of a sort that is masked by default."""
    return [
        f"{secret.sort} | {place.name} | {_shortened(place.make(secret))}"
        for place, secret, is_leak in ours.secrets()
        if is_leak and secret.sort in _ON
    ]


def mistakes(ours: Contestant) -> list[str]:
    """Return a line for every harmless value that was masked."""
    return [
        f"{value.sort} | {place.name} | {_shortened(place.make(value))}"
        for place, value, is_masked in ours.harmless()
        if is_masked
    ]


def write(page: Path, text: str) -> None:
    """Put the tables between the page's markers. Raises ValueError where they are missing."""
    told = page.read_text(encoding="utf-8")
    before, begin, rest = told.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks {BEGIN} or {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _beside(all_of_them: Sequence[Contestant]) -> str:
    rows = []
    for each in all_of_them:
        told = [is_leak for _, secret, is_leak in each.secrets() if secret.sort in _ON]
        values = [is_masked for _, _, is_masked in each.harmless()]
        name = f"**{each.name}**" if each is all_of_them[0] else each.name
        rows.append(
            f"| {name} {each.on['version']} | {len(told):,} | {sum(told):,} | {_share(sum(told), len(told))} "
            f"| {len(values):,} | {sum(values):,} | {_share(sum(values), len(values))} |"
        )
    return _table(
        "| | secrets in reports, unmasked | of these leave | | harmless values in reports | of these masked | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        rows,
    )


def _by_sort(ours: Contestant) -> str:
    planted: Counter[tuple[str, str]] = Counter()
    leaked: Counter[tuple[str, str]] = Counter()
    for place, secret, is_leak in ours.secrets():
        planted[secret.sort, place.family] += 1
        leaked[secret.sort, place.family] += is_leak
    rows = []
    for sort in sorts.SORTS:
        cells = [_cell(leaked[sort.name, family], planted[sort.name, family]) for family in FAMILIES]
        name = sort.name if sort.is_on else f"*{sort.name}* (not by default)"
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return _table(f"| leaks of planted | {' | '.join(FAMILIES)} |", "| --- |" + " ---: |" * len(FAMILIES), rows)


def _by_outlet(ours: Contestant) -> str:
    found, without = ours.on["outlets"], ours.off["outlets"]
    rows = [f"| {name} | {without[name]:,} | {found[name]:,} |" for name in without]
    head = f"| of {ours.on['sampled']:,} planted, in the bytes of | without masking | with |"
    return _table(head, "| --- | ---: | ---: |", rows)


def _by_value(ours: Contestant) -> str:
    told: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    for _, value, is_masked in ours.harmless():
        told[value.sort] += 1
        masked[value.sort] += is_masked
    rows = [f"| {sort} | {told[sort]:,} | {masked[sort]:,} |" for sort in told]
    return _table("| harmless | in reports | masked |", "| --- | ---: | ---: |", rows)


def by_class(lines: Sequence[str]) -> str:
    """Return lines grouped by what stands first, each group with its places and its shortest example."""
    groups: dict[str, list[list[str]]] = defaultdict(list)
    for line in lines:
        sort, place, example = line.split(" | ", 2)
        groups[sort].append([place, example])
    out = []
    for sort, found in sorted(groups.items(), key=lambda item: -len(item[1])):
        places = ", ".join(f"{place} {count}" for place, count in Counter(each[0] for each in found).most_common(6))
        out.append(f"{len(found):5} {sort}: {places}\n      {min((each[1] for each in found), key=len)}")
    return "\n".join(out)


def _cell(leaked: int, planted: int) -> str:
    if not planted:
        return ""
    return f"**{leaked}** of {planted}" if leaked else f"0 of {planted}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _table(head: str, rule: str, rows: Sequence[str]) -> str:
    return "\n".join([head, rule, *rows])


def _shortened(made: Any) -> str:
    text = repr(made)
    return text if len(text) <= _EXAMPLE_CHARS else text[: _EXAMPLE_CHARS - 1] + "…"
