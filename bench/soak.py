"""The soak: minutes go in; under a mixed load memory, descriptors, threads and disk are looked at; a verdict leaves.

``python bench/soak.py [--minutes 30] [--folder .soak] [--page docs/explanation/soak.md]``. Gunicorn (gthread, two
workers) and `tocsin deliver`; sinks: a file, and mail to a server that is away now and then; releases of the workers.
Writes samples.csv, soak.svg and table.md into the folder, and the last two into the page's folder and the page itself.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from soak_picture import picture
from soak_samples import Sample, of_folder, of_process, write_csv
from soak_stage import SINK_MB, SPOOL_MAX_MB, Stage
from soak_verdict import SHORT_S, Growth, growths
from soak_visits import Visits

_PER_S: Final = 50.0
_SAMPLES: Final = 240
_LONGEST_PAUSE_S: Final = 5.0
_RELEASES: Final = (0.06, 0.12, 0.56)  # shares of the run: the lives in between are long enough to see a slope
_AWAY: Final = ((0.25, 0.32), (0.7, 0.76))
_FAULTS: Final = 150  # distinct ones, besides four
_STATE_MB: Final = 2.5  # of the spool's folder: issues and their journal, which spool_max_mb does not bound
_BEGIN, _END = "<!-- the table: written by bench/soak.py -->", "<!-- end of the table -->"
_MIB: Final = 1_048_576


@dataclass(slots=True)
class Run:
    """Hold what a run has shown."""

    seconds: float
    samples: list[Sample] = field(default_factory=list)
    releases: list[tuple[float, float]] = field(default_factory=list)
    aways: list[tuple[float, float]] = field(default_factory=list)
    segments: set[str] = field(default_factory=set)  # every one that was ever seen in the spool
    segments_left: int = 0
    answered: int = 0
    happened: int = 0  # occurrences, by the answers that were got
    broken: int = 0
    counted: int = 0  # occurrences, by the issues
    mails: int = 0
    losses: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Return what is not as it should be, besides the curves."""
        found = []
        if not self.happened <= self.counted <= self.happened + self.broken:
            found.append(f"{self.happened} occurrences, {self.broken} requests broke, {self.counted} were counted")
        if self.losses:
            found.append(f"losses: {self.losses}")
        if not self.mails:
            found.append("no mail came")
        if self.seconds >= SHORT_S and len(self.segments) <= self.segments_left:
            found.append("retention removed nothing")
        for role, bound_mb in (("spool", SPOOL_MAX_MB + _STATE_MB), ("sink", 1.25 * SINK_MB)):
            highest_mb = max(sample.bytes for sample in self.samples if sample.role == role) / _MIB
            if highest_mb > bound_mb:
                found.append(f"{role}: {highest_mb:.1f} MB of {bound_mb:.1f} MB")
        return found


def run(folder: Path, seconds: float, dice: random.Random) -> Run:
    """Run it all in ``folder``, which is made."""
    stage, found = Stage(folder, _FAULTS), Run(seconds)
    try:
        stage.open()
        visits = Visits(stage.port, dice, per_s=_PER_S, faults=_FAULTS)
        visits.start()
        _look_on(stage, found)
        visits.stop()
        found.answered, found.happened, found.broken = visits.answered, visits.counted, visits.broken
        left = _segments(stage)
        found.segments |= left
        found.segments_left = len(left)
    finally:
        stage.close()
    found.counted, found.losses, found.mails = stage.counted(), stage.losses(), stage.mails
    return found


def _look_on(stage: Stage, found: Run) -> None:
    begun = time.monotonic()
    pause_s = min(max(found.seconds / _SAMPLES, 1.0), _LONGEST_PAUSE_S)
    to_come = _programme(stage, found)
    while (at_s := round(time.monotonic() - begun, 1)) < found.seconds:
        while to_come and at_s >= to_come[0][0]:
            to_come.pop(0)[1](at_s)
        looks = [of_process(at_s, role, pid) for pid, role in stage.pids().items()]
        looks += [of_folder(at_s, "spool", stage.spool), of_folder(at_s, "sink", stage.sink)]
        found.samples += [look for look in looks if look is not None]
        found.segments |= _segments(stage)
        if len(found.samples) % 20 < len(looks):
            write_csv(stage.folder / "samples.csv", found.samples)  # for whoever can't wait
        time.sleep(pause_s)


def _programme(stage: Stage, found: Run) -> list[tuple[float, Callable[[float], None]]]:
    """Return what is to be done when, in order."""

    def release(at_s: float) -> None:
        stage.release()
        found.releases.append((at_s, at_s))

    def away(at_s: float) -> None:
        stage.keep_mail_away()
        found.aways.append((at_s, at_s))

    def back(at_s: float) -> None:
        stage.let_mail_come()
        found.aways[-1] = (found.aways[-1][0], at_s)

    steps = [(share * found.seconds, release) for share in _RELEASES]
    for begin, end in _AWAY:
        steps += [(begin * found.seconds, away), (end * found.seconds, back)]
    return sorted(steps, key=lambda step: step[0])


def _segments(stage: Stage) -> set[str]:
    return {path.name for path in stage.spool.glob("[0-9a-f]*.events")}


def table(found: Run, grown: list[Growth]) -> str:
    """Return the page's table, and what stands around it."""
    told = (
        f"Run of {datetime.now(UTC):%Y-%m-%d}: {found.seconds / 60:g} minutes, CPython {platform.python_version()}, "
        f"{platform.system()}, {os.cpu_count()} cores. {found.answered:,} answers, {found.happened:,} occurrences of "
        f"{_FAULTS + 4} faults, {found.counted:,} counted, {found.mails:,} mails, {len(found.releases)} "
        f"releases of the workers, {len(found.segments):,} segments begun and {found.segments_left} left."
    )
    lines = [
        textwrap.fill(told, 118),
        "",
        "| what | of | median | highest | grown | allowed | within |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in grown:
        shown = _in_mb if each.measure in ("memory", "disk") else _plain
        numbers = [shown(number) for number in (each.median, each.highest, each.grown, each.allowed)]
        lines.append(f"| {each.measure} | {each.role} | {' | '.join(numbers)} | {each.seconds / 60:.1f} min |")
    return "\n".join(lines) + "\n"


def _in_mb(number: float) -> str:
    return f"{number / _MIB:.2f} MB" if number < math.inf else "-"


def _plain(number: float) -> str:
    return f"{number:.1f}"


def write(found: Run, grown: list[Growth], folder: Path, page: Path | None) -> None:
    """Write samples, picture and table; into the page what stands there between its two marks."""
    events = {"mail server away": found.aways, "releases": found.releases}
    write_csv(folder / "samples.csv", found.samples)
    (folder / "soak.svg").write_text(picture(found.samples, found.seconds, events), encoding="utf-8")
    text = table(found, grown)
    (folder / "table.md").write_text(text, encoding="utf-8")
    if page is not None:
        before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
        page.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
        shutil.copy(folder / "soak.svg", page.with_name("soak.svg"))


def main() -> int:
    """Run, tell, and return 1 where something is not flat or not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, default=Path(".soak"))
    parser.add_argument("--page", type=Path, help="docs/explanation/soak.md, to write figures and picture into it")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    print(f"{asked.minutes:g} minutes, spool_max_mb {SPOOL_MAX_MB}, --seed {asked.seed}", flush=True)
    shutil.rmtree(asked.folder, ignore_errors=True)
    folder = asked.folder.absolute()
    found = run(folder, asked.minutes * 60, random.Random(asked.seed))
    grown = growths(found.samples, found.seconds)
    write(found, grown, folder, asked.page)
    print(table(found, grown))
    faults = [f"{each.role}: {each.measure} grows" for each in grown if not each.is_flat] + found.faults
    print("\n".join(faults) if faults else "flat")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
