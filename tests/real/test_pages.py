"""The 500 page and the HTML of mails in a real browser: 360 pixels wide, light and dark, readable."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broken_shop import (
    BROKE_AT,
    CURRENCY_ERROR,
    ERROR,
    KEY_ERROR,
    TASK,
    TRACEBACK,
    WARNING,
    ZONE,
    hostile_notice,
    issue,
    notice,
)
from golden_cases import CASES, notice_of_case
from tocsin.event.model import LogLine
from tocsin.event.notice import Activity
from tocsin.render.notice_html import notice_html
from tocsin.render.page import ErrorPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# For each element with text of its own: the contrast (WCAG 2.2, 1.4.3) of its colour on the first opaque
# background around it.
CONTRASTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const rgba = numbers(getComputedStyle(at).backgroundColor);
      if (rgba.length === 3 || rgba[3] === 1) return rgba;
    }
    return null;
  };
  return [...document.body.querySelectorAll("*")]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
    .map((e) => {
      const under = background(e);
      const [low, high] = [luminance(numbers(getComputedStyle(e).color)), under ? luminance(under) : NaN]
        .sort((a, b) => a - b);
      return [e.tagName + "." + e.className, (high + 0.05) / (low + 0.05)];
    });
}"""
LEAST_CONTRAST = 4.5

LONG = "orders." + "deeply_nested_package." * 12 + "module"
FAULTS = (issue(), issue(ERROR, 8212), issue(WARNING, 3, clients=2), issue(culprit=LONG, title="E" * 120))
DONE = Activity(BROKE_AT - timedelta(days=7), seen=8212, told=8200, notices=12, waiting=12, lost=1)
LONG_LEAD_UP = replace(TASK, lead_up=(LogLine(BROKE_AT, "INFO", LONG, "x" * 500),) * 30, tags={"t" * 80: "v" * 250})
WORDY = replace(CURRENCY_ERROR, message="no rate for 'CHF' " * 20)
SPOOL = {"spool": "/var/lib/shop/a/rather/long/path/of/a/spool"}
DOCUMENTS = {
    "page": ErrorPage().render("text/html", "7K3QDM-24F2").body.decode(),
    "page without id": ErrorPage().render("text/html", "").body.decode(),
    "new": notice_html(notice("new", issue(), **SPOOL), ZONE),
    "new of long names": notice_html(
        notice("new", issue(replace(TRACEBACK, exception=WORDY), culprit=LONG, title="E" * 120), **SPOOL), ZONE
    ),
    "new without traceback": notice_html(notice("new", issue(ERROR), **SPOOL), ZONE),
    "new of a task": notice_html(notice("new", issue(TASK)), ZONE),
    "new of a long lead-up": notice_html(notice("new", issue(LONG_LEAD_UP)), ZONE),
    "new of several": notice_html(notice("new", *FAULTS, held_back=3, **SPOOL), ZONE),
    "update": notice_html(notice("update", issue(count=1000, untold=963)), ZONE),
    "quiet": notice_html(notice("quiet", issue(count=8212, untold=3)), ZONE),
    "end": notice_html(notice("quiet", issue(count=8212, untold=0)), ZONE),
    "comeback": notice_html(notice("comeback", issue(count=40, episode_count=3, first_release="1.3.9")), ZONE),
    "summary": notice_html(notice("summary", *FAULTS * 20, held_back=15), ZONE),
    "over": notice_html(notice("over", *FAULTS, held_back=2), ZONE),
    "over with nothing": notice_html(notice("over"), ZONE),
    "digest": notice_html(notice("digest", *FAULTS), ZONE),
    "alive": notice_html(notice("alive", activity=DONE, **SPOOL), ZONE),
    "check": notice_html(notice("check"), ZONE),
    "hostile mail": notice_html(hostile_notice(count=2), ZONE),
    **{f"golden {name}": notice_html(notice_of_case(event), ZONE) for name, event in CASES.items()},
}
# What a telephone shows of each before anybody scrolls: what, where, how often, and the error id.
IDENTITY = ("CurrencyError in orders.views.pay", "7K3QDM-24F2")
FIRST_SCREENS = {
    "new": (*IDENTITY, "37 times so far", "no rate for", "shop/orders/money.py:12", "last at 03:52:07"),
    "new of long names": ("orders.deeply_nested_package", "7K3QDM-24F2", "37 times so far", "no rate for"),
    "new without traceback": ("“stock of article %s", "EE3QDM-24F2", "37 times so far", "shop.stock.take:17"),
    "new of a task": (*IDENTITY, "37 times so far", "shop/orders/money.py:12", "shop.tasks.send (celery, id 1234)"),
    "new of several": ("4 new faults", "37×", "CurrencyError in orders.views.pay", "8,212×", "7K3QDM"),
    "golden chain": ("has no attribute 'code'", "error.code", "shop.rates.RatesAway", "read timed out (2 s)"),
    "golden template-syntax": ("unexpected '}'", "shop/templates/cart.html:7", "{% if cart.is_empty() }"),
    "golden group": ("unhandled errors in a TaskGroup", "7 × ConnectionRefusedError", "KeyError: 'street'"),
    "update": (*IDENTITY, "1,000 times by now", "about 91 a minute"),
    "quiet": (*IDENTITY, "Quiet since 03:52, 8,212 in all"),
    "end": (*IDENTITY, "Quiet since 03:52, 8,212 in all"),
    "comeback": (*IDENTITY, "is back: 3 times so far", "40 times since"),
    "summary": ("Alarm flood", "37×", "CurrencyError in orders.views.pay", "7K3QDM-24F2"),
    "over": ("Alarm flood is over", "37×", "CurrencyError in orders.views.pay", "7K3QDM-24F2"),
    "digest": ("Daily digest", "37×", "CurrencyError in orders.views.pay", "7K3QDM-24F2", "8,212×"),
    "alive": ("tocsin works", "8,212 times", "in 12 notices", "1; “tocsin spool”", "tocsin status"),
    "check": ("This is a test", "Nothing is broken"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_document_is_readable_on_a_telephone(chromium: Browser, name: str, scheme: Any) -> None:
    """No scrolling sideways at 360 pixels, enough contrast everywhere, the wanted scheme, nothing loaded."""
    page = chromium.new_page(viewport={"width": 360, "height": 640}, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.set_content(DOCUMENTS[name])
        page.evaluate("document.querySelectorAll('details').forEach((folded) => { folded.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
        contrasts = page.evaluate(CONTRASTS)
        assert contrasts
        assert [found for found in contrasts if not found[1] >= LEAST_CONTRAST] == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert asked == []
    finally:
        page.close()


@pytest.mark.parametrize("name", FIRST_SCREENS)
def test_first_screen_of_a_mail_says_what_where_and_how_often(chromium: Browser, name: str) -> None:
    """Before anybody scrolls."""
    page = chromium.new_page(viewport={"width": 360, "height": 640})
    try:
        page.set_content(DOCUMENTS[name])
        for words in FIRST_SCREENS[name]:
            box = page.get_by_text(words).first.bounding_box()
            assert box is not None, words
            # A list's entry may go on below: its first line is what has to be seen.
            line_height = 24 if name in ("summary", "over", "digest", "new of several") else box["height"]
            assert box["y"] + line_height <= 640, words
    finally:
        page.close()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_uses_a_wide_screen_without_scrolling_sideways(chromium: Browser, name: str) -> None:
    """Labels stand beside their values, and lines stay short enough to be read."""
    page = chromium.new_page(viewport={"width": 1000, "height": 640})
    try:
        page.set_content(DOCUMENTS[name])
        assert page.evaluate("document.documentElement.scrollWidth") <= 1000
        assert page.locator("main").bounding_box()["width"] <= 800
    finally:
        page.close()


def test_error_id_is_selected_with_one_click(chromium: Browser) -> None:
    """A visitor copies it without hitting its ends."""
    page = chromium.new_page(viewport={"width": 360, "height": 640})
    try:
        page.set_content(DOCUMENTS["page"])
        page.locator("code").click()
        assert page.evaluate("getSelection().toString().trim()") == "7K3QDM-24F2"
    finally:
        page.close()


def test_source_around_the_failing_line_fits_too(chromium: Browser) -> None:
    """Long lines of code wrap within their box."""
    frame = replace(KEY_ERROR.frames[-1], source="    total = " + "x" * 230, column=None)
    event = replace(TRACEBACK, exception=replace(KEY_ERROR, frames=(frame,)))
    page = chromium.new_page(viewport={"width": 360, "height": 640})
    try:
        page.set_content(notice_html(notice("new", issue(event)), ZONE))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.get_by_text("around line 87").count() == 1
    finally:
        page.close()
