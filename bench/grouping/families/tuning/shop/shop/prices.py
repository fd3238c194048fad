from decimal import Decimal

RATES = {"EUR": Decimal("1"), "USD": Decimal("1.1")}


def convert(cents, currency):
    return int(cents * RATES[currency])


def vat(cents, rate):
    return cents * rate / (rate - 19)


def parse(text):
    amount, currency = text.split(" ")
    return convert(int(amount), currency)


def cheapest(offers):
    return min(offers, key=lambda offer: offer["cents"])
