"""What reads statements of banks that somebody else wrote a reader for."""
from __future__ import annotations

import bankreader_of_somebody

READERS = bankreader_of_somebody.READERS
