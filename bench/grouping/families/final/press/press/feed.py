import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from operator import itemgetter


async def lines(n) -> AsyncIterator[str]:
    yield "<feed>"
    for i in range(n % 5 + 1, -1, -1):
        yield f"<entry>{100 // i}</entry>"
    yield "</feed>"


def parse(body):
    root = ET.fromstring(body)
    newest = max(((e.get("day"), e.text) for e in root), key=itemgetter(0))
    return newest[1]


def find(body):
    return ET.fromstring(body).find("entry").text


def sort(entries):
    return sorted(entries, key=lambda e: e["day"])


def flatten(entry):
    return [entry["id"]] + [x for child in entry.get("children", []) for x in flatten(child)]
