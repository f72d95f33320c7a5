"""The package ``pyre`` on ``zre``: each of its modules is the one of ``zre.pyre``."""

import importlib
import sys

_MODULES = ("pyre", "pyre_event", "zactor", "zbeacon", "zhelper", "zsocket")

for _name in _MODULES:
    sys.modules[f"{__name__}.{_name}"] = importlib.import_module(f"zre.pyre.{_name}")
sys.modules[__name__] = importlib.import_module("zre.pyre")
