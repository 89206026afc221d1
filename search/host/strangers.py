"""Parts of a sampler call that are not ComfyUI's own: what they do to candidates that share a call, nobody knows.

Where a part comes from is told by the file of its code. What hangs on the MODEL, the guider, the sampler or the
conditioning is the host's, this pack's, or a stranger. A network, and the host's own functions, are strange when a pack
or another library has made or replaced them.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import comfy.conds
import comfy.controlnet
import comfy.k_diffusion.sampling
import comfy.ldm.modules.attention
import comfy.model_base
import comfy.model_patcher
import comfy.patcher_extension
import comfy.sampler_helpers
import comfy.samplers
import folder_paths
import torch

PACK = Path(__file__).resolve().parents[2]
OURS = tuple(PACK / folder for folder in ("search", "nodes", "verifiers", "demo"))
COMFYUI = Path(comfy.samplers.__file__).resolve().parents[1]
PYTHON = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
PACKAGES = ("site-packages", "dist-packages")
HOSTS = {"torch", "torchsde", "torchvision", "torchaudio", "einops", "transformers", "numpy", "scipy", "comfy_kitchen"}
HOSTS |= {"comfy_aimdo", "kornia", "spandrel"}  # packages that ComfyUI computes with
ON_THE_WAY: tuple[ModuleType, ...] = (  # modules of the host that every prediction goes through
    comfy.conds,
    comfy.controlnet,
    comfy.k_diffusion.sampling,
    comfy.ldm.modules.attention,
    comfy.model_base,
    comfy.model_patcher,
    comfy.patcher_extension,
    comfy.sampler_helpers,
    comfy.samplers,
)
DEPTH = 3  # how many closures and objects of the host to look into, one inside the other


class Origin(NamedTuple):
    """Where code comes from. kind: `host`, `ours`, `library` of the host or of Python, `pack` for another pack,
    `package` for another package, `other`. pack: its folder or name."""

    kind: str
    pack: str = ""

    @property
    def is_known(self) -> bool:
        return self.kind in ("host", "ours", "library")


def strangers(guider: comfy.samplers.CFGGuider, sampler: comfy.samplers.Sampler) -> list[str]:
    """The names of all parts of a sampler call that are not ComfyUI's own, for a message; each once."""
    patcher: Any = guider.model_patcher
    hanging = [
        guider,
        sampler,
        guider.model_options,
        guider.conds,
        patcher.wrappers,
        patcher.object_patches,
        patcher.callbacks,
        patcher.injections,
        patcher.additional_models,
    ]
    names = [*_Walk().names(hanging), *_in_network(patcher), *_in_host()]
    return list(dict.fromkeys(names))


def is_known(part: Any, depth: int = DEPTH) -> bool:
    """Whether a part, and what it holds, is ComfyUI's own or this pack's."""
    return next(_Walk().names(part, depth), None) is None


class _Walk:
    """Over what hangs on a sampler call: functions and objects, in containers, closures and attributes."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def names(self, value: Any, depth: int = DEPTH) -> Iterator[str]:
        if depth < 0 or id(value) in self.seen or isinstance(value, (str, bytes, int, float, torch.Tensor, ModuleType)):
            return
        self.seen.add(id(value))
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            for part in list(value.values() if isinstance(value, Mapping) else value):
                yield from self.names(part, depth)
            return
        maker = _maker(value)
        origin = _origin_of(maker)
        if not origin.is_known:
            yield _named(maker, origin)
        for part in list(_held(value)) if origin.kind in ("host", "library") else ():
            yield from self.names(part, depth - 1)


def _held(value: Any) -> Iterator[Any]:
    """What a function or an object of the host holds on to, and may call."""
    if isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell))
    elif isinstance(value, MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    elif not isinstance(value, (type, torch.nn.Module, comfy.model_patcher.ModelPatcher)):
        yield from getattr(value, "__dict__", {}).values()


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that was never assigned
        return False


def _maker(value: Any) -> Any:
    """The function or the class behind a part."""
    return value if isinstance(value, (FunctionType, type)) else type(value)


def _in_network(patcher: Any) -> Iterator[str]:
    """Packs and libraries that have made the network, or have put something in its place."""
    model = patcher.model
    makers: list[Any] = [type(patcher), type(model), *_replaced(model)]
    network = getattr(model, "diffusion_model", None)
    for module in network.modules() if isinstance(network, torch.nn.Module) else ():
        makers += [type(module), *_replaced(module)]
    for maker in dict.fromkeys(makers):
        origin = _origin_of(maker)
        if origin.kind in ("pack", "package"):
            yield _named(maker, origin)


def _replaced(thing: Any) -> Iterator[FunctionType]:
    """Methods that stand on an object instead of on its class, and functions that listen to a module."""
    held = getattr(thing, "__dict__", {})
    hooks = [*held.get("_forward_hooks", {}).values(), *held.get("_forward_pre_hooks", {}).values()]
    for value in [*held.values(), *hooks]:
        function = value.__func__ if isinstance(value, MethodType) else value
        if isinstance(function, FunctionType):
            yield function


def _in_host() -> Iterator[str]:
    """Packs that have replaced functions of the host for everybody. What they have added to it, it does not use."""
    for module in ON_THE_WAY:
        for value in [vars(module).get(name) for name in _own_names(module)]:
            functions = vars(value).values() if isinstance(value, type) else [value]
            for function in functions:
                if isinstance(function, FunctionType) and _origin(function.__code__.co_filename).kind == "pack":
                    yield _named(function, _origin(function.__code__.co_filename))


@cache
def _own_names(module: ModuleType) -> tuple[str, ...]:
    """What a module's own file gives a name to, or looks up."""
    loader: Any = module.__spec__ and module.__spec__.loader
    return tuple(loader.get_code(module.__name__).co_names)


def _origin_of(maker: Any) -> Origin:
    if isinstance(maker, FunctionType):
        return _origin(maker.__code__.co_filename)
    file = getattr(sys.modules.get(maker.__module__), "__file__", None)
    return _origin(file) if file else Origin("library")  # built in


@cache
def _origin(file: str) -> Origin:
    if file.startswith("<"):  # made by Python or torch as it runs
        return Origin("library")
    path = Path(file)
    pack = _pack(path)
    if pack is not None:
        return Origin("ours") if _is_ours(pack.resolve()) else Origin("pack", pack.name)
    path = path.resolve()
    if any(path.is_relative_to(folder) for folder in OURS):
        return Origin("ours")
    return _library(path) or Origin("host" if path.is_relative_to(COMFYUI) else "other")


def _is_ours(pack: Path) -> bool:
    """This pack, or the demo that comes with it, also from another copy of it."""
    return pack == PACK or (
        pack.name == "demo" and (pack.parent / Path(__file__).resolve().relative_to(PACK)).is_file()
    )


def _pack(path: Path) -> Path | None:
    """The custom node pack that a file is of."""
    for folder in map(Path, folder_paths.get_folder_paths("custom_nodes")):
        if path.is_relative_to(folder) and path != folder:
            return folder / path.relative_to(folder).parts[0]
    return None


def _library(path: Path) -> Origin | None:
    inside = next((at for at, part in enumerate(path.parts) if part in PACKAGES), None)
    if inside is not None:
        name = path.parts[inside + 1].removesuffix(".py")
        return Origin("library") if name in HOSTS else Origin("package", name)
    return Origin("library") if any(path.is_relative_to(folder) for folder in PYTHON) else None


def _named(maker: Callable[..., Any], origin: Origin) -> str:
    """The node or class that a part comes from, and the pack."""
    name = getattr(maker, "__qualname__", type(maker).__qualname__).split(".")[0]
    return f"{name} ({origin.pack})" if origin.pack else name
