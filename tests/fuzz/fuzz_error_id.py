"""Error ids: what people type goes in. An id leaves, or DecodeError; what we show is read as what it is.

Usage: python tests/fuzz/fuzz_error_id.py [-max_total_time=600]
"""

from __future__ import annotations

from fuzzing import Choices, main, watched

with watched():
    from tocsin.event import error_id
    from tocsin.event.errors import DecodeError


def try_one(data: bytes) -> None:
    """Raise where an id is neither read nor refused."""
    choices = Choices(data)
    digits, number = f"{choices.number(1 << 32):08x}{choices.number(1 << 32):08x}", choices.number(1 << 32)
    made = error_id.make(error_id.prefix(f"v1:{digits}{digits}"), number)
    first, second = error_id.parse(made)
    assert f"{first}-{second}" == made
    assert error_id.number(second) == number % error_id.SUFFIXES
    spoken = choices.one((made.lower(), f" {made}.", f"<{made}>", made.replace("-", ""), made.replace("-", " ")))
    assert error_id.parse(spoken) == (first, second), spoken
    text = choices.rest().decode("utf-8", "surrogateescape")
    try:
        first, second = error_id.parse(text)
    except DecodeError as fault:
        str(fault)
        return
    assert len(first) == 6
    assert len(second) in (0, 4)
    error_id.distance(second, made[-4:])


def seeds() -> list[bytes]:
    """Return inputs to begin with."""
    return [b"", bytes(12) + b"\x00" + b"7K3QDM-24F2", bytes(range(13)) + b"7k3qdm", bytes(13) + "ßßßßßß".encode()]


if __name__ == "__main__":
    main(try_one, seeds())
