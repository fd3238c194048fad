"""The shop's few pages: prices go in, HTML leaves."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BREAKABLE", "front_page", "order_page"]

# What there is to click: path, what it does.
BREAKABLE = (
    ("/product/mystery-box", "a product without a price (TypeError)"),
    ("/statistics", "a division by zero"),
    ("/search?q=lamp(&password=swordfish", "a search that breaks, with a password in its URL"),
    ("/category/tea", "a recursion without an end"),
    ("/catalogue.csv", "a stream that breaks after the answer has begun"),
    ("/api/rate/USD", "a supplier that can't be reached, with an API key in the message"),
    ("/api/suppliers", "an exception group"),
    ("/database/remove", "take the database away …"),
    ("/orders", "… then look at the orders"),
    ("/database/restore", "bring the database back"),
    ("/api/stock", "a resource for scripts only: answers 400, a warning"),
    ("/wp-login.php", "not found: nobody is told"),
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>A sample shop</title>
<style>
body{{max-width:38rem;margin:2rem auto;padding:0 1rem;font:1.0625rem/1.6 system-ui,sans-serif}}
label{{display:block;margin:.5rem 0}}input,select,button{{font:inherit;padding:.25rem .5rem}}
</style>
<h1>A sample shop</h1>
{content}
</html>
"""

_FORM = """<form method="post" action="/order">
<label>Name <input name="name" value="Ada" required></label>
<label>Password <input name="password" type="password" value="swordfish"></label>
<label>Product <select name="product">{options}</select></label>
<button>Order</button> (a piano leaves the database in an inconsistent state)
</form>
<h2>What there is to break</h2>
<ul>{links}</ul>"""


def front_page(products: Mapping[str, object]) -> str:
    """Return the form and the list of what can be broken."""
    options = "".join(f"<option>{name}</option>" for name in products)
    links = "".join(f'<li><a href="{path.replace("&", "&amp;")}">{text}</a></li>\n' for path, text in BREAKABLE)
    return _PAGE.format(content=_FORM.format(options=options, links=links))


def order_page(number: int) -> str:
    """Return the page that thanks for an order."""
    return _PAGE.format(content=f'<p>Thank you. Your order has number {number}.</p><p><a href="/">Back</a></p>')
