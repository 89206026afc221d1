"""ADD A METHOD HERE: a file with a subclass of base.Method, and one in nodes/searches for its node."""

from __future__ import annotations

from pkgutil import iter_modules

__all__ = [module.name for module in iter_modules(__path__)]

from . import *  # noqa: F403 (imports what __all__ names: every file of this folder)
from .base import Method


def registered() -> dict[str, type[Method]]:
    """Every method there is, by name."""
    found = [thing for name in __all__ for thing in vars(globals()[name]).values() if _is_method(thing)]
    return {method.name: method for method in found}


def _is_method(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Method) and thing is not Method
