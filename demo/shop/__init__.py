"""The sample shop: its environment goes in, a Flask application leaves, reporting by tocsin.

`TOCSIN_CONFIG` names the configuration, `SHOP_FOLDER` where the shop keeps its data. Nothing but the three lines with
`tocsin` in them knows of tocsin.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flask import Flask

import tocsin
from shop.oracle import Oracle
from shop.routes import about_to, routes
from shop.store import Store

__all__ = ["create_app"]


def create_app() -> Flask:
    """Return the shop."""
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    tocsin.setup()
    folder = Path(os.environ["SHOP_FOLDER"])
    app = Flask("shop")
    app.extensions["oracle"] = Oracle(folder / "faults.txt")
    dsn = os.environ.get("SHOP_DSN", "sqlite:///shop.sqlite")
    app.extensions["store"] = Store(folder / "shop.sqlite", dsn, lambda: about_to("no-database"))
    app.register_blueprint(routes)
    return tocsin.install(app)
