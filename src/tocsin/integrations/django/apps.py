"""The app of INSTALLED_APPS: the project's settings go in; the process's Reporter is set up, and hears of faults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from tocsin.integrations.django.checks import check
from tocsin.integrations.django.faults import connect

__all__ = ["TocsinConfig"]

_SETTING: Final = "TOCSIN"
_HOOK: Final = "before_spool"
_MODE_VARIABLE: Final = "TOCSIN_MODE"


class TocsinConfig(AppConfig):  # type: ignore[misc] # Django has no types
    """Set tocsin up by the setting ``TOCSIN`` (a dict of settings, or a path), else by the file TOCSIN_CONFIG names.

    A dict may also have ``before_spool``, the function or its dotted path.

    ``DEBUG = True`` means mode debug, unless ``TOCSIN`` or the variable TOCSIN_MODE says a mode: nothing is caught, and
    Django shows its own page. Raises ConfigError, with every fault at once.
    """

    name = "tocsin.integrations.django"
    label = "tocsin"
    verbose_name = "tocsin"

    def ready(self) -> None:
        """Be called by Django when all apps are loaded, after logging is configured."""
        config = getattr(settings, _SETTING, None)
        is_debugging = bool(settings.DEBUG) and not _says_mode(config)
        overrides: dict[str, Any] = {"mode": "debug"} if is_debugging else {}
        if isinstance(config, Mapping) and _HOOK in config:
            hook = config[_HOOK]
            overrides[_HOOK] = import_string(hook) if isinstance(hook, str) else hook
            config = {name: value for name, value in config.items() if name != _HOOK}
        # The root of a Django process; what it calls lies above, so by the name that applications use. With DEBUG
        # the console is Django's: its handler has said already what ours would say again.
        reporter = import_module("tocsin").setup(config, root_handler=not is_debugging, **overrides)
        connect(reporter.intake)
        checks.register(check)


def _says_mode(config: object) -> bool:
    return bool(os.environ.get(_MODE_VARIABLE)) or (isinstance(config, Mapping) and bool(config.get("mode")))
