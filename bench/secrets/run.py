"""What masking lets through, and what it masks by mistake: 200 secrets and 1,000 harmless values in every place.

    python bench/secrets/run.py            prints the tables
    python bench/secrets/run.py --write    also puts them into docs/explanation/masking.md
    python bench/secrets/run.py --leaks    also lists every leak and every mistake
    python bench/secrets/run.py --few      only to see that it works: a slice, without the others and the cost

Each contestant reports all of it twice, in processes of their own: with its masking and without, which proves that the
search finds what is there. The others run by the interpreter of `.venv-bench` (`make bench` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from search import unseen_encodings
from sorts import secrets

import report
from report import Contestant

__all__ = ["main"]

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
_PAGE: Final = _ROOT / "docs" / "explanation" / "masking.md"
_OTHERS_PYTHON: Final = _ROOT / ".venv-bench" / ("Scripts" if os.name == "nt" else "bin") / "python"
_OTHERS: Final = {  # the names of `peers.NAMES`, which only their interpreter can load
    "django": "Django's filter",
    "sentry-sdk": "sentry-sdk's scrubber",
    "rollbar": "Rollbar's default fields",
}
_EACH_SINK: Final = 12  # every how-manieth act is handed to all sinks; the spool's line is searched for each
_OTHERS_EVERY: Final = 16  # every how-manieth act happens to the others: Django's reports take 0.1 s each
_FEW_EVERY: Final = 90
_TIMEOUT_S: Final = 600
_AT_ONCE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status: 1 where a secret leaks."""
    asked = _parser().parse_args(arguments)
    unseen = unseen_encodings(secrets()[0].parts)
    if unseen:
        print(f"the search misses {', '.join(unseen)}: it proves nothing", file=sys.stderr)
        return 2
    ours, others = _measured(asked)
    text = report.tables(ours, others, "" if asked.few else _cost())
    print(text)
    found = report.leaks(ours)
    if asked.leaks:
        print("\nleaks:\n" + "\n".join(sorted(found)))
        print("\nmasked by mistake:\n" + "\n".join(sorted(report.mistakes(ours))))
    elif found:
        print("\nleaks:\n" + report.by_class(found))
        print("\nmasked by mistake:\n" + report.by_class(report.mistakes(ours)))
    for line in (*ours.on["only_there"], *ours.off["only_there"]):
        print(f"in a sink, but not in the spool: {line}", file=sys.stderr)
    for name, reason in ours.on["left_out"].items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    if asked.write:
        report.write(_PAGE, text)
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/secrets/run.py", description="Measure what masking lets through.")
    parser.add_argument("--write", action="store_true", help="write the page's tables")
    parser.add_argument("--leaks", action="store_true", help="list every leak and every value masked by mistake")
    parser.add_argument("--seed", default="tocsin", help="make other secrets and values (%(default)s)")
    parser.add_argument("--few", action="store_true", help="only to see that it works")
    parser.add_argument("--all", action="store_true", help="hand every act to every sink: takes ten minutes")
    return parser


def _measured(asked: argparse.Namespace) -> tuple[Contestant, list[Contestant]]:
    every = _FEW_EVERY if asked.few else 1
    each = 1 if asked.few or asked.all else _EACH_SINK
    names = [] if asked.few else _others()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wanted = [("tocsin", sys.executable, every), *((name, str(_OTHERS_PYTHON), _OTHERS_EVERY) for name in names)]
        running = {
            (name, mode): pool.submit(_child, python, name, mode, each_act, each, asked.seed)
            for name, python, each_act in wanted
            for mode in ("on", "off")
        }
        found = [
            Contestant(
                _OTHERS.get(name, name),
                running[name, "on"].result(),
                running[name, "off"].result(),
                each_act,
                asked.seed,
            )
            for name, _, each_act in wanted
        ]
    return found[0], found[1:]


def _others() -> list[str]:
    if not _OTHERS_PYTHON.exists():
        print(
            "left out: the others, since there is no .venv-bench (tools/venv .venv-bench python3 bench)",
            file=sys.stderr,
        )
        return []
    code = "import sys\nfrom importlib.util import find_spec\nprint(*(n for n in sys.argv[1:] if find_spec(n)))"
    modules = {name.replace("-", "_"): name for name in _OTHERS}
    done = subprocess.run([_OTHERS_PYTHON, "-c", code, *modules], capture_output=True, text=True, check=True)
    return [modules[name] for name in done.stdout.split()]


def _child(python: str, name: str, mode: str, every: int, each: int, seed: str) -> dict[str, Any]:
    command = [python, str(_HERE / "child.py"), name, mode, str(every), str(each), seed]
    environ = {variable: value for variable, value in os.environ.items() if not variable.startswith("TOCSIN_")}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, env=environ, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines() or ["nothing was said"]
        raise SystemExit(f"{name}, masking {mode}: {said[-1]}") from None
    return answer


def _cost() -> str:
    """Return masking's share of a full report, as `bench/run.py --only masking` measures it."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "results.json"
        command = [sys.executable, str(_HERE.parent / "run.py"), "--only", "masking", "--rounds", "3", "--no-peers"]
        done = subprocess.run([*command, "--keep", str(kept)], capture_output=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode:
            return ""
        figures = json.loads(kept.read_text(encoding="utf-8"))["figures"]["masking"]
    alone, on, off = (_median(figures[variant]) for variant in ("raise", "on", "off"))
    return f"Masking is {100 * (on - off) / (on - alone):.0f} % of what a full report costs."


def _median(rounds: Sequence[dict[str, float]]) -> float:
    found = sorted(each["thread_ns"] for each in rounds)
    return found[len(found) // 2]


if __name__ == "__main__":
    sys.exit(main())
