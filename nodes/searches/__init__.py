"""The search nodes: one file each, found by being here."""

import importlib
import pkgutil

from .base import SearchNode


def registered() -> list[type[SearchNode]]:
    """Every search node there is, in the order in which they are offered."""
    modules = [importlib.import_module(f".{module.name}", __package__) for module in pkgutil.iter_modules(__path__)]
    found = [thing for module in modules for thing in vars(module).values() if _is_node(thing)]
    return sorted(dict.fromkeys(found), key=lambda node: (node.PLACE, node.TITLE))


def _is_node(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, SearchNode) and thing is not SearchNode
