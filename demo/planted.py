"""Secrets to plant into the shop for one run: chance goes in, `Planted` leaves. Each is unlike anything else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields

__all__ = ["Planted", "plant"]

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Planted:
    """Hold one secret of each sort."""

    form_password: str
    query_password: str
    session_cookie: str
    bearer_token: str
    card_number: str
    api_key: str
    dsn_password: str
    email: str

    def named(self) -> dict[str, str]:
        """Return the secrets by name, in words."""
        return {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}


def plant() -> Planted:
    """Return new secrets; those that people choose hold characters that every encoding writes differently."""
    return Planted(
        form_password=f'Bl"ü&<{_word(12)}>',
        query_password=f"ro/se+{_word(12)}",
        session_cookie=f"{_word(20)}.{_word(8)}",
        bearer_token=f"{_word(16)}-{_word(10)}_{_word(6)}",
        card_number=_card_number(),
        api_key=_word(24),
        dsn_password=f"dsn!{_word(12)}",
        email=f"{_word(10)}.{_word(5)}@mail.example",
    )


def _word(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _card_number() -> str:
    """Return a number that passes Luhn (ISO/IEC 7812-1), of a brand that the shop does not know."""
    digits = "37" + "".join(secrets.choice("123456789") for _ in range(13))
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2
        total += int(digit) if place % 2 else doubled - 9 * (doubled > 9)
    return digits + str(-total % 10)
