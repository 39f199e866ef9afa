"""Actions: every change of the world, one file each, and the engine all of them go through.

A module here that defines an :class:`services.actions.base.Action` registers itself by being imported.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
