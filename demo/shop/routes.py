"""The shop's pages and its API: requests go in, answers leave, and a good dozen ways to break.

Whatever is about to go wrong is told to the oracle first, by `about_to`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from flask import Blueprint, Response, abort, current_app, jsonify, redirect, request, stream_with_context, url_for
from werkzeug.wrappers import Response as AnyResponse

from shop import payments, suppliers
from shop.pages import front_page, order_page
from shop.store import Store

__all__ = ["about_to", "routes"]

routes = Blueprint("shop", __name__)
logger = logging.getLogger("shop.orders")

PRICES_EUR = {"kettle": 39, "teapot": 25, "piano": 4_200, "mystery-box": None}
_TREE: dict[str, str] = {"tea": "drinks", "drinks": "kitchen", "kitchen": "tea"}


def about_to(fault: str) -> None:
    """Tell the oracle what happens next, on which request."""
    current_app.extensions["oracle"].note(fault, request.headers.get("X-Request-Id", ""))


def _store() -> Store:
    store: Store = current_app.extensions["store"]
    return store


@routes.get("/")
def index() -> str:
    """Show the front page: the form to order by, and what there is to break."""
    return front_page(PRICES_EUR)


# -- what people do ----------------------------------------------------------------------------------------


@routes.post("/order")
def order() -> str:
    """Take an order by the form. A piano has no entry in the stock, which is found out too late."""
    product = request.form["product"]
    number = _store().add(request.form["name"], product)
    if product == "piano":
        about_to("inconsistent")
        logger.error(
            "database left in an inconsistent state: order %s has no stock entry",
            number,
            extra={"customer": request.form.to_dict(), "headers": dict(request.headers)},
        )
        abort(500)
    return order_page(number)


@routes.get("/orders")
def orders() -> Response:
    """List the latest orders."""
    return jsonify([{"number": number, "product": product} for number, product in _latest()])


def _latest() -> list[tuple[int, str]]:
    return _store().latest(10)


@routes.get("/product/<name>")
def product(name: str) -> str:
    """Show a product; the mystery box has no price."""
    if name not in PRICES_EUR:
        abort(404)
    if PRICES_EUR[name] is None:
        about_to("no-price")
    return f"{name}: {_with_tax(PRICES_EUR[name]):.2f} EUR"


def _with_tax(price_eur: int | None) -> float:
    return price_eur * 1.19  # type: ignore[operator]  # the very fault


@routes.get("/search")
def search() -> str:
    """Search for nothing but errors: a word with a bracket in it breaks."""
    word = request.args.get("q", "")
    if word.count("(") != word.count(")"):
        about_to("search")
        raise ValueError(f"can't search for {request.full_path}")
    return f"nothing found for {len(word)} letters"


@routes.get("/statistics")
def statistics() -> str:
    """Divide by the number of visitors of last night."""
    visitors = 0
    about_to("statistics")
    return f"{1000 / visitors:.1f} EUR a visitor"


@routes.get("/category/<name>")
def category(name: str) -> str:
    """Walk up a tree that has a circle in it."""
    about_to("circle")
    return _root_of(name)


def _root_of(name: str) -> str:
    return _root_of(_TREE.get(name, "tea"))


@routes.get("/catalogue.csv")
@stream_with_context
def catalogue() -> Iterator[str]:
    """Stream the catalogue; it breaks in the middle, when the answer has left already."""
    yield "product,price\n"
    yield "kettle,39\n"
    about_to("catalogue")
    raise NotImplementedError("prices in two currencies")


@routes.get("/prices")
def prices() -> Response:
    """Show prices, and warn that they are old."""
    about_to("old-prices")
    logger.warning("the price list is %d days old", 3)
    return jsonify(PRICES_EUR)


# -- the API -----------------------------------------------------------------------------------------------


@routes.post("/api/pay")
def pay() -> Response:
    """Charge a card. One of an unknown brand breaks, three functions down."""
    body = request.get_json()
    if not body["card"].startswith(("4", "5")):
        about_to("payment")
    return jsonify(receipt=payments.pay(body["card"], body["email"], body["amount"]))


@routes.get("/api/rate/<currency>")
def rate(currency: str) -> Response:
    """Ask an exchange service that never answers."""
    about_to("rates")
    return jsonify(rate=suppliers.exchange_rate(currency))


@routes.get("/api/suppliers")
def ask_suppliers() -> Response:
    """Ask all suppliers at once; both fail."""
    about_to("suppliers")
    return jsonify(suppliers.ask_all())


@routes.get("/api/stock")
def stock() -> Response:
    """Answer scripts of the shop's own pages only; anybody else is up to something."""
    if request.headers.get("X-Requested-With") != "XMLHttpRequest":
        about_to("not-a-script")
        abort(400)
    return jsonify(kettle=7, teapot=0)


@routes.post("/api/order")
def api_order() -> Response:
    """Take an order as JSON; Flask answers 400 to what is none."""
    if not request.is_json or not _is_json(request.get_data()):
        about_to("no-json")
    body = request.get_json()
    return jsonify(number=_store().add(str(body["name"]), str(body["product"])))


def _is_json(data: bytes) -> bool:
    try:
        current_app.json.loads(data)
    except ValueError:
        return False
    return True


# -- the switch --------------------------------------------------------------------------------------------


@routes.get("/database/<action>")
def database(action: str) -> AnyResponse:
    """Take the database away or bring it back. By GET, so that it can be clicked."""
    if action == "remove":
        _store().take_away()
    else:
        _store().bring_back()
    return redirect(url_for("shop.index"))
