"""How well faults are recognised: families of faults go in; a table beside the peers' rules leaves.

    python bench/grouping/run.py                      both sets
    python bench/grouping/run.py --set tuning         one set (final: only as it was written, by its hashes)
    python bench/grouping/run.py --only shop          applications of a set; may be repeated
    python bench/grouping/run.py --peers-too          what the peers split and merge, too, not only their counts
    python bench/grouping/run.py --write              also docs/explanation/fingerprint.md, of both sets
    python bench/grouping/run.py --prepare            give other Pythons the libraries that variants under them need

Exits with 1 where a variant was not captured.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import rules
from family import Changed, applications
from score import Keyed, merges, score, splits
from troupe import Result, beside, interpreter, perform
from variation import variants

__all__ = ["main"]

SETS: Final = ("tuning", "final")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "fingerprint.md"
_PLACE: Final = re.compile(r"(<!-- grouping: table -->\n).*?(<!-- /grouping -->)", re.DOTALL)
_OURS: Final = "tocsin"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    asked = _parser().parse_args(arguments)
    if asked.prepare:
        return _prepare()
    try:
        results = {name: _played(name, asked.only) for name in asked.set or SETS}
    except Changed as changed:
        print(changed, file=sys.stderr)
        return 2
    tables = []
    for name, result in results.items():
        keyed = _keyed(result)
        tables.append(f"{_heading(name, result)}\n\n{_table(keyed)}")
        print(f"\n{tables[-1]}\n")
        _tell(keyed if asked.peers_too else {_OURS: keyed[_OURS]})
        for variant, reason in result.failed.items():
            print(f"not captured: {variant}: {reason.strip()}", file=sys.stderr)
        for reason in sorted(set(result.left_out.values())):
            count = sum(told == reason for told in result.left_out.values())
            print(f"left out: {count} variants of {name}: {reason}", file=sys.stderr)
    if asked.write and not _written("\n\n".join(tables)):
        print(f"not written: {_PAGE.name} has no place for the table", file=sys.stderr)
        return 1
    return 1 if any(result.failed for result in results.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/grouping/run.py", description="Measure how faults are recognised.")
    parser.add_argument("--set", action="append", choices=SETS, help="only this set")
    parser.add_argument("--only", action="append", default=[], help="only this application; may be repeated")
    parser.add_argument("--peers-too", action="store_true", help="list what the peers split and merge")
    parser.add_argument("--write", action="store_true", help="write the page's table")
    parser.add_argument("--prepare", action="store_true", help="install libraries for other Pythons, in .bench/")
    return parser


def _prepare() -> int:
    names = ["asgiref", "celery", "django>=5.2,<6", "fastapi", "flask", "sqlalchemy"]
    for python in ("3.12", "3.13"):
        command = interpreter(python)
        if command is None:
            print(f"left out: there is no Python {python} with tocsin", file=sys.stderr)
            continue
        subprocess.run([*command, "-m", "pip", "install", "-q", "--target", str(beside(python)), *names], check=True)
    return 0


def _played(name: str, only: Sequence[str]) -> Result:
    found = [application for application in applications(name) if not only or application.name in only]
    every = [one for application in found for family in application.families for one in variants(application, family)]
    begun = time.monotonic()
    result = perform(every)
    print(f"{name}: {len(every)} variants in {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return result


def _keyed(result: Result) -> dict[str, list[Keyed]]:
    """Return what each rule makes of the occurrences, tocsin first."""
    seen = result.occurrences
    keyed = {_OURS: [Keyed(one.family, one.variant, one.key) for one in seen]}
    for file, name in rules.PEERS.items():
        key = rules.rule(file)
        keyed[name] = [Keyed(one.family, one.variant, key(one.facts)) for one in seen]
    return keyed


def _heading(name: str, result: Result) -> str:
    families = {one.family for one in result.occurrences}
    told = f"**{name.capitalize()} families:** {len(families)} faults, {len(result.occurrences):,} occurrences of them."
    return told if not result.left_out else f"{told} Left out: {len(result.left_out)}."


def _table(keyed: Mapping[str, Sequence[Keyed]]) -> str:
    lines = ["| rule | precision | recall | F1 | issues | faults in several issues | issues of several faults |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name, found in keyed.items():
        one = score(found)
        figures = f"{one.precision:.3f} | {one.recall:.3f} | {one.f1:.3f} | {one.keys:,} | {one.split} | {one.merged}"
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def _tell(keyed: Mapping[str, Sequence[Keyed]]) -> None:
    for rule, found in keyed.items():
        for family, parts in sorted(splits(found).items()):
            rest = "; ".join(", ".join(names) for names in parts[1:])
            print(f"{rule} splits {family}: {len(parts[0])} together; apart: {rest}")
        for families in merges(found):
            print(f"{rule} merges " + " + ".join(f"{family} ({len(names)})" for family, names in families.items()))


def _written(text: str) -> bool:
    page = _PAGE.read_text(encoding="utf-8")
    made, count = _PLACE.subn(lambda match: f"{match.group(1)}\n{text}\n\n{match.group(2)}", page)
    if count:
        _PAGE.write_text(made, encoding="utf-8")
    return bool(count)


if __name__ == "__main__":
    sys.exit(main())
