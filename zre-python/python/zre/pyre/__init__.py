"""A drop-in replacement for the package ``pyre``, on a node of ``zre``."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["pyre", "zbeacon", "zhelper"]
__version__ = "0.3.5"
__version_info__ = tuple(int(part) for part in __version__.split("."))

from . import zactor as zactor
from . import zbeacon, zhelper
from .pyre import Pyre as Pyre
from .pyre_event import PyreEvent as PyreEvent


def __getattr__(name: str) -> Any:
    """Load ``zsocket`` when it is asked for, as it needs pyzmq."""
    if name == "zsocket":
        return importlib.import_module(".zsocket", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
