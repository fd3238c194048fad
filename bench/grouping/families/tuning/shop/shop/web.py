import json
import logging
import sqlite3
from functools import wraps

from flask import Flask, jsonify, render_template, request

from shop import prices

app = Flask(__name__)
logger = logging.getLogger("shop")


def db():
    con = sqlite3.connect(":memory:")
    con.row_factory = sqlite3.Row
    con.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, buyer TEXT NOT NULL)")
    return con


def tracked(view):
    @wraps(view)
    def inner(*args, **kwargs):
        return view(*args, **kwargs)

    return inner


@app.route("/price/<int:cents>/<currency>")
@tracked
def price(cents, currency):
    return str(prices.convert(cents, currency))


@app.route("/quote/<int:cents>/<currency>")
def quote(cents, currency):
    return jsonify(price=prices.convert(cents, currency))


@app.route("/order/<int:number>")
def order(number):
    row = db().execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
    return row["buyer"]


@app.route("/order", methods=["POST"])
def new_order():
    con = db()
    con.execute("INSERT INTO orders (buyer) VALUES (?)", (request.form.get("buyer"),))
    return "ok"


@app.route("/invoice/<int:number>")
def invoice(number):
    return render_template("invoice.html", number=number)


@app.route("/hook", methods=["POST"])
def hook():
    payload = json.loads(request.get_data())
    return payload["id"]


@app.route("/vat/<int:cents>")
def vat(cents):
    return str(prices.vat(cents, 19))


@app.route("/best/<int:number>")
def best(number):
    return str(safely(lambda: prices.cheapest([])))


@app.route("/basket/<int:number>")
def basket(number):
    return str(safely(lambda: sum_of(None)))


def sum_of(lines):
    return sum(line["cents"] for line in lines)


def safely(work):
    try:
        return work()
    except Exception:
        logger.exception("a page failed")
        return ""
