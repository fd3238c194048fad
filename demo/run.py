"""The demo: a shop that breaks goes in, what its people are told is shown; with `--check` it is verified."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from act import play_short, play_whole
from evidence import Evidence
from planted import Planted, plant
from plot import Plot
from screen import Screen
from shop.pages import BREAKABLE
from stage import Stage, StageError, claim, fresh
from verdict import checks, search_is_known_to_work
from visitors import Visitors

_FOLDER = Path(os.environ.get("DEMO_FOLDER", Path(__file__).parent.parent / ".demo"))


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(description="A shop that breaks, and what its people are told.")
    parser.add_argument("--check", action="store_true", help="run through, verify what arrived, and exit 0 or 1")
    parser.add_argument("--masking", choices=("on", "off"), default="on", help="off: the check must fail")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where it works; emptied at the start")
    parser.add_argument("--port", type=int, default=0, help="the shop's port; a free one by default")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    is_masking = arguments.masking == "on"
    try:
        if arguments.check:
            return check(claim(arguments.folder / "check"), is_masking=is_masking)
        return show(claim(arguments.folder / "live"), arguments.port, is_masking=is_masking)
    except StageError as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# -- to look at --------------------------------------------------------------------------------------------


def show(folder: Path, port: int, *, is_masking: bool) -> int:
    """Let a few things break by themselves, then stay up for more, until Ctrl-C."""
    screen = Screen(mail_lines=70)
    planted = plant()
    stage = Stage(
        fresh(folder),
        planted,
        is_masking=is_masking,
        update_interval="20s",
        silence="60s",
        port=port,
        seen=screen.request,
        arrived=screen.mail,
    )
    screen.say("The shop starts: gunicorn with two workers and tocsin; beside it a mail server.", "bold")
    try:
        stage.open()
        _introduce(stage, Plot(planted), screen)
        _invite(stage, screen)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        screen.title("the end")
        screen.held_back()
    finally:
        stage.close()
    screen.say(f"  All of it is still in {_shown(folder)}: mails, events.jsonl, the spool.")
    return 0


def _introduce(stage: Stage, plot: Plot, screen: Screen) -> None:
    visitors = Visitors(stage.port)
    screen.title("visitors come, and all is well")
    for visit in plot.ordinary():
        visitors.visit(visit, "ada")
    screen.title("a page that breaks, met by 40 visitors: one mail")
    for _ in range(40):
        visitors.visit(plot.faults()["no-price"], "eve")
    time.sleep(2.5)
    screen.title("the database is taken away, and somebody has a look at the orders")
    visitors.visit(plot.database(is_there=False), "operator")
    for visit in plot.without_database():
        visitors.visit(visit, "ada")
    visitors.visit(plot.database(is_there=True), "operator")
    time.sleep(2.5)
    screen.title("an order of a piano: no exception, but a hand-written error; then a warning")
    visitors.visit(plot.faults()["inconsistent"], "eve")
    visitors.visit(plot.warnings()["not-a-script"], "scanner")
    time.sleep(2.5)
    screen.held_back()


def _invite(stage: Stage, screen: Screen) -> None:
    base = f"http://127.0.0.1:{stage.port}"
    screen.title("your turn: click and break")
    screen.say(f"  {base + '/':<58} the shop: a form to order by; order a piano")
    for path, text in BREAKABLE:
        screen.say(f"  {base + path:<58} {text}")
    config = _shown(stage.config)
    tocsin = _shown(Path(sys.executable).with_name("tocsin"))
    screen.say("\n  In another terminal:")
    for command in ("issues", "show ERROR-ID", "tail", "status"):
        screen.say(f"    {tocsin} {command} --config {config}")
    screen.say("\n  Mails come here as they arrive. Ctrl-C ends it.\n", "bold")


# -- to verify ---------------------------------------------------------------------------------------------


def check(folder: Path, *, is_masking: bool) -> int:
    """Run through, verify what arrived against what was sent; return 0 if every check holds, else 1."""
    screen = Screen(mail_lines=12)
    planted = plant()
    begun = time.monotonic()
    evidence = _whole(fresh(folder), planted, screen, is_masking=is_masking)
    screen.title("what arrived, against what was sent")
    all_hold = True
    for each in checks(evidence, planted):
        screen.verdict(each.holds, each.words())
        all_hold = all_hold and each.holds
    if is_masking:
        proof = search_is_known_to_work(*_unmasked(folder / "unmasked"))
        screen.verdict(proof.holds, proof.words())
        all_hold = all_hold and proof.holds
    said = "every check holds" if all_hold else f"something is wrong; look into {_shown(folder)}"
    screen.say(f"\n{said} ({time.monotonic() - begun:.0f} s)", "green" if all_hold else "red")
    return 0 if all_hold else 1


def _whole(folder: Path, planted: Planted, screen: Screen, *, is_masking: bool) -> Evidence:
    stage = Stage(folder, planted, is_masking=is_masking, seen=screen.request, arrived=screen.mail)
    try:
        stage.open()
        played = play_whole(stage, Plot(planted), screen.title)
        _end(stage)
        screen.held_back()
    finally:
        stage.close()
    return Evidence(stage, played)


def _unmasked(folder: Path) -> tuple[Evidence, Planted]:
    planted = plant()
    stage = Stage(fresh(folder), planted, is_masking=False)
    try:
        stage.open()
        played = play_short(stage, Plot(planted))
        _end(stage)
    finally:
        stage.close()
    return Evidence(stage, played), planted


def _end(stage: Stage) -> None:
    """Stop the shop and have delivered what still waits."""
    stage.stop_shop()
    done = stage.tocsin("deliver", "--drain")
    if done.returncode != 0:
        raise StageError(f"`tocsin deliver --drain` failed ({done.returncode}):\n{done.stdout}{done.stderr}")


def _shown(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _leave(number: int, frame: FrameType | None) -> None:
    """End on SIGTERM as on Ctrl-C, so that gunicorn does not outlive the demo."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
