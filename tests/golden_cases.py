"""Nothing goes in; the events leave that every form of a report is kept of in tests/golden, as issues of a notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from tocsin.event.model import Event, ExceptionInfo, Frame, LogLine, Request, Task
from tocsin.event.notice import Commit, IssueReport, Notice
from tocsin.render.facts import culprit

__all__ = ["BROUGHT", "CASES", "FORGE", "ZONE", "notice_of_case"]

ZONE: Final = timezone(timedelta(hours=1))
AT: Final = datetime(2026, 11, 22, 2, 41, 7, 125_000, tzinfo=UTC)
FORGE: Final = "https://git.example.org/shop/-/blob/3f2a1b9c04d7e6f5a8b9c0d1e2f3a4b5c6d7e8f9/"
COMMIT: Final = "3f2a1b9c04d7e6f5a8b9c0d1e2f3a4b5c6d7e8f9"
BROUGHT: Final = Commit(
    "9c81d2aa57e01c2b3d4e5f60718293a4b5c6d7e8",
    datetime(2026, 11, 19, 9, 12, 44, tzinfo=UTC),
    "Take the rate of the order's own currency",
    "https://git.example.org/shop/-/commit/9c81d2aa57e01c2b3d4e5f60718293a4b5c6d7e8",
)


def own(file: str, line: int, function: str, source: str, mark: str = "", **more: object) -> Frame:
    """Return a frame of the application; ``mark`` is the part of the source that failed."""
    start = source.index(mark) if mark else None
    values: dict[str, object] = {
        "module": file.removesuffix(".py").replace("/", "."), "function": function, "file": file, "line": line,
        "source": source, "column": start, "end_column": None if start is None else start + len(mark),
        "url": f"{FORGE}{file}#L{line}",
    }  # fmt: skip
    return Frame(**{**values, **more})  # type: ignore[arg-type]


def library(module: str, line: int, function: str, source: str, mark: str = "") -> Frame:
    """Return a frame of a library."""
    file = f"/srv/shop/venv/lib/python3.11/site-packages/{module.replace('.', '/')}.py"
    return own(file, line, function, source, mark, module=module, in_app=False, url="")


FLASK: Final = (
    library("flask.app", 1511, "Flask.wsgi_app", "response = self.full_dispatch_request()"),
    library("flask.app", 919, "Flask.full_dispatch_request", "rv = self.handle_user_exception(e)"),
    library(
        "flask.app", 902, "Flask.dispatch_request", "return self.ensure_sync(self.view_functions[rule.endpoint])()"
    ),
)
PAY: Final = own(
    "shop/orders/views.py", 87, "pay", "        charge(order.amount * rates[order.currency])", "rates[order.currency]",
    before=("    order = load(order_id)", "    rates = today()", "    if order.is_open:"),
    after=("        order.close()", "    return redirect('/')"),
    locals={"order_id": "17", "order": "<shop.orders.models.Order>", "rates": "{'EUR': 1.0, 'USD': 1.09}",
            "token": "[masked: token]"},
)  # fmt: skip
KEY_ERROR: Final = ExceptionInfo("KeyError", "'CHF'", (*FLASK, PAY))
REQUEST: Final = Request(
    "POST", "/orders/17/pay", "coupon=[masked]", "https", "shop.example.org", "/orders/<int:order_id>/pay", "pay",
    {"Accept": "text/html", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
    status=500, user="4711",
)  # fmt: skip
PLAIN: Final = Event(
    kind="traceback", level="ERROR", levelno=40, timestamp=AT, application="shop", environment="production",
    release="1.4.2", commit=COMMIT, host="web1", exception=KEY_ERROR, request=REQUEST, process_id=4711,
    process_name="gunicorn", thread="Thread-3", tags={"tenant": "acme", "region": "north east"},
    fields={"order_id": 17, "cart": {"items": [1, 2]}}, error_id="7K3QDM-24F2", fingerprint="v1:" + "ab" * 16,
    lead_up=(
        LogLine(AT - timedelta(seconds=1.204), "INFO", "shop.orders", "pay order 17"),
        LogLine(AT - timedelta(milliseconds=31), "WARNING", "shop.rates", "rates are 3 h old"),
    ),
)  # fmt: skip
BARE: Final = replace(PLAIN, commit="", tags={}, fields={}, lead_up=(), request=None, process_name="", thread="")


def _chain() -> Event:
    connect = own("shop/http.py", 31, "get", "    return session.get(url, timeout=2)", "session.get(url, timeout=2)")
    urllib3 = (
        library("requests.sessions", 602, "Session.get", 'return self.request("GET", url, **kwargs)'),
        library("requests.adapters", 711, "HTTPAdapter.send", "raise ReadTimeout(e, request=request)"),
    )
    timeout = ExceptionInfo("requests.exceptions.ReadTimeout", "read timed out (2 s)", (connect, *urllib3))
    load = own("shop/rates.py", 12, "load", '        raise RatesAway("no rates today") from error')
    away = ExceptionInfo("shop.rates.RatesAway", "no rates today", (load,), notes=("asked: rates.example.org",),
                         cause=timeout)  # fmt: skip
    fall = own("shop/orders/views.py", 91, "pay", "        flash(error.code)", "error.code")
    last = ExceptionInfo(
        "AttributeError", "'RatesAway' object has no attribute 'code'", (*FLASK, PAY, fall), context=away
    )
    return replace(PLAIN, exception=last)


def _group() -> Event:
    send = own("shop/mail.py", 44, "send", "    server.sendmail(sender, to, text)", "server.sendmail(sender, to, text)")
    refused = ExceptionInfo("ConnectionRefusedError", "[Errno 111] Connection refused", (send,))
    other = ExceptionInfo("KeyError", "'street'", (own("shop/label.py", 9, "label", "    a['street']", "['street']"),))
    inner = ExceptionInfo("ExceptionGroup", "2 labels failed (2 sub-exceptions)", members=(other, refused))
    outer = own("shop/night.py", 70, "run", "    async with TaskGroup() as group:", "")
    info = ExceptionInfo(
        "ExceptionGroup", "unhandled errors in a TaskGroup (104 sub-exceptions)", (outer,),
        members=(refused,) * 6 + (inner,), members_omitted=97, notes=("run of 02:41",),
    )  # fmt: skip
    return replace(BARE, exception=info, task=Task("nightly", "watch"))


def _syntax() -> Event:
    load = own("shop/plugins.py", 21, "load", "    return import_module(name)", "import_module(name)")
    imports = [library("importlib", 126, "import_module", "return _bootstrap._gcd_import(name)")]
    place = Frame("", "", "shop/plugins/discount.py", 14, "    if order.total > 100", ("def discount(order):",),
                  ("        return 5",), 14, 24, 25)  # fmt: skip
    return replace(BARE, exception=ExceptionInfo("SyntaxError", "expected ':'", (load, *imports), place=place))


def _template() -> Event:
    view = own("shop/views.py", 33, "cart", '    return render_template("cart.html", cart=cart)', "")
    jinja = (
        library("flask.templating", 150, "render_template", "return _render(app, template, context)"),
        library("jinja2.environment", 1295, "Template.render", "self.environment.handle_exception()"),
    )
    base = own("shop/templates/base.html", 12, "top-level template code", "  {% block body %}{% endblock %}",
               module="base.html")  # fmt: skip
    cart = own("shop/templates/cart.html", 7, "block 'body'", "    <td>{{ item.price.amount }}</td>",
               "{{ item.price.amount }}", module="cart.html",
               before=("  {% for item in cart %}", "  <tr>"), after=("  </tr>",))  # fmt: skip
    frames = (*FLASK, view, *jinja, base, cart)
    info = ExceptionInfo("jinja2.exceptions.UndefinedError", "'Item object' has no attribute 'price'", frames)
    return replace(PLAIN, exception=info, request=replace(REQUEST, method="GET", path="/cart", route="/cart"))


def _template_syntax() -> Event:
    event = _template()
    assert event.exception is not None
    place = own("shop/templates/cart.html", 7, "", "    {% if cart.is_empty() }", "", module="cart.html",
                before=("  <table>",), after=("    <tr>",))  # fmt: skip
    info = replace(event.exception, type="jinja2.exceptions.TemplateSyntaxError", message="unexpected '}'",
                   frames=event.exception.frames[:-2], place=place)  # fmt: skip
    return replace(event, exception=info)


def _recursion() -> Event:
    walk = own("shop/tree.py", 12, "walk", "    for child in children(node):", "children(node)")
    children = own("shop/tree.py", 19, "children", "    return walk(node.parent)", "walk(node.parent)")
    start = own("shop/views.py", 8, "tree", "    return walk(root)", "walk(root)")
    frames = (*FLASK, start, *(walk, children) * 30)
    info = ExceptionInfo("RecursionError", "maximum recursion depth exceeded", frames[:64], frames_omitted=926)
    return replace(PLAIN, exception=info, fields={}, tags={}, lead_up=())


def _logged() -> Event:
    return replace(
        PLAIN, kind="error", exception=None, logger="shop.stock", location="shop.stock.take:17",
        message="stock of article 99 went negative", template="stock of article %s went negative",
        fields={"article": 99, "warehouse": "north", "levels": {"before": 2, "after": -1}},
    )  # fmt: skip


def _task() -> Event:
    send = own("shop/tasks.py", 19, "send_invoice", "    mail(invoice.address, pdf)", "invoice.address")
    celery = (
        library("celery.app.trace", 453, "trace_task", "R = retval = fun(*args, **kwargs)"),
        library("celery.app.trace", 736, "__protected_call__", "return self.run(*args, **kwargs)"),
    )
    info = ExceptionInfo("AttributeError", "'NoneType' object has no attribute 'address'", (*celery, send))
    task = Task("shop.tasks.send_invoice", "celery", "7b9c4e1e-6b0f-4a53-9c39-0f6f7f0f5a11")
    return replace(PLAIN, exception=info, request=None, task=task, fields={})


def _sixty() -> Event:
    frames: list[Frame] = []
    for layer in range(10):
        call = f"inner(call{layer}, context)"
        frames.append(own(f"shop/layer{layer}.py", 10 + layer, f"step{layer}", f"    return {call}", call))
        names = ("sqlalchemy.orm.session", "sqlalchemy.engine.base", "greenlet", "psycopg.cursor", "psycopg._acompat")
        frames += [library(name, 100 + layer, f"call{n}", "return fn(*args)") for n, name in enumerate(names)]
    return replace(
        PLAIN, exception=ExceptionInfo("psycopg.errors.DeadlockDetected", "deadlock detected", tuple(frames))
    )


def _masked() -> Event:
    login = own("shop/login.py", 5, "login", "    connect('postgresql://shop:[masked: password]@db/shop')", "",
                locals={"password": "[masked: password]", "user": "'ada'"})  # fmt: skip
    return replace(
        PLAIN,
        exception=ExceptionInfo("shop.LoginError", "no login with card [masked: card number]", (login,)),
        request=replace(REQUEST, query="token=[masked: token]&page=2", headers={"Authorization": "[masked]"}),
        fields={"api_key": "[masked: key]", "attempt": 3},
    )


def _letters() -> Event:
    frames = (
        own("shop/中文/路径.py", 3, "処理", "    合計 = 注文['価格'] * レート['円']", "レート['円']"),
        own("shop/emoji.py", 4, "send", "    send('🎉🎉 done', to=person.mail)", "person.mail"),
        own("shop/hebrew.py", 5, "greet", "    greet('שלום עולם', name=user.name)", "user.name"),
        own("shop/marks.py", 6, "cafe", "    cafe\u0301 = menu['cafe\u0301'] + price", "menu['cafe\u0301']"),
    )
    info = ExceptionInfo("ValueError", "«שלום» ist kein 値段 🎉\u202e (reversed)", frames)
    return replace(BARE, exception=info, tags={"שפה": "עברית", "地域": "東京"})


def _long() -> Event:
    source = "    total = " + " + ".join(f"order.items[{n}].price" for n in range(10)) + " + order.discount.amount"
    orders = ", ".join(f"<shop.Order {n}>" for n in range(17))
    frame = own("shop/" + "deeply/nested/" * 6 + "totals.py", 40, "total", source, "order.discount.amount",
                locals={"orders": f"[{orders}, … 983 more]"})  # fmt: skip
    info = ExceptionInfo(
        "shop.errors.InconsistentOrder", "no discount for " + "positions and positions of " * 30, (frame,)
    )
    return replace(PLAIN, exception=info, request=replace(REQUEST, path="/orders/" + "17/" * 80))


CASES: Final[dict[str, Event]] = {
    "plain": PLAIN,
    "chain": _chain(),
    "group": _group(),
    "syntax-error": _syntax(),
    "template": _template(),
    "template-syntax": _template_syntax(),
    "recursion": _recursion(),
    "warning": replace(_logged(), kind="warning", level="WARNING", levelno=30, logger="shop.rates", fields={}, tags={},
                       location="shop.rates.load:12", message="rates are 3 h old", template="rates are %s old"),
    "logged": _logged(),
    "task": _task(),
    "sixty-frames": _sixty(),
    "masked": _masked(),
    "letters": _letters(),
    "long-lines": _long(),
}  # fmt: skip


def notice_of_case(event: Event) -> Notice:
    """Return the notice that a new fault of 37 occurrences makes."""
    issue = IssueReport(
        fingerprint=event.fingerprint,
        prefix=event.error_id[:6],
        kind=event.kind,
        level=event.level,
        title=event.exception.type if event.exception is not None else event.template,
        culprit=culprit(event),
        count=40,
        episode_count=37,
        untold=37,
        first_seen=AT - timedelta(days=2),
        last_seen=AT + timedelta(minutes=11),
        episode_started=AT,
        first_release="1.4.1",
        last_release="1.4.2",
        clients=12 if event.request is not None else None,
        sample=event,
        introduced=BROUGHT if event.commit and event.exception is not None else None,
    )
    return Notice("notice-1", "new", AT + timedelta(minutes=12), "shop", "production", (issue,))
