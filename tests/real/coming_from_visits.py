"""Visit a page's application: coming_from_visits.py METHOD:PATH …, in its folder; prints each status and error id."""

from __future__ import annotations

import sys


def main() -> None:
    """Visit `shop.app` by Flask's or a plain client, in order; then have sentry-sdk send what it has."""
    sys.path.insert(0, "")
    from werkzeug.test import Client

    import shop

    for visit in sys.argv[1:]:
        method, _, path = visit.partition(":")
        answer = Client(shop.app).open(path, method=method)
        print(answer.status_code, answer.headers.get("X-Error-Id", ""))
    sdk = sys.modules.get("sentry_sdk")
    if sdk is not None:
        sdk.flush(10)


if __name__ == "__main__":
    main()
