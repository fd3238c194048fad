from urllib.parse import parse_qs

from bakery import money
from bakery.store import Store

store = Store()


class Page:
    def __init__(self, environ):
        self.environ = environ
        self.query = {k: v[-1] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}

    def form(self):
        length = int(self.environ.get("CONTENT_LENGTH") or 0)
        body = self.environ["wsgi.input"].read(length)
        return {k: v[-1] for k, v in parse_qs(body.decode("utf-8")).items()}


class Loaves(Page):
    def show(self, number):
        loaf = store.loaf(int(number))
        return "%(name)s weighs %(grams)d g" % loaf

    def price(self, number):
        loaf = store.loaf(1)
        return str(money.discounted(loaf, self.query["percent"]))

    def kilo(self, number):
        loaf = {"price": "4.20", "grams": int(number) - int(number)}
        return str(money.per_kilo(loaf))

    def add(self, number):
        form = self.form()
        return str(store.add_loaf(form.get("name"), form.get("grams")))


class Sales(Page):
    def day(self, number):
        return repr(store.sales_of(number))

    def split(self, number):
        each, rest = money.share(number, int(self.query.get("people", "1")))
        return "%s each, %s over" % (each, rest)

    def label(self, number):
        loaf = store.loaf(2)
        return "%s: %s" % (loaf["name"], money.amount(loaf["price"]))


def search(page, word):
    found = [row for row in store.query("SELECT name FROM loaf") if word in row[0]]
    return found[int(page.query["at"])][0]


def first(page, word):
    found = store.query("SELECT name FROM loaf WHERE name = ?", word)
    return found[0][0]


ROUTES = {
    "loaf": (Loaves, "show"),
    "price": (Loaves, "price"),
    "kilo": (Loaves, "kilo"),
    "add": (Loaves, "add"),
    "day": (Sales, "day"),
    "split": (Sales, "split"),
    "label": (Sales, "label"),
}


def application(environ, start_response):
    parts = environ["PATH_INFO"].strip("/").split("/")
    name, argument = parts[-2], parts[-1]
    if name == "search":
        text = search(Page(environ), argument)
    elif name == "first":
        text = first(Page(environ), argument)
    else:
        cls, method = ROUTES[name]
        text = getattr(cls(environ), method)(argument)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode("utf-8")]
