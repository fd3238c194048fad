"""Bank statements: text in many shapes goes in, entries come out."""
from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Entry:
    day: date
    cents: int
    text: str


def from_csv(source: str) -> list[Entry]:
    reader = csv.DictReader(io.StringIO(source), delimiter=";")
    return [_entry(row) for row in reader]


def _entry(row: dict[str, str]) -> Entry:
    day = datetime.strptime(row["day"], "%d.%m.%Y").date()
    return Entry(day, cents(row["amount"]), row["text"].strip())


def cents(amount: str) -> int:
    whole, fraction = amount.split(",")
    return int(whole) * 100 + int(fraction)


def from_json(source: str) -> list[Entry]:
    return [
        Entry(date.fromisoformat(item["bookingDate"]), round(float(item["amount"]["value"]) * 100), item.get("purpose", ""))
        for item in json.loads(source)["transactions"]
    ]


def from_fixed(source: str) -> list[Entry]:
    entries = []
    for line in source.splitlines():
        kind, rest = line[:2], line[2:]
        if kind != "86":
            continue
        entries.append(
            Entry(
                day=date(int(rest[:4]), int(rest[4:6]), int(rest[6:8])),
                cents=int(rest[8:18]),
                text=rest[18:],
            )
        )
    return entries
