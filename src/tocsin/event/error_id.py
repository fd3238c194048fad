"""Error ids: a fingerprint and an occurrence number go in, ``7K3QDM-04F2`` leaves, and back again."""

from __future__ import annotations

from typing import Final

from tocsin.event.errors import DecodeError

__all__ = ["ALPHABET", "ERROR_ID_HEADER", "SUFFIXES", "distance", "make", "number", "parse", "prefix", "suffix"]

ERROR_ID_HEADER: Final = "X-Error-Id"  # of answers and of mails

# Thirty characters, no look-alikes (0 o 1 i l s are missing); shown in capitals, read in either case.
ALPHABET: Final = "23456789abcdefghjkmnpqrtuvwxyz"
_SHOWN: Final = ALPHABET.upper()
_VALUES: Final = {c: i for i, c in enumerate(ALPHABET)}
_PREFIX_CHARS: Final = 6
_SUFFIX_CHARS: Final = 4
SUFFIXES: Final = len(ALPHABET) ** _SUFFIX_CHARS


def prefix(fingerprint: str) -> str:
    """Return the six characters that name an issue, from a fingerprint such as ``v1:<32 hex digits>``."""
    return _digits(int(fingerprint.rpartition(":")[2][:16], 16), _PREFIX_CHARS)


def suffix(number: int) -> str:
    """Return the four characters that name an occurrence; ``number`` is taken modulo `SUFFIXES`."""
    # Not `_digits`, whose loop takes three times as long: every occurrence has one.
    return _SHOWN[number // 27_000 % 30] + _SHOWN[number // 900 % 30] + _SHOWN[number // 30 % 30] + _SHOWN[number % 30]


def make(issue_prefix: str, number: int) -> str:
    """Return the error id of occurrence ``number`` of the issue whose prefix is given."""
    return f"{issue_prefix}-{suffix(number)}"


def parse(text: str) -> tuple[str, str]:
    """Return (issue prefix, occurrence suffix or ``""``), in capitals, from what a person typed.

    Raises DecodeError when it has not the form of an error id. Characters outside the alphabet pass: they
    name no issue, and "no such issue" is the better answer to a misread character.
    """
    plain = text.strip(" \t\n.,;:()[]<>\"'").upper().replace(" ", "-")
    if "-" not in plain and len(plain) == _PREFIX_CHARS + _SUFFIX_CHARS:
        plain = f"{plain[:_PREFIX_CHARS]}-{plain[_PREFIX_CHARS:]}"
    first, _, second = plain.partition("-")
    if len(first) != _PREFIX_CHARS or len(second) not in (0, _SUFFIX_CHARS) or not (first + second).isalnum():
        raise DecodeError(f"{text!r} is not an error id; one looks like 7K3QDM-24F2, or 7K3QDM for the issue")
    return first, second


def distance(from_suffix: str, to_suffix: str) -> int:
    """Return how many occurrences lie from one suffix forward to another (0 <= d < SUFFIXES)."""
    return (number(to_suffix) - number(from_suffix)) % SUFFIXES


def _digits(number: int, width: int) -> str:
    out = ""
    for _ in range(width):
        number, digit = divmod(number, 30)
        out = _SHOWN[digit] + out
    return out


def number(text: str) -> int:
    """Return the number that a suffix stands for; characters outside the alphabet count as its first."""
    value = 0
    for character in text.lower():
        value = value * 30 + _VALUES.get(character, 0)
    return value
