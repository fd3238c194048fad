"""Applications whose templates break: an engine and paths go in; the events that reached the file leave as JSON.

    python templated_site.py flask|django FOLDER PATH…

Templates lie in FOLDER/shop/templates, and each path ``/x.html`` renders that template. Both run in mode production.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tocsin

__all__: list[str] = []


def settings(folder: Path) -> dict[str, Any]:
    return {"application": "shop", "spool": str(folder / "spool"), "sinks": [f"file:{folder}/events.jsonl"]}


class Order:
    """Be an order that nobody paid for."""

    sum, count = 1, 0

    def share(self) -> float:
        return self.sum / self.count


def flask_asks(folder: Path, paths: list[str]) -> None:
    import flask
    from jinja2 import DictLoader, Environment

    import tocsin

    app = flask.Flask("shop", root_path=str(folder / "shop"))
    loaded = Environment(
        loader=DictLoader({"kept.html": "<p>\n{{ orders[0].share() }}\n", "cut.html": "<p>\n{{ 1 +\n"})
    )

    @app.get("/<name>.html")
    def page(name: str) -> str:
        if name == "macro-alone":
            return str(flask.get_template_attribute("orders/macros.html", "total")(Order()))
        if name in ("kept", "cut"):
            return loaded.get_template(f"{name}.html").render(orders=[Order()])
        return flask.render_template(f"{name}.html", orders=[Order()])

    @app.get("/module/<name>")
    def module(name: str) -> str:
        return str(__import__(name))

    tocsin.install(app)
    for path in paths:
        app.test_client().get(path)


def django_asks(folder: Path, paths: list[str]) -> None:
    import django
    from django.conf import settings as project
    from django.http import HttpResponse
    from django.template import engines
    from django.template.response import TemplateResponse
    from django.test import Client
    from django.urls import path as route

    def page(request: Any, name: str) -> Any:
        if name == "text":
            text = "<p>\n{% for order in orders %}{{ order.share }}{% endfor %}\n"
            return HttpResponse(engines["django"].from_string(text).render({"orders": [Order()]}))
        return TemplateResponse(request, f"{name}.html", {"orders": [Order()]})

    engine = {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(folder / "shop/templates")]}
    project.configure(
        SECRET_KEY="not secret", ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, TOCSIN=settings(folder),
        INSTALLED_APPS=["tocsin.integrations.django"], MIDDLEWARE=["tocsin.integrations.django.Middleware"],
        TEMPLATES=[engine],
    )  # fmt: skip
    globals()["urlpatterns"] = [route("<name>.html", page)]
    django.setup()
    for path in paths:
        Client(raise_request_exception=False).get(path)


def main(engine: str, folder: Path, paths: list[str]) -> None:
    sys.path.insert(0, str(folder))
    if engine == "flask":
        tocsin.setup(settings(folder))
        flask_asks(folder, paths)
    else:
        django_asks(folder, paths)
    from tocsin import reporter

    present = reporter.current()
    if present is not None:
        present.flush()
        present.close()
    lines = (folder / "events.jsonl").read_text("utf-8").splitlines()
    json.dump([json.loads(line) for line in lines], sys.stdout)


main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
