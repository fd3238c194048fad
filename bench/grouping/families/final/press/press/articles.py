import datetime as dt
import functools
import unicodedata


def slug(title):
    ascii_ = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return "-".join(ascii_.lower().split())


class Archive:
    _months = {}

    def __init__(self, year):
        self.year = year

    @functools.cached_property
    def first(self):
        return dt.date(self.year * 10, 1, 1)

    def month(self, number):
        return self.first.replace(month=number).isoformat()


def published(state, by):
    match state:
        case "draft":
            return {"by": by.title()}
        case "final":
            return {"on": dt.date.fromisoformat(by).isoformat()}
        case other:
            raise NotImplementedError(f"state {other}")


def promise(*, weeks):
    return dt.date.max - dt.timedelta(weeks=-weeks)


def soon(weeks):
    return promise(week=weeks)


def weekday(day):
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day.weekday()]


def weekly(name):
    return weekday({"sport": dt.date(2026, 2, 2)}.get(name))


def daily(text):
    return weekday(text.strip())
