"""Everything that tocsin costs: names of measures go in; medians leave for the terminal, the page and its picture.

    python bench/run.py                             all of it, printed
    python bench/run.py --only wsgi --rounds 9      one measure (repeat --only for more)
    python bench/run.py --write                     also docs/explanation/performance.md and .svg: `make bench`
    python bench/run.py --profile known             what the steps of one measure are made of

Each variant runs in a process of its own, one at a time, and the variants of all measures take turns over the rounds,
so that a change of the machine's pace meets all of them. Numbers are CPU times unless they say otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import plot
import profiles
import report
import variants
from measure import Measure
from results import Results

__all__ = ["main"]

_ROUNDS: Final = 3
_TIMEOUT_S: Final = 300
_KEPT: Final = Path(__file__).parents[1] / ".bench" / "results.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    asked = _parser().parse_args(arguments)
    if asked.profile:
        print(profiles.profile(asked.profile))
        return 0
    if asked.again:
        results = Results.from_json(json.loads(asked.keep.read_text(encoding="utf-8")))
    else:
        results = _measured([variants.load(name) for name in asked.only or variants.NAMES], asked)
        asked.keep.parent.mkdir(exist_ok=True)
        asked.keep.write_text(json.dumps(results.as_json(), indent=1), encoding="utf-8")
    blocks = report.blocks(results, with_floors=asked.write)
    print("\n\n".join(blocks.values()))
    for variant, reason in {**results.skipped, **results.failed}.items():
        print(f"{'failed' if variant in results.failed else 'left out'}: {variant}: {reason}", file=sys.stderr)
    if asked.write:
        for missing in report.write(blocks):
            print(f"not written, since nothing of it was measured: {missing}", file=sys.stderr)
        plot.write(results)
    return 1 if results.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Measure what tocsin costs.")
    parser.add_argument("--only", action="append", choices=variants.NAMES, help="measure only this; may be repeated")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how often each variant is measured (%(default)s)")
    parser.add_argument("--steps", choices=("full", "few"), default="full", help="few: only to see that it works")
    parser.add_argument("--no-peers", action="store_true", help="leave the others out")
    parser.add_argument("--write", action="store_true", help="write the page's tables and its picture")
    parser.add_argument("--keep", type=Path, default=_KEPT, help="where the results are kept (%(default)s)")
    parser.add_argument("--again", action="store_true", help="show the latest results again, without measuring")
    parser.add_argument("--profile", choices=profiles.NAMES, help="show what the steps of this are made of")
    return parser


def _measured(measures: Sequence[Measure], asked: argparse.Namespace) -> Results:
    results = Results.begun()
    begun = time.monotonic()
    for number in range(asked.rounds):
        for measure in measures:
            if number >= (measure.rounds or asked.rounds):
                continue
            for variant in measure.variants:
                if asked.no_peers and not report.is_ours(measure.name, variant):
                    continue
                steps = measure.steps if asked.steps == "full" else measure.few
                _note(f"{number + 1}/{asked.rounds} {time.monotonic() - begun:4.0f} s  {measure.name}: {variant}")
                results.add(measure.name, variant, _one(measure.name, variant, steps))
    _note("")
    results.seconds = time.monotonic() - begun
    return results


def _one(name: str, variant: str, steps: int) -> dict[str, Any]:
    """Measure one variant in a process and a folder of its own; return what it answers."""
    command = [sys.executable, str(Path(__file__).with_name("child.py")), name, variant, str(steps)]
    folder = tempfile.mkdtemp(prefix="tocsin-bench-")
    environ = {**os.environ, "TMPDIR": folder}
    for ours in [variable for variable in environ if variable.startswith("TOCSIN_")]:
        del environ[ours]
    try:
        done = subprocess.run(
            command, env=environ, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {_TIMEOUT_S} s"}
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        return {"failed": said[-1]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _note(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text[:100]:<100}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
