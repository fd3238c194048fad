"""From what integrations see to what is spooled: exceptions, records and answers go in, error ids leave.

`Intake` is the whole of it: fault key, limiter, then either one counter increment or one captured, masked record.
"""

from __future__ import annotations

from tocsin.intake.capturer import BeforeSpool
from tocsin.intake.core import Intake

__all__ = ["BeforeSpool", "Intake"]
