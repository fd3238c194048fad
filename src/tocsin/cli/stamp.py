"""`tocsin stamp`: a folder of a git work tree goes in; `tocsin-stamp.json` is written beside the application."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from tocsin.cli.command import Command
from tocsin.cli.console import Console
from tocsin.cli.words import number
from tocsin.event.masking.scrub import Scrubber
from tocsin.provenance.history import Stamped, stamp_of
from tocsin.provenance.stamp import STAMP_FILE

__all__ = ["COMMAND"]

_SHOWN: Final = 3


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        default=".",
        help="what is shipped: the repository, or a folder within it (.)",
    )


def _run(options: argparse.Namespace, console: Console) -> int:
    folder = Path(options.folder)
    stamped = stamp_of(str(folder), Scrubber(), console.environ)
    path = folder / STAMP_FILE
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    hidden.write_text(stamped.text, encoding="ascii")
    hidden.replace(path)
    _say(stamped, path, console)
    return 0


def _say(stamped: Stamped, path: Path, console: Console) -> None:
    console.say(
        f"{path}: commit {stamped.commit[:12]}, {number(stamped.files, 'file')}, {number(stamped.commits, 'commit')}, "
        f"{len(stamped.text):,} bytes"
    )
    if stamped.changed:
        names = ", ".join(stamped.changed[:_SHOWN]) + (" …" if len(stamped.changed) > _SHOWN else "")
        console.note(f"left out, since they differ from what is committed: {names}")
    if stamped.is_shallow:
        console.note(
            "the clone is shallow, so nothing is said of lines older than it; fetch the whole history "
            "(git fetch --unshallow, fetch-depth: 0)"
        )


COMMAND: Final = Command(
    name="stamp",
    summary="note beside the application which commit brought each line",
    description=(
        f"Write {STAMP_FILE} into FOLDER, at build time, where `.git` and git are at hand: which commit this is, and "
        "which commit brought each line. Reports of an application that is shipped without `.git` then name both. "
        "It holds commit ids, times and subjects, masked, and no names of people."
    ),
    exits="0 written, 1 there is no repository or no git",
    examples=("tocsin stamp", "tocsin stamp services/shop"),
    add_options=_add_options,
    run=_run,
)
