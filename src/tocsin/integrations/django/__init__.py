"""Django: a project goes in by a line of its INSTALLED_APPS; its faults leave, by documented signals and loggers.

`apps` sets tocsin up, `faults` hears of what breaks, `requests` reads what a report tells of a request, `middleware`
looks at answers, `command` at management commands, `checks` says what is configured badly, and `sensitive` honours
the decorators that hide variables.
"""

from __future__ import annotations

from tocsin.integrations.django.command import execute_from_command_line
from tocsin.integrations.django.install import install
from tocsin.integrations.django.middleware import Middleware

__all__ = ["Middleware", "execute_from_command_line", "install"]
