import hashlib
from datetime import date

from celery import shared_task
from jinja2 import Environment

env = Environment()


class Rejected(Exception):
    pass


@shared_task
def report(day):
    return date.fromisoformat(day).isoformat()


@shared_task
def digest(text):
    return hashlib.sha256(text).hexdigest()


@shared_task
def mail(name):
    return env.from_string("Dear {{ name }}, {{ 1 // left }} to go").render(name=name, left=0)


def transfer(account, amount):
    if amount <= 0:
        raise Rejected(f"{amount} to {account}")
    return amount


@shared_task
def payout(account, amount):
    return transfer(account, -amount)


@shared_task
def refund(account, amount):
    try:
        return transfer(account, amount - amount)
    except Rejected as why:
        raise RuntimeError("refund failed") from why
