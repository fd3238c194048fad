"""The 500 page and the HTML of mails in a real browser: 360 pixels wide, light and dark, readable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from broken_shop import ERROR, KEY_ERROR, TRACEBACK, WARNING, ZONE, hostile_notice, issue, notice
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
DOCUMENTS = {
    "page": ErrorPage().render("text/html", "7K3QDM-24F2").body.decode(),
    "page without id": ErrorPage().render("text/html", "").body.decode(),
    "mail": notice_html(notice("new", issue()), ZONE),
    "mail of several": notice_html(notice("new", *FAULTS, held_back=3), ZONE),
    "mail of an update": notice_html(notice("update", issue(count=1000, untold=963)), ZONE),
    "summary": notice_html(notice("summary", *FAULTS * 20), ZONE),
    "check": notice_html(notice("check"), ZONE),
    "hostile mail": notice_html(hostile_notice(count=2), ZONE),
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
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
        contrasts = page.evaluate(CONTRASTS)
        assert contrasts
        assert [found for found in contrasts if not found[1] >= LEAST_CONTRAST] == []
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert asked == []
    finally:
        page.close()


def test_first_screen_of_a_mail_says_what_where_and_how_often(chromium: Browser) -> None:
    """Before anybody scrolls."""
    page = chromium.new_page(viewport={"width": 360, "height": 640})
    try:
        page.set_content(DOCUMENTS["mail"])
        for words in ("CurrencyError in orders.views.pay", "37 times so far", "shop/orders/money.py:12"):
            box = page.get_by_text(words).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 640
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
