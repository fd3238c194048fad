from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def amount(text):
    return Decimal(text).quantize(CENT, ROUND_HALF_UP)


def per_kilo(loaf):
    price = amount(loaf["price"])
    return price * 1000 / loaf["grams"]


def discounted(loaf, percent):
    price = amount(loaf["price"])
    return price - price * Decimal(percent) / 100


def share(total, people):
    each = amount(total) / Decimal(people)
    rest = amount(total) % Decimal(people - 1)
    return each, rest
