"""Make the table of cases and the recording intake, shared with the tests on real servers, importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
