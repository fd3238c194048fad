"""Which representation an Accept header asks for (RFC 9110 §12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.render.accept import preferred


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),  # browsers
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "html"),
        ("application/json, text/plain, */*", "json"),  # axios
        ("application/json, text/javascript, */*; q=0.01", "json"),  # jQuery
        ("application/json", "json"),
        ("application/problem+json", "json"),
        ("application/*", "json"),
        ("*/*", "text"),  # curl
        ("", "text"),
        ("image/avif,image/webp,*/*;q=0.8", "text"),  # an image that failed
        ("text/*", "text"),
        ("text/html;q=0.2, application/json;q=0.1", "html"),
        ("text/html;q=0.1, application/json;q=0.2", "json"),
        ("text/html;q=0, */*", "text"),
        ("text/*;q=0.9, text/html;q=0.1, application/json;q=0.5", "text"),
        ("TEXT/HTML ; Q=0.5", "html"),
        ("text/html;level=1;q=0.7, application/json;q=0.6", "html"),
        ("image/png", "text"),  # nothing acceptable: told all the same
        ("*/*;q=0", "text"),
        ("text/html;q=high, application/json;q=0.1", "json"),  # a malformed range is passed over
        ("text/html;q=nan, application/json;q=0.1", "json"),
        ("html, ,;;q=1,", "text"),
    ],
)
def test_form_follows_quality_and_specificity(accept: str, form: str) -> None:
    """Browsers get HTML, scripts that name JSON get JSON, those that name nothing get text."""
    assert preferred(accept) == form


@given(st.text())
def test_any_header_gets_an_answer(accept: str) -> None:
    """Nothing a client sends is an error of ours."""
    assert preferred(accept) in ("html", "json", "text")
