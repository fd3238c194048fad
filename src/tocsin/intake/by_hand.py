"""What a report by hand says: whatever the caller gave goes in; a Piece and perhaps an exception leave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from tocsin.capture.piece import Piece
from tocsin.capture.plain import plain

__all__ = ["REPORTED", "by_hand"]

REPORTED: Final = "tocsin.reported"  # the logger name of messages that no logger logged


def by_hand(
    exc: object, message: object, level: object, fingerprint: object, fields: Mapping[str, Any]
) -> tuple[Piece, BaseException | None]:
    """Return what is reported; nothing foreign is called, and no argument is so odd that the report is lost.

    A text given in the exception's place is the message, a class its name.
    """
    found: Any = exc if issubclass(type(exc), BaseException) else None
    if exc is not None and found is None and message is None:
        message = exc.__qualname__ if type(exc) is type else exc
    text = "" if message is None else _text(message)
    if not text and found is None:
        text = "reported without an exception or a message"
    levelno = _levelno(level)
    piece = Piece(
        kind="error" if levelno >= logging.ERROR else "warning",
        levelno=levelno,
        message=text,
        template=text,
        is_formatted=True,
        logger="" if found is not None else REPORTED,
        fields=fields,
        custom_fingerprint="" if fingerprint is None else _text(fingerprint),
    )
    return piece, found


def _text(value: object) -> str:
    return value if type(value) is str else str(plain(value))


def _levelno(level: object) -> int:
    if type(level) is str:
        return logging.getLevelNamesMapping().get(level.upper(), logging.ERROR)
    return level if type(level) is int else logging.ERROR
