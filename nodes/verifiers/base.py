"""Base of the loaders: a verifier from files of weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from comfy_api.latest import io

from ...verifiers import base, files
from ...verifiers.files import Known
from ...verifiers.networks import activations
from ..types import CATEGORY, Verifier

VERIFIERS = f"{CATEGORY}/verifiers"
TOWER_FOLDERS = ("verifiers", "clip_vision")
ONE_VERIFIER = "All images together make one verifier; use a node for each."
ALIASES = ["verifier", "image score", "judge", "reward model", "rate images"]


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that a node asks for. about: what it is, for the tooltip. folders: where it may lie."""

    known: tuple[Known, ...]
    about: str
    folders: tuple[str, ...] = (files.FOLDER,)

    def input(self, name: str) -> io.Combo.Input:
        """A combo of the files there are; the tooltip tells where to get the known ones there are not.

        It begins with a known one that is there, else with the first known one, though it is not offered: only a file
        that is no option is one that the front end reports as missing, and offers to download.
        """
        there = files.installed(self.folders)
        missing = [f"{model.file} ({model.address})" for model in self.known if model.file not in there]
        first = next((model.file for model in self.known if model.file in there), self.known[0].file)
        told = f" Not installed: {', '.join(missing)}." if missing else ""
        where = " or ".join(f"models/{folder}" for folder in self.folders)
        return io.Combo.Input(
            name,
            options=there,
            default=first,
            tooltip=f"{self.about} From {where}.{told}",
            extra_dict={"noise_search_models": self.downloads},
        )

    @property
    def downloads(self) -> list[dict[str, str]]:
        """The known files as a template names them; web/downloads.js puts them on a loader."""
        found = [(model.file, model.download) for model in self.known]
        return [{"name": file, "url": url, "directory": files.FOLDER} for file, url in found if url]

    def check(self, name: str | None) -> bool | str:
        return files.check(name, self.known, self.folders)

    def locate(self, name: str) -> Path:
        return files.locate(name, self.known, self.folders)


def activation_input() -> io.Combo.Input:
    """Of a CLIP, which neither its weights nor always a config tells."""
    return io.Combo.Input(
        "activation",
        options=list(activations.CHOICES),
        default="auto",
        optional=True,
        advanced=True,
        tooltip="Of a CLIP model. auto reads it from config.json or open_clip_config.json beside the weights; without "
        "one the log says what it took and why. quick_gelu is right for OpenAI's models and their fine-tunes, gelu "
        "for LAION's; a wrong one gives poor scores.",
    )


def verifier_output(judges: str) -> io.Output:
    return Verifier.Output(display_name="verifier", tooltip=f"{judges} For a search node or Verifier Score.")


class WeightsLoader(io.ComfyNode):
    """A verifier from one file of weights, whose input is `model`. The other inputs go to `load` by name."""

    MODEL: ClassVar[WeightsFile]

    @classmethod
    def load(cls, path: Path, **settings: Any) -> base.Verifier:
        raise NotImplementedError

    @classmethod
    def validate_inputs(cls, model: str | None) -> bool | str:
        return cls.MODEL.check(model)

    @classmethod
    def execute(cls, model: str, **settings: Any) -> io.NodeOutput:
        return io.NodeOutput(cls.load(cls.MODEL.locate(model), **settings))
