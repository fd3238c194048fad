"""WSGI: an application and an intake go in, an application leaves that reports what breaks in it."""

from __future__ import annotations

from tocsin.integrations.wsgi.guest import guard, wsgi

__all__ = ["guard", "wsgi"]
