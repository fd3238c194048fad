"""`python -m tocsin.cli` is `tocsin`."""

from __future__ import annotations

import sys

from tocsin.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
