"""The application that the other files here deploy: `shop:create_app()`."""

from __future__ import annotations

from flask import Flask

import tocsin


def create_app() -> Flask:
    """Return the application, with its errors reported; TOCSIN_CONFIG names the configuration."""
    tocsin.setup()
    app = Flask("shop")

    @app.get("/")
    def front() -> str:
        return "the shop is open\n"

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, float]:
        return {"number": number, "total": 100 / number}

    return tocsin.install(app)
