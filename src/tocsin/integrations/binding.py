"""The tie between a wrapped object and the intake that it reports to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tocsin.intake import Intake

__all__ = ["BINDING", "Binding"]

BINDING: Final = "tocsin_binding"  # attribute of the callables that we put in place of others

_bindings = itertools.count()


def _never() -> bool:
    return False


@dataclass(slots=True)
class Binding:
    """Tie a wrapped application to its intake.

    Mutable, so that wrapping again with another reporter's intake rebinds the application in place.
    ``propagates`` is asked when an exception arrives: True means that it must leave as if nobody had caught it. With
    ``is_reraised`` an exception leaves after our page was sent for it, as it does with Starlette's own pages.
    """

    intake: Intake
    propagates: Callable[[], bool] = _never
    is_reraised: bool = False
    # Differs by application: of two wrapped ones around each other, the outer one meets what the inner one
    # reported and let pass, and intake must see that it comes by another way, not a second time.
    name: str = field(default_factory=lambda: f"app{next(_bindings)}", init=False)
