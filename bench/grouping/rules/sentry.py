"""Sentry: by the frames of the application, else type and value, else the message without its parameters.

https://docs.sentry.io/concepts/data-management/event-grouping/ read on 22 November 2026 (stored copy): of the frames
that belong to the application, module name, normalised file name and normalised context line can be used; without a
stack trace type and value of the exception; without these the message without its parameters.

Left open there: whether the file counts where there is a module (taken: no), the function (taken: no, it isn't listed),
how a context line is normalised (taken: its white space), whether the type counts beside frames (taken: yes, as in
https://www.mintlify.com/getsentry/sentry/features/issue-grouping, with every exception of a chain), what is done
without any frame of the application (taken: all frames), recursion (taken: a frame that follows itself counts once).
Rules that Sentry keeps for known errors, its parameters for messages, and what it merges by machine learning are not
there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rules.parts import chain, in_app_or_all

__all__ = ["key"]


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an occurrence."""
    exception = facts["exception"]
    if exception is None:
        record = facts["record"]
        return f"message {_parameterised(record['template'])}"
    parts: list[object] = []
    for one in chain(exception):
        frames = [
            (frame["module"] or frame["file"], " ".join(frame["context"].split())) for frame in in_app_or_all(one)
        ]
        parts.append((one["type"], one["message"] if not frames else "", [frame for frame, _ in groupby(frames)]))
    return repr(parts)


def _parameterised(message: str) -> str:
    """Replace what https://docs.sentry.io says varies: numbers, identifiers, hexadecimal runs."""
    message = re.sub(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "<uuid>", message)
    return re.sub(r"\b(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?)\b", "<n>", message)
