"""The oracles of FID and Inception Score."""

from typing import Any

from comfy_api.latest import io

from ..verifiers import distribution, files
from .types import CATEGORY
from .verifier_scores import ALIASES, verifier_output, weights_input

NO_STATISTICS = "none"


class DistributionVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DistributionVerifier",
            display_name="Distribution Verifier",
            category=f"{CATEGORY}/verifiers",
            description="Judges an image by the set it joins: how much the set's FID to a reference falls, or what it "
            "adds to the Inception Score. For experiments: it looks at the benchmark itself.",
            search_aliases=[*ALIASES, "fid", "inception score", "frechet", "oracle"],
            inputs=[
                weights_input("model", distribution.KNOWN, "The Inception network of FID."),
                io.Combo.Input(
                    "measure",
                    options=list(distribution.METHODS),
                    default=distribution.FID,
                    tooltip="FID: nearness of the whole set to the reference. Inception Score: how sure the image's "
                    "class is and how rare in the set.",
                ),
                io.Image.Input("images", tooltip="The set that the image would join: those made so far, 2 or more."),
                io.Combo.Input(
                    "statistics",
                    options=[NO_STATISTICS, *files.installed(suffixes=files.STATISTICS)],
                    default=NO_STATISTICS,
                    optional=True,
                    tooltip="For FID: an .npz file in models/verifiers with mu and sigma, as pytorch-fid writes it.",
                ),
                io.Image.Input(
                    "reference_images",
                    optional=True,
                    tooltip="For FID, instead of a file: the reference images themselves.",
                ),
            ],
            outputs=[verifier_output("Scores are how much FID falls, or a divergence; higher is better.")],
        )

    @classmethod
    def execute(
        cls, model: str, measure: str, images: Any, statistics: str = NO_STATISTICS, reference_images: Any = None
    ) -> io.NodeOutput:
        look = distribution.Looker(distribution.load_network(files.locate(model, distribution.KNOWN)))
        reference = reference_images
        if statistics != NO_STATISTICS:
            reference = distribution.read_statistics(files.locate(statistics))
        return io.NodeOutput(distribution.Distribution(look, measure, images, reference))


NODES: list[type[io.ComfyNode]] = [DistributionVerifier]
