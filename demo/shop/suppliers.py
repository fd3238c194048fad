"""What the shop asks of others: a question goes in, an answer leaves, or the ways in which suppliers fail."""

from __future__ import annotations

import os

__all__ = ["RatesUnavailable", "ask_all", "exchange_rate"]


class RatesUnavailable(Exception):
    """Say that the exchange rates could not be had."""


def exchange_rate(currency: str) -> float:
    """Return what a euro costs. The service's URL carries the shop's key, as such URLs do."""
    key = os.environ.get("SHOP_RATES_KEY", "none")
    url = f"https://rates.example/v1/latest?base=EUR&symbols={currency}&api_key={key}"
    try:
        return _fetched(url)
    except OSError as fault:
        fault.add_note("asked for the third time")
        raise RatesUnavailable(f"no answer from {url}") from fault


def ask_all() -> list[str]:
    """Ask every supplier. Raises an ExceptionGroup with what each one did wrong."""
    faults: list[Exception] = []
    for ask in (_tea, _coffee):
        try:
            ask()
        except (ValueError, TimeoutError) as fault:
            faults.append(fault)
    raise ExceptionGroup("no supplier has answered", faults)


def _fetched(url: str) -> float:
    raise ConnectionRefusedError(111, "Connection refused")


def _tea() -> str:
    raise TimeoutError("the tea supplier took more than 5 s")


def _coffee() -> int:
    return int("12 sacks")
