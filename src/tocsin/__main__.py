"""The command `python -m tocsin`, where the script `tocsin` is not on the path: arguments go in, a status leaves."""

from __future__ import annotations

import sys

from tocsin.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
