"""The process that plays: orders, one JSON object a line, come by stdin; an answer a line leaves by stdout.

An order names the folder to be in, the root of the sources, and what `plays.played` needs. Words of the command line
are libraries, which are imported once; each order is played in a fork of its own, so that none finds what another has
left. The answer is `{"number", "key", "facts"}`, or `{"number", "failed"}` with the reason.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import logging
import os
import sys
import traceback
import warnings
from typing import Any, Final

import plays
from facts import cleansed, facts_of

from stage import Seen
from tocsin.capture.piece import Piece
from tocsin.config.load import load
from tocsin.event.identity.fingerprint import fingerprint
from tocsin.event.masking.scrub import Scrubber
from tocsin.intake.compose import Composer

__all__ = ["main"]

_ANSWERS: Final = os.fdopen(os.dup(1), "w", encoding="utf-8")
_TIMEOUT_S: Final = 60


def main() -> None:
    """Answer orders until there are no more."""
    os.dup2(2, 1)  # what applications print must not be taken for answers
    warnings.simplefilter("ignore")
    logging.getLogger("celery").setLevel(logging.CRITICAL)
    settings = load({"application": "bench", "spool": os.devnull}, {}, {})
    for library in sys.argv[1:]:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # what the forks share is not to be copied for their collections
    gc.disable()
    for line in sys.stdin:
        process = os.fork()
        if not process:
            faulthandler.dump_traceback_later(_TIMEOUT_S, exit=True)
            _answer(json.loads(line), settings)
            os._exit(0)
        if os.waitpid(process, 0)[1]:
            print(json.dumps({"number": json.loads(line)["number"], "failed": "the process died"}), file=_ANSWERS)
            _ANSWERS.flush()


def _answer(order: dict[str, Any], settings: Any) -> None:
    try:
        answer = _answered(order, settings)
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    print(json.dumps({"number": order["number"], **answer}), file=_ANSWERS, flush=True)


def _answered(order: dict[str, Any], settings: Any) -> dict[str, Any]:
    os.chdir(order["folder"])
    sys.path.insert(0, order["root"])
    plays.prepared(order["kind"], order["app"])
    if order["app_prelude"]:
        exec(compile(order["app_prelude"], "<prelude>", "exec"), {})
    found = [one for one in plays.played(order) if (one.record is not None) == (order["seen"] == "log")]
    if len(found) != 1:
        told = [f"{type(one.exc).__name__}: {one.exc} / {one.record}" for one in found]
        return {"failed": f"seen {len(found)} times, not once: {told}"}
    return _told(found[0], order["root"], settings)


def _told(seen: Seen, root: str, settings: Any) -> dict[str, Any]:
    cleansed(seen.exc)
    piece = Piece("traceback", logging.ERROR) if seen.piece is None else seen.piece
    composer = Composer(settings, Scrubber(settings.mask_keys), bytes)
    environ = seen.environ or None
    event = composer.compose(piece, seen.exc, environ)
    return {"key": fingerprint(event), "facts": facts_of(seen.exc, seen.record, seen.request, root)}


if __name__ == "__main__":
    main()
