"""What the programs of these tests share: a folder goes in; faults happen, noted in files that know nothing of tocsin.

`fall` notes a fault's number in ``before``, raises and reports it, and notes it in ``after``. `books` drains the spool
and compares what was delivered with the notes.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WATCH_S = 150  # far past what a busy machine takes
PREAMBLE = f"import sys; sys.path.insert(0, {str(HERE)!r}); import life; life.watch()\n"


def watch() -> None:
    """Dump all stacks and end the process where it takes too long. For a forked child there is `watch_child`."""
    faulthandler.dump_traceback_later(WATCH_S, exit=True)


def watch_child() -> None:
    """Watch a forked child: the thread that watches its parent is not there, and would be waited for."""
    # By number: a file would be flushed, and wait for its lock.
    faulthandler.register(signal.SIGALRM, file=2, chain=True)
    signal.alarm(WATCH_S // 2)


def settings(folder: str | Path, **more: Any) -> dict[str, Any]:
    """Return a configuration whose file sink holds everything that was delivered."""
    sink = {"type": "file", "path": f"{folder}/events.jsonl"}
    return {"application": "life", "spool": f"{folder}/spool", "sinks": [sink], **more}


@cache
def breaker(number: int) -> Callable[[], None]:
    """Return a function of its own code object that raises, so that each number is a fault of its own."""
    namespace: dict[str, Any] = {}
    exec(compile(f"def break_{number}():\n    return {{}}['missing']\n", f"life_{number}.py", "exec"), namespace)
    function: Callable[[], None] = namespace[f"break_{number}"]
    return function


def note(folder: str | Path, name: str, number: int) -> None:
    """Append a number to a side file, by one write."""
    fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, b"%d\n" % number)
    finally:
        os.close(fd)


def fall(folder: str | Path, number: int, report: Callable[..., str] | None = None) -> str:
    """Let a fault happen, and report it."""
    import tocsin

    note(folder, "before", number)
    error_id = ""
    try:
        breaker(number)()
    except KeyError as fault:
        error_id = (report or tocsin.report)(fault, number=number)
    note(folder, "after", number)
    return error_id


def run(
    source: str | Path, *arguments: str | Path, python: str = sys.executable, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program, given as a file or as text, to its end; what hangs dumps its stacks to stderr."""
    command = [
        python,
        *([str(source)] if isinstance(source, Path) else ["-c", PREAMBLE + source]),
        *map(str, arguments),
    ]
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command,
        env={**os.environ, **own, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=2 * WATCH_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the children it has made
        out, err = process.communicate()
        err += "\nTimeout (of the test)!"
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def free_of_trouble(ran: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether a program ended well and said nothing of faults; show what it said else."""
    words = ("Traceback", "Fatal Python error", "Exception ignored", "Timeout (")
    if ran.returncode == 0 and not any(word in ran.stderr for word in words):
        return True
    print(f"exit {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}")
    return False


@dataclass(frozen=True)
class Books:
    """Hold, by fault: what was about to happen, what was reported for certain, and what was delivered."""

    before: Counter[int]
    after: Counter[int]
    delivered: Counter[int]

    def agree(self, between: int = 0) -> bool:
        """Tell whether counts are exact, give or take ``between`` that were under way in what was killed."""
        numbers = self.before | self.after | self.delivered
        is_right = all(self.after[n] <= self.delivered[n] <= self.before[n] for n in numbers)
        in_between = self.before.total() - self.after.total()
        if is_right and in_between <= between and self.before:
            return True
        print(f"before - after: {self.before - self.after}; delivered - before: {self.delivered - self.before}")
        print(f"after - delivered: {self.after - self.delivered}; of {self.before.total()}")
        return False


def books(folder: Path, *, drain: bool = True) -> Books:
    """Deliver what waits, and read everything back by plain JSON."""
    if drain:
        tocsin = Path(sys.executable).with_name("tocsin")
        command = [tocsin, "deliver", "--drain", "--spool", folder / "spool", "--sink", f"file:{folder}/events.jsonl"]
        subprocess.run(command, check=True, timeout=120, capture_output=True)
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    losses = [line for line in lines if line["kind"] == "loss"]
    assert not losses, losses
    origins = Counter(json.dumps(line["origin"], sort_keys=True) for line in lines)
    assert max(origins.values()) == 1, "something was delivered twice"
    number_of = {
        line["fingerprint"]: line["fields"]["number"] for line in lines if "number" in (line.get("fields") or {})
    }
    delivered: Counter[int] = Counter()
    for line in lines:
        if line["fingerprint"] in number_of:  # else it is a report of tocsin's own
            delivered[number_of[line["fingerprint"]]] += line["occurrences"]
    return Books(noted(folder, "before"), noted(folder, "after"), delivered)


def noted(folder: Path, name: str) -> Counter[int]:
    """Return how often each number stands in a side file."""
    path = folder / name
    return Counter(int(line) for line in path.read_text().split()) if path.exists() else Counter()
