"""The oracles of FID and Inception Score."""

import logging
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import folder_paths
from comfy_api.latest import io
from torch import Tensor

from ...verifiers import distribution, files, pictures
from ..counted import only
from .base import ALIASES, ONE_VERIFIER, VERIFIERS, WeightsFile, verifier_output

TITLE = "Distribution Verifier"
NONE = "none"
NETWORK = WeightsFile(distribution.KNOWN, "The Inception network of FID.")


class DistributionVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DistributionVerifier",
            display_name=TITLE,
            category=VERIFIERS,
            description="Judges an image by the set it joins: how much the set's FID to a reference falls, or what it "
            "adds to the Inception Score. For experiments: it looks at the benchmark itself. To make a set image by "
            "image, save each winner with Save Image and name its folder in set_folder.",
            search_aliases=[*ALIASES, "fid", "inception score", "frechet", "oracle"],
            is_input_list=True,
            inputs=[
                NETWORK.input("model"),
                io.Combo.Input(
                    "measure",
                    options=list(distribution.METHODS),
                    default=distribution.FID,
                    tooltip="FID: nearness of the whole set to the reference. Inception Score: how sure the image's "
                    "class is and how rare in the set.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="Images of the set that the image would join; with those of set_folder, if there are any.",
                ),
                io.Combo.Input(
                    "statistics",
                    options=[NONE, *files.installed(suffixes=files.STATISTICS)],
                    default=NONE,
                    optional=True,
                    tooltip="For FID: an .npz file in models/verifiers with mu and sigma, as pytorch-fid writes it.",
                ),
                io.Image.Input(
                    "reference_images",
                    optional=True,
                    tooltip="For FID, instead of a file: the reference images themselves.",
                ),
                io.String.Input(
                    "set_folder",
                    default="",
                    optional=True,
                    tooltip="Folder of the images chosen so far, inside ComfyUI's output folder: set when Save Image "
                    "has the prefix set/image. It is read again at every run, so each winner that is saved there "
                    "joins the set for the next run. It may be empty or missing before the first.",
                ),
                io.Combo.Input(
                    "reference_folder",
                    options=[NONE, *folder_paths.get_input_subfolders()],
                    default=NONE,
                    optional=True,
                    tooltip="For FID, instead of a file: a folder of reference images inside ComfyUI's input folder, "
                    "thousands for a meaningful FID. Looking at them takes a while, once.",
                ),
            ],
            outputs=[verifier_output("Scores are how much FID falls, or a divergence; higher is better.")],
        )

    @classmethod
    def validate_inputs(cls, model: Sequence[str | None]) -> bool | str:
        return NETWORK.check(model[0])

    @classmethod
    def fingerprint_inputs(
        cls, set_folder: Sequence[str] = ("",), reference_folder: Sequence[str] = (NONE,), **_: Any
    ) -> list[str]:
        """Another one when images of a folder were added or changed; never the same when a name comes over a wire."""
        if None in (set_folder[0], reference_folder[0]):
            return [uuid4().hex]
        folders = _in_output(set_folder[0]), _in_input(reference_folder[0])
        return [pictures.state(folder) for folder in folders if folder]

    @classmethod
    def execute(
        cls,
        model: Sequence[str],
        measure: Sequence[str],
        images: Sequence[Tensor] = (),
        statistics: Sequence[str] = (NONE,),
        reference_images: Sequence[Tensor] = (),
        set_folder: Sequence[str] = ("",),
        reference_folder: Sequence[str] = (NONE,),
    ) -> io.NodeOutput:
        given = {"model": model, "measure": measure, "statistics": statistics, "set_folder": set_folder}
        given["reference_folder"] = reference_folder
        one = {name: only(TITLE, name, values, ONE_VERIFIER) for name, values in given.items()}
        folder = _in_output(one["set_folder"])
        if folder is None and not images:
            raise ValueError(
                f"{TITLE}: no set to join. Connect images, or name the folder of the winners in set_folder."
            )
        network = NETWORK.locate(one["model"])
        look = distribution.Looker(distribution.load_network(network))
        reference = None
        if one["measure"] == distribution.FID:
            looked_up = _in_input(one["reference_folder"])
            reference = _reference(look, network, one["statistics"], looked_up, reference_images)
        saved = pictures.listed(folder) if folder else []
        others = look.all(chain(images, pictures.batches(saved, distribution.CHUNK)))
        _tell(len(others.features), folder)
        return io.NodeOutput(distribution.Distribution(look, one["measure"], others, reference))


def _reference(
    look: distribution.Looker, network: Path, file: str, folder: Path | None, images: Sequence[Tensor]
) -> distribution.Statistics | None:
    if sum((file != NONE, folder is not None, len(images) > 0)) > 1:
        raise ValueError(f"{TITLE}: statistics, reference_folder or reference_images: only one can be the reference.")
    if file != NONE:
        return distribution.read_statistics(files.locate(file))
    if folder is not None:
        return distribution.folder_statistics(network, folder, pictures.state(folder))
    return distribution.statistics(look.all(images).features) if images else None


def _tell(count: int, folder: Path | None) -> None:
    where = f", with those of {folder}" if folder else ""
    if count:
        logging.info("%s: the set has %d images%s.", TITLE, count, where)
    else:
        logging.warning("%s: the set is empty (%s has no images): this run makes its first image.", TITLE, folder)


def _in_output(name: str) -> Path | None:
    return _folder(name, folder_paths.get_output_directory())


def _in_input(name: str) -> Path | None:
    return _folder(name, folder_paths.get_input_directory())


def _folder(name: str, base: str) -> Path | None:
    """The folder of that name in one of ComfyUI's; None where none is named."""
    return None if name in ("", NONE) else Path(folder_paths.get_annotated_filepath(name, base))


NODES: list[type[io.ComfyNode]] = [DistributionVerifier]
