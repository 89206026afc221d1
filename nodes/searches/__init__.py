"""The search nodes: one file each, found by being here."""

from pkgutil import iter_modules

__all__ = [module.name for module in iter_modules(__path__)]

from . import *  # noqa: F403 (imports what __all__ names: every file of this folder)
from .base import SearchNode


def registered() -> list[type[SearchNode]]:
    """Every search node there is, in the order in which they are offered."""
    found = [thing for name in __all__ for thing in vars(globals()[name]).values() if _is_node(thing)]
    return sorted(dict.fromkeys(found), key=lambda node: (node.PLACE, node.TITLE))


def _is_node(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, SearchNode) and thing is not SearchNode
