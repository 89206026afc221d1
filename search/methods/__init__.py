"""ADD A METHOD HERE: a file with a subclass of base.Method, and one in nodes/searches for its node."""

from __future__ import annotations

from pkgutil import iter_modules

__all__ = [module.name for module in iter_modules(__path__)]

from . import *  # noqa: F403 (imports what __all__ names: every file of this folder)
from .base import Method


def registered() -> dict[str, type[Method]]:
    """Every method there is, by name."""
    return {method.name: method for method in Method.__subclasses__()}
