"""What several kinds of papers have in common."""

import contextlib
import functools
import time


class Paper:
    kind = "paper"

    def __init__(self, title, pages=()):
        self.title = title
        self.pages = list(pages)

    @property
    def first(self):
        return self.pages[0]

    def heading(self):
        return self.render(self.title)

    def render(self, text):
        raise NotImplementedError(self.kind)

    def __getitem__(self, number):
        return self.pages[number]


class Letter(Paper):
    kind = "letter"

    def render(self, text):
        return text.upper()


class Memo(Paper):
    kind = "memo"


class Bill(Paper):
    kind = "bill"


def retried(times):
    def around(function):
        @functools.wraps(function)
        def again(*args, **kwargs):
            for left in range(times, 0, -1):
                try:
                    return function(*args, **kwargs)
                except OSError:
                    if left == 1:
                        raise
                    time.sleep(0)
        return again

    return around


@contextlib.contextmanager
def drawer(name):
    opened = [name]
    yield opened
    if len(opened) > 1:
        raise RuntimeError(f"{name} does not close")


def positive(number):
    if number < 0:
        raise ValueError(f"{number} is less than nothing")
    return number
