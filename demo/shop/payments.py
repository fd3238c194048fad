"""Paying: a card and an amount go in, a receipt leaves, or `PaymentFailed` from deep below."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PaymentFailed", "pay"]

_LIMITS_EUR = {"visa": 2_000, "mastercard": 1_500}


class PaymentFailed(Exception):
    """Say that a card could not be charged."""


def pay(card: str, email: str, amount_eur: int) -> str:
    """Charge a card; return the receipt's number."""
    try:
        return _charge({"brand": _brand(card), "amount": amount_eur})
    except LookupError as fault:
        raise PaymentFailed(f"card {card} of {email} could not be charged with {amount_eur} EUR") from fault


def _charge(order: Mapping[str, object]) -> str:
    limit = _limit(str(order["brand"]))
    return f"R-{limit}-{order['amount']}"


def _limit(brand: str) -> int:
    return _LIMITS_EUR[brand]


def _brand(card: str) -> str:
    return {"4": "visa", "5": "mastercard"}.get(card[:1], "unknown")
