"""Source files: the name of a code object's file goes in, its lines leave, from a bounded cache."""

from __future__ import annotations

import io
import linecache
import os
import stat
import tokenize
import zipimport
from collections.abc import Sequence
from typing import Any, Final

from tocsin.event import limits
from tocsin.system.interrupts import let_through

__all__ = ["SourceCache"]

_CACHED: Final = 4  # fields of a linecache entry whose lines are loaded: size, mtime, lines, full name


class SourceCache:
    """Read source files once each, at most `CACHED_SOURCE_FILES` of them.

    Files, what `linecache` was told (doctests, shells), and zip archives by the standard importer; a foreign
    ``__loader__`` is never asked. Missing, huge, binary and special files have no lines. Never raises.
    """

    def __init__(self) -> None:
        self._files: dict[str, Sequence[str]] = {}

    def lines(self, file: str, module: str = "", loader: object = None) -> Sequence[str]:
        """Return the lines of a file without their newlines; nothing if there are none to be had."""
        known = self._files.get(file)
        if known is not None:
            return known
        if len(file) > limits.PATH_CHARS * 4:  # no file has such a name
            return ()
        try:
            lines = _read(file) or _registered(file) or _zipped(module, loader)
        except Exception as fault:  # noqa: BLE001 - decoding may fail in many ways; an event without source is one
            let_through(fault)
            lines = ()
        while len(self._files) >= limits.CACHED_SOURCE_FILES:
            # Another thread may have been quicker; dict.pop with a default can't fail on that.
            self._files.pop(next(iter(list(self._files))), None)
        self._files[file] = lines
        return lines


def _read(file: str) -> Sequence[str]:
    try:
        # Non-blocking: opening a named pipe would wait for its writer.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError):
        return ()
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limits.SOURCE_FILE_BYTES:
            return ()
        data = stream.read(limits.SOURCE_FILE_BYTES)
    if b"\0" in data:
        return ()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:
        encoding = "utf-8"
    return _split(data.decode(encoding, "replace"))


def _registered(file: str) -> Sequence[str]:
    entry: Any = linecache.cache.get(file)
    if type(entry) is not tuple or len(entry) != _CACHED or type(entry[2]) is not list:
        return ()
    if len(entry[2]) > limits.SOURCE_FILE_BYTES // 80:
        return ()
    return tuple(line.rstrip("\r\n") if type(line) is str else "" for line in entry[2])


def _zipped(module: str, loader: object) -> Sequence[str]:
    if type(loader) is not zipimport.zipimporter or not module:
        return ()
    source = loader.get_source(module)
    return _split(source) if source and len(source) <= limits.SOURCE_FILE_BYTES else ()


def _split(text: str) -> Sequence[str]:
    # Not splitlines(): form feeds and Unicode's separators end no line of Python.
    return tuple(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
