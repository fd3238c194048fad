"""What all targets share: bytes go in, choices and values leave; atheris, where it is there, guides by coverage.

A target is a function of bytes that raises where tocsin breaks a law. So anything can drive it: atheris, hypothesis, a
seeded generator, or one input that once made it fail.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["NO_ATHERIS", "Choices", "has_atheris", "main", "watched"]

NO_ATHERIS = "no atheris, which has wheels for CPython 3.11 to 3.13 on Linux; pip install --group fuzz"
_T = TypeVar("_T")
_TEXTS = ("", "\x00", "\ud800", "\x1b[2J", "é", "…", "password=hunter2", "9" * 30, "a" * 3_000, "\r\nX: y", "%25", "_")
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1 << 63,
    1 << 70,
    0.5,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    {"a": 1},
)
_DEPTH = 3


class Choices:
    """Read choices from bytes, which give the first of everything once they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """Return a number from 0 on."""
        size = 1 if below <= 256 else 4
        piece = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(piece, "little") % below

    def one(self, of: Iterable[_T]) -> _T:
        """Return one of several."""
        listed = list(of)
        return listed[self.number(len(listed))]

    def rest(self) -> bytes:
        """Return the bytes that are left."""
        rest, self._at = self._data[self._at :], len(self._data)
        return rest

    def text(self) -> str:
        """Return a text that somebody could mean ill with."""
        if self.number(2):
            return self.one(_TEXTS)
        piece = self._data[self._at : self._at + self.number(40)]
        self._at += len(piece)
        return piece.decode("utf-8", "surrogateescape")

    def value(self, depth: int = _DEPTH) -> Any:
        """Return a value of JSON, or nearly."""
        sort = self.number(5 if depth else 3)
        if sort == 0:
            return self.text()
        if sort == 1:
            return self.one(_VALUES)
        if sort == 2:
            return self.number(1 << 32)
        if sort == 3:
            return [self.value(depth - 1) for _ in range(self.number(4))]
        return {self.text(): self.value(depth - 1) for _ in range(self.number(4))}

    def spoiled(self, value: Any) -> Any:
        """Return a JSON value with one place of it replaced, removed or added to."""
        if isinstance(value, dict) and value and self.number(8):
            name = self.one(value)
            change = self.number(8)
            if change == 0:
                return {key: each for key, each in value.items() if key != name}
            if change == 1:
                return {**value, self.text(): self.value()}
            return {**value, name: self.spoiled(value[name])}
        if isinstance(value, list) and value and self.number(8):
            at = self.number(len(value))
            return [*value[:at], self.spoiled(value[at]), *value[at + 1 :]]
        return self.value()


def has_atheris() -> bool:
    """Tell whether coverage can guide."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True


def watched() -> contextlib.AbstractContextManager[Any]:
    """Have what is imported within watched for coverage, where this is a run of a target and atheris is there."""
    if Path(sys.argv[0]).resolve().parent != Path(__file__).resolve().parent or not has_atheris():
        return contextlib.nullcontext()
    import atheris

    manager: contextlib.AbstractContextManager[Any] = atheris.instrument_imports(include=["tocsin"])
    return manager


def main(target: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Run a target for ever, or as the options of libFuzzer say: ``-max_total_time=600``, ``-runs=N``, ``-seed=N``.

    Files are inputs to try once, a folder keeps what was found from run to run.
    """
    if not has_atheris():
        sys.exit(NO_ATHERIS)
    import atheris

    options = sys.argv[1:]
    if not any(option.startswith("-seed=") for option in options):
        options.append(f"-seed={random.randrange(1, 2**32)}")
    print(" ".join(option for option in options if option.startswith("-seed=")), flush=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, f"seed{number}").write_bytes(seed)
        if not any(Path(option).is_file() for option in options):
            options.append(corpus)
        atheris.Setup([sys.argv[0], "-verbosity=0", "-print_final_stats=1", *options], target)
        atheris.Fuzz()
