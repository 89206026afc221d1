"""ADD A METHOD HERE: a file with a subclass of base.Method, and one in nodes/searches for its node."""

from __future__ import annotations

import importlib
import pkgutil

from .base import Method


def registered() -> dict[str, type[Method]]:
    """Every method there is, by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f".{module.name}", __package__)
    return {method.name: method for method in Method.__subclasses__()}
