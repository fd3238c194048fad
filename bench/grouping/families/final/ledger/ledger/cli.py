from __future__ import annotations

import argparse
import sys

from ledger import accounts, balance, reading

STATEMENT = "day;amount;text\n24.12.2025;{0},50;gift\n27.12.2025;-3,20;fees\n"


def command_sum(words: list[str]) -> None:
    balance.check(reading.from_csv(STATEMENT.format(words[0])), int(words[0]))


def command_months(words: list[str]) -> None:
    balance.monthly(reading.from_csv(STATEMENT.format(words[0])))


def command_spread(words: list[str]) -> None:
    balance.spread(reading.from_csv("day;amount;text\n24.12.2025;%s,50;gift\n" % words[0]))


def command_account(words: list[str]) -> None:
    accounts.leaves("all")


def command_import(words: list[str]) -> None:
    accounts.import_old(int(words[0]) % 60 + 1970, [1, 2])


def command_correct(words: list[str]) -> None:
    accounts.correct(2026, int(words[0]))


def command_open(words: list[str]) -> None:
    accounts.check(words[0].upper())


def command_plugin(words: list[str]) -> None:
    from ledger.plugins import READERS

    READERS[words[0]]


def main() -> None:
    parser = argparse.ArgumentParser("ledger")
    parser.add_argument("command")
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    globals()[f"command_{asked.command}"](asked.words)


if __name__ == "__main__":
    sys.exit(main())
