"""Checks of settings: messages name the setting, repeat what it is and say what it may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


class SettingError(ValueError):
    """A setting that can not be searched with."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


def at_least(**values: tuple[Any, float]) -> None:
    """Raises SettingError for a value below its least, and for one that is no whole number where the least is one:
    at_least(candidates=(0, 1), max_seconds=(0.5, 0.0))."""
    for name, (value, least) in values.items():
        number: Any = value
        if not isinstance(value, Integral if isinstance(least, int) else Real):
            kind = "whole number" if isinstance(least, int) else "number"
            raise SettingError(f"{name} is {value!r}, but it has to be a {kind}.")
        if not number >= least:
            raise SettingError(f"{name} is {value}, but it has to be at least {least}.")
