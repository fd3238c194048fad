"""What tests with hostile objects share: whoever blocks is shown, and ends the run."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator

import pytest

_HANG_S = 300


@pytest.fixture
def watchdog(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Show on the real stderr where a test hangs, and end the process."""
    with capfd.disabled():
        descriptor = os.dup(2)
    faulthandler.dump_traceback_later(_HANG_S, exit=True, file=descriptor)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(descriptor)
