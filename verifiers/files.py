"""Where verifiers' weights lie, how they are read, and what is said when they are missing or wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
from torch import Tensor

Weights = dict[str, Tensor]

FOLDER = "verifiers"
WEIGHTS = (".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt")
STATISTICS = (".npz",)
DEEPEST = 3  # dicts within each other in a file of weights
HUB = "https://huggingface.co/"
SHARD = re.compile(r"-(\d{5})-of-(\d{5})(?=\.)")


class WeightsError(RuntimeError):
    """A file of weights is missing, broken, or not what the node needs."""

    __module__ = "builtins"  # ComfyUI shows people the class of an error, and of others the whole path


@dataclass(frozen=True)
class Known:
    """A published model: its path under models/verifiers, where it comes from, and what else has to lie beside it."""

    file: str
    address: str
    beside: str = ""

    @property
    def download(self) -> str | None:
        """The file's own address, where the front end downloads from."""
        return f"{self.address}/resolve/main/{Path(self.file).name}" if self.address.startswith(HUB) else None

    @property
    def how(self) -> str:
        target = Path(folder_paths.get_folder_paths(FOLDER)[0]) / self.file
        also = f" Put {self.beside} in the same folder." if self.beside else ""
        unpack = ", unpack it" if self.address.endswith(".zip") else ""
        return f"Download it from {self.address}{unpack} and save it as {target}.{also}"


def register() -> None:
    """Make models/verifiers known to ComfyUI, beside the folders that extra_model_paths names."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))
    paths, extensions = folder_paths.folder_names_and_paths[FOLDER]
    folder_paths.folder_names_and_paths[FOLDER] = (paths, {*extensions, *WEIGHTS, *STATISTICS})


def installed(folders: Sequence[str] = (FOLDER,), suffixes: tuple[str, ...] = WEIGHTS) -> list[str]:
    """The files of these model folders that end so; of weights in several parts only the first."""
    names = {name.replace("\\", "/") for folder in folders for name in folder_paths.get_filename_list(folder)}
    firsts = {name for name in names if (part := SHARD.search(name)) is None or int(part[1]) == 1}
    return sorted(name for name in firsts if name.lower().endswith(suffixes))


def folders() -> list[str]:
    """The folders in models/verifiers that hold a model as transformers saves it, with config.json."""
    parents = {name.rpartition("/")[0] for name in installed()} - {""}
    return sorted(name for name in parents if folder_paths.get_full_path(FOLDER, f"{name}/config.json"))


def check(name: str | None, known: Iterable[Known] = (), folders: Sequence[str] = (FOLDER,)) -> bool | str:
    """For a node's validate_inputs: True, or what to get and where to put it. None comes from another node, later."""
    return name is None or _find(name, folders) is not None or _absent(name, known, folders)


def locate(name: str, known: Iterable[Known] = (), folders: Sequence[str] = (FOLDER,)) -> Path:
    """The file's full path. Raises WeightsError that says what to get and where to put it."""
    path = _find(name, folders)
    if path is None:
        raise WeightsError(_absent(name, known, folders))
    return path


def _find(name: Any, folders: Sequence[str]) -> Path | None:
    """name: from a prompt, so it may be no text. The host keeps it within the folders."""
    if not isinstance(name, str):
        return None
    paths = (folder_paths.get_full_path(folder, name) for folder in folders)
    return next((Path(path) for path in paths if path), None)


def _absent(name: str, known: Iterable[Known], folders: Sequence[str]) -> str:
    where = ", ".join(path for folder in folders for path in folder_paths.get_folder_paths(folder))
    how = next((model.how for model in known if model.file == name), f"Looked in: {where}.")
    return f"{name} is not installed. {how}"


def read(path: Path) -> Weights:
    """The tensors of a safetensors file or of a pickle without code; the parts of a split model together."""
    weights: Weights = {}
    for part in _parts(path):
        weights |= _read_part(part)
    return weights


def _parts(path: Path) -> list[Path]:
    match = SHARD.search(path.name)
    if match is None:
        return [path]
    names = [SHARD.sub(f"-{number:05d}-of-{match[2]}", path.name) for number in range(1, int(match[2]) + 1)]
    parts = [path.with_name(name) for name in names]
    if missing := [part.name for part in parts if not part.is_file()]:
        raise WeightsError(f"{path} is one part of several, and {', '.join(missing)} is not beside it.")
    return parts


def _read_part(path: Path) -> Weights:
    try:
        state = comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:
        if "TorchScript" in str(error):
            raise WeightsError(
                f"{path} is a TorchScript archive, as OpenAI's own files are: it holds code, and is refused. Take the "
                "same model as safetensors, OpenAI's from https://huggingface.co/openai."
            ) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise WeightsError(
            f"{path} can not be read as a file of weights: it is incomplete, or of another kind ({reason}). "
            "Download it again, as safetensors where that is offered; files that hold code are refused."
        ) from error
    return _named_tensors(path, state if isinstance(state, dict) else {})


def _named_tensors(path: Path, state: dict[Any, Any]) -> Weights:
    """The tensors at the top, or those of the one dict in it that has some: training code saves a model beside other
    things, such as {"model": weights, "optimizer": ..., "epoch": 3}."""
    for _ in range(DEEPEST):
        if tensors := {key: value for key, value in state.items() if isinstance(value, Tensor)}:
            return tensors
        inside = {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, dict)}
        sets = [key for key, value in inside.items() if any(isinstance(one, Tensor) for one in value.values())]
        if len(sets) > 1:
            raise WeightsError(
                f"{path} holds several sets of weights: {', '.join(sets)}. Save the one you want as a file of its own."
            )
        inside = {key: inside[key] for key in sets} or inside
        state = {key: value for one in inside.values() for key, value in one.items() if isinstance(key, str)}
    raise WeightsError(f"{path} holds no tensors by name. Download it again.")


def wrong(path: Path, wanted: str, weights: Weights) -> WeightsError:
    """The error for a file that is not `wanted`, with what it holds instead."""
    sample = ", ".join(f"{key} {list(value.shape)}" for key, value in list(weights.items())[:3])
    return WeightsError(f"{path} is not {wanted}. It holds {len(weights)} tensors: {sample} ...")


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Names the file when a network that is made from it misses one of its weights."""
    try:
        yield
    except KeyError as error:
        raise WeightsError(
            f"{path} lacks the weight {error.args[0]}: it is incomplete, or of another model."
        ) from error


def config(path: Path, name: str = "config.json") -> dict[str, Any]:
    """The JSON file of that name beside the weights; empty when there is none."""
    file = path.parent / name
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{file} is not valid JSON ({error}). Download it again.") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{file} is not valid: it holds no JSON object. Download it again.")
    return found
