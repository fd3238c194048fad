"""Finding the integration of an object without importing frameworks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from recording_intake import RecordingIntake
from tocsin.event.errors import ConfigError
from tocsin.integrations import INTEGRATIONS, install


def application(environ: Any, start_response: Any) -> list[bytes]:
    return []


class Flask:
    """Not the one that is meant."""


@pytest.mark.parametrize(
    ("thing", "advice"),
    [
        (application, "app = reporter.wsgi(app)"),
        (Flask, "not the class Flask; make one first"),
        (Flask(), "install() knows applications of aiohttp"),
        (None, "not builtins.NoneType"),
    ],
)
def test_unknown_object_is_refused_with_what_to_write_instead(thing: Any, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        install(thing, RecordingIntake())  # type: ignore[arg-type]
    assert advice in str(caught.value)


def test_importing_the_table_imports_no_framework() -> None:
    code = "import sys, tocsin.integrations.wsgi; print('flask' in sys.modules, 'werkzeug' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_integration_of_the_table_lies_within_the_package() -> None:
    assert all(module.startswith("tocsin.integrations.") for module in INTEGRATIONS.values())
