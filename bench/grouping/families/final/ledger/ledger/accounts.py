from __future__ import annotations

ACCOUNTS = {"cash": ["till"], "bank": ["giro", "savings"], "all": ["cash", "bank", "all"]}


def leaves(name: str) -> list[str]:
    """Return the accounts below one; the table of them bites its own tail."""
    below = ACCOUNTS.get(name)
    if below is None:
        return [name]
    found: list[str] = []
    for one in below:
        found.extend(leaves(one))
    return found


def depth(name: str, level: int = 0) -> int:
    if level == 0:
        return len(ACCOUNTS[name])
    return depth(name, level - 1)


class Closed(Exception):
    """The books of this year are closed."""


def post(year: int, cents: int) -> int:
    if year < 2020:
        raise Closed(f"{year} is closed, {cents} can't be posted")
    return cents


def import_old(year: int, amounts: list[int]) -> int:
    return sum(post(year - 40, amount) for amount in amounts)


def correct(year: int, amount: int) -> int:
    return post(int(str(year)[2:]), -amount)


def check(name: str) -> str:
    if name not in ACCOUNTS:
        raise ValueError(f"there is no account {name}")
    return name


def average(name: str) -> float:
    import statistics

    return statistics.mean(len(one) for one in ACCOUNTS.get(name, []))
