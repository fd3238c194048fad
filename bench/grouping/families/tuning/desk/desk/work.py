import csv
import functools
import io
import logging
import operator
import sys
from datetime import datetime

from desk.base import Bill, Letter, Memo, drawer, positive, retried

log = logging.getLogger(__name__)


def cover(pages):
    return Letter("cover", pages).first


def memo(title):
    return Memo(title).heading()


def bill(title):
    return Bill(title).heading()


def letter(title):
    return Letter(title).heading()


@retried(3)
def fetched(name):
    with open(f"/nowhere/{name}") as paper:
        return paper.read()


def overfull(name, papers):
    with drawer(name) as opened:
        opened.extend(papers)


def discount(price, cut):
    return positive(price - cut)


def fee(hours):
    rate = -12
    return positive(hours * rate)


def rows(text):
    for row in csv.DictReader(io.StringIO(text)):
        yield row["due"], float(row["sum"])


def total(text):
    return sum(amount for _, amount in rows(text))


def due(text):
    return [datetime.strptime(day, "%Y-%m-%d") for day, _ in rows(text)]


def ordered(papers):
    return sorted(papers, key=operator.attrgetter("number"))


def ranked(papers):
    return sorted(papers, key=lambda paper: paper["rank"])


def mapped(values):
    return list(map(functools.partial(int, base=8), values))


def both(first, second):
    return int(first) + int(second)


def address(person):
    street = person["street"]
    city = person["town"]["city"]
    return f"{street}, {city}"


def initials(person):
    return person.name[0]


def badge(number):
    return initials({"number": number})


def card(people, name):
    return initials(people.get(name))


def checked(person):
    if person is None or "name" not in person:
        raise ValueError(f"{person} has no name")
    return person


def greeting(people, name):
    return "Dear " + checked(people.get(name))["name"]


def farewell(name):
    return "Yours, " + checked({"nick": name})["name"]


def note(text):
    log.warning(text)


def late(name, days):
    note(f"{name} is late by {days} days")


def early(name, days):
    note("%s is early by %s days" % (name, days))


def lost(name):
    log.error("lost: {}".format(name))


def found(name):
    log.error("found again: " + name)


def closed(name, days):
    if days > 3:
        log.warning("desk %s is closed", name)


def shut(name, days):
    if days > 3:
        log.warning("desk %s is closed", name)


def named(person):
    match person:
        case {"name": str(name)}:
            return name
        case _:
            raise TypeError("no person")


def main():
    print(both(sys.argv[1], "x"))


if __name__ == "__main__":
    main()
