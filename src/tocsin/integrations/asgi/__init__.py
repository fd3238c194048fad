"""ASGI: an application and an intake go in, an application leaves that reports what breaks in it."""

from __future__ import annotations

from tocsin.integrations.asgi.guest import AsgiApp, asgi, guard

__all__ = ["AsgiApp", "asgi", "guard"]
