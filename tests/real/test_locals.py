"""Local variables of real applications: a view of Django and one of Flask fail; their reports tell of queries and rows.

No query runs for it: each statement that the database is given is in the log that the application prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from how_to import unpack

DJANGO = """
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import Client

settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF="site_of_shop", DEBUG=False,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "tocsin.integrations.django"],
    MIDDLEWARE=["tocsin.integrations.django.Middleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    TOCSIN={"application": "shop", "spool": "spool", "delivery": "inline", "locals": True, "sinks": ["file:out.jsonl"],
            "app_modules": ["site_of_shop"]},
)
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models.query import QuerySet
from django.urls import path
from django.utils.functional import SimpleLazyObject

statements = []


def note(execute, sql, *args):
    statements.append(sql)
    return execute(sql, *args)


def view(request):
    waiting = User.objects.filter(is_active=True)
    loaded = User.objects.all()
    len(loaded)
    row = loaded[0]
    deferred = User.objects.defer("email").get(pk=1)
    fresh = User(username="bob", password="hunter2")
    lazy = SimpleLazyObject(lambda: User.objects.get(pk=1))
    statements.append("now it fails")
    raise LookupError("the order is gone")


urlpatterns = [path("order/", view)]

if __name__ == "__main__":
    import sys
    sys.modules["site_of_shop"] = sys.modules["__main__"]
    call_command("migrate", verbosity=0)
    User.objects.create(pk=1, username="ann", email="ann@example.org", password="hunter2")
    with connection.execute_wrapper(note):
        assert Client(raise_request_exception=False).get("/order/").status_code == 500
    print(statements[statements.index("now it fails") + 1:])
"""

FLASK = """
import flask, tocsin
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = flask.Flask("shop")
engine = create_engine("sqlite://")
statements = []
event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    card_number: Mapped[str]


@app.get("/order")
def order():
    request = flask.request
    database = Session(engine)
    row = Order(card_number="4111111111111111")
    database.add(row)
    database.commit()
    query = database.query(Order)
    statements.append("now it fails")
    raise LookupError("the order is gone")


Base.metadata.create_all(engine)
reporter = tocsin.setup({"application": "shop", "spool": "spool", "delivery": "inline", "locals": True,
                         "sinks": ["file:out.jsonl"], "app_modules": ["__main__"]})
app.wsgi_app = reporter.wsgi(app.wsgi_app)
assert app.test_client().get("/order").status_code == 500
print(statements[statements.index("now it fails") + 1:])
reporter.close()
"""


def _run(folder: Path, code: str) -> tuple[str, dict[str, str]]:
    """Run an application that fails once; return what it printed, and the variables of the view."""
    (folder / "main.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "main.py"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    events: list[dict[str, Any]] = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    shown: dict[str, str] = events[0]["exception"]["frames"][-1]["locals"]
    assert "hunter2" not in json.dumps(events)
    return done.stdout.strip(), shown


def test_a_django_view_tells_of_query_sets_and_rows_and_runs_no_query(tmp_path: Path) -> None:
    """Whether they are evaluated, and what is loaded of a row."""
    pytest.importorskip("django")
    printed, shown = _run(tmp_path, DJANGO)
    assert printed == "[]"
    model = "django.contrib.auth.models.User"
    assert shown["request"] == "<django.core.handlers.wsgi.WSGIRequest GET '/order/'>"
    assert shown["waiting"] == f"<django.db.models.query.QuerySet of {model} (not evaluated)>"
    assert shown["loaded"] == f"<django.db.models.query.QuerySet of {model} (evaluated, 1 in memory)>"
    assert shown["row"].startswith(f"{model}(id=1, password=[masked: password], ")
    assert shown["row"].endswith(" (saved)")
    assert "email=" in shown["row"]
    assert "email" not in shown["deferred"]
    assert shown["fresh"].endswith(" (new)")
    assert shown["lazy"] == "<django.utils.functional.SimpleLazyObject (not evaluated)>"


def test_a_flask_view_tells_of_sqlalchemys_rows_and_loads_nothing(tmp_path: Path) -> None:
    """What expired with the commit stays expired; the proxy of the request is not unwrapped."""
    pytest.importorskip("flask")
    pytest.importorskip("sqlalchemy")
    printed, shown = _run(tmp_path, FLASK)
    assert printed == "[]"
    assert shown == {
        "request": "<werkzeug.local.LocalProxy (not looked into)>",
        "database": "<sqlalchemy.orm.session.Session>",
        "row": "__main__.Order(id=1) (persistent, expired)",
        "query": "<sqlalchemy.orm.query.Query (not evaluated)>",
    }


def test_the_page_shows_what_its_files_print(tmp_path: Path) -> None:
    """The files of docs/how-to/locals.md, run as a reader would; the page has their output."""
    unpack("locals.md", tmp_path)
    done = subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "locals.md").read_text(encoding="utf-8")
    event = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])
    frames = [frame["locals"] for frame in event["exception"]["frames"] if frame.get("locals")]
    assert len(frames) > 1
    for shown in frames:
        for name, text in shown.items():
            assert f"      {name} = {text}\n" in page
