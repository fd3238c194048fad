"""What the visitors of the demo do: secrets go in, visits leave, each fault of the shop among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from planted import Planted
from visitors import Visit

__all__ = ["NO_DATABASE", "Plot"]

#: The fault that the shop tells the oracle, where its database is away.
NO_DATABASE: Final = "no-database"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Plot:
    """Know every request that the demo sends."""

    def __init__(self, planted: Planted) -> None:
        self._planted = planted
        self._identity = {
            "Cookie": f"session={planted.session_cookie}; theme=dark",
            "Authorization": f"Bearer {planted.bearer_token}",
        }

    def ordinary(self) -> list[Visit]:
        """Return what works."""
        return [
            Visit("/"),
            Visit("/product/kettle"),
            Visit("/order", "POST", self._order("teapot"), _FORM),
            Visit("/orders", headers=_JSON),
            Visit("/api/stock", headers={"X-Requested-With": "XMLHttpRequest"}),
        ]

    def faults(self) -> dict[str, Visit]:
        """Return what breaks with the database there, by the shop's own name for it."""
        planted = self._planted
        pay = {"card": planted.card_number, "email": planted.email, "amount": 39}
        query = urlencode({"q": "lamp(", "password": planted.query_password})
        return {
            "no-price": self._visit("/product/mystery-box"),
            "payment": self._visit("/api/pay", "POST", json.dumps(pay), _JSON),
            "inconsistent": self._visit("/order", "POST", self._order("piano"), _FORM),
            "statistics": self._visit("/statistics", headers={"Accept": "text/plain"}),
            "search": self._visit(f"/search?{query}"),
            "circle": self._visit("/category/tea"),
            "rates": self._visit("/api/rate/USD", headers=_JSON),
            "suppliers": self._visit("/api/suppliers", headers=_JSON),
            "catalogue": self._visit("/catalogue.csv"),
        }

    def without_database(self) -> tuple[Visit, ...]:
        """Return what breaks once the database is away: one fault, `NO_DATABASE`, whichever page comes upon it."""
        return self._visit("/orders", headers=_JSON), self._visit("/order", "POST", self._order("kettle"), _FORM)

    def warnings(self) -> dict[str, Visit]:
        """Return what is fishy and breaks nothing."""
        return {
            "not-a-script": self._visit("/api/stock"),
            "no-json": self._visit("/api/order", "POST", "{name: Eve", _JSON),
            "old-prices": self._visit("/prices", headers=_JSON),
        }

    def nothing(self, marker: str) -> list[Visit]:
        """Return what must leave no trace: pages that are not there. ``marker`` is in each of their paths."""
        return [self._visit(f"/wp-{marker}.php"), self._visit(f"/product/{marker}")]

    def database(self, *, is_there: bool) -> Visit:
        """Return the visit that brings the database back or takes it away."""
        return Visit("/database/restore" if is_there else "/database/remove")

    def _order(self, product: str) -> str:
        planted = self._planted
        form = {"name": "Eve", "password": planted.form_password, "email": planted.email, "product": product}
        return urlencode(form, quote_via=quote)

    def _visit(self, path: str, method: str = "GET", body: str = "", headers: Mapping[str, str] | None = None) -> Visit:
        return Visit(path, method, body, {**self._identity, **(headers or {})})
