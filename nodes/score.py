"""Scores for the images of a list or batch."""

from typing import Any

import torch
from comfy_api.latest import io

from ..search.judging.scoring import score_images
from ..verifiers.base import Verifier as VerifierProtocol
from ..verifiers.base import combine, require
from .inputs import prompt_input
from .types import CATEGORY, Verifier


class VerifierScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VerifierScore",
            display_name="Verifier Score",
            category=CATEGORY,
            description="Scores each image of a list or batch; higher is better. Use it to see what a verifier thinks, "
            "or to pick the best of several: best_image is the winner, and best_index goes to Select Candidate.",
            search_aliases=["image score", "rate images", "clip score", "aesthetic score", "image reward", "best of n"],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="The images to judge, as a list, a batch or both. The items of a batch count one by one.",
                ),
                Verifier.Input("verifier", tooltip="Judges the images. Comes from a verifier loader."),
                prompt_input(),
            ],
            outputs=[
                io.Float.Output(
                    display_name="scores",
                    is_output_list=True,
                    tooltip="One score an image, in the order they came in. For one image it is a plain number.",
                ),
                io.Image.Output(
                    display_name="best_image", tooltip="The image with the highest score; of equal ones the first."
                ),
                io.Int.Output(display_name="best_index", tooltip="Its place in the list, from 0."),
            ],
        )

    @classmethod
    def execute(cls, images: list[torch.Tensor], verifier: list[Any], prompt: list[str]) -> io.NodeOutput:
        count = sum(len(batch) for batch in images)
        if count == 0:
            raise ValueError("Verifier Score: there are no images to score.")
        prompts = _prompt_of_each(prompt, count)
        judge = _judge(verifier[0], prompts)
        scores = combine(judge, _score_all(judge, images, prompts))
        best = max(range(count), key=scores.__getitem__)
        winner = [image for batch in images for image in batch][best].unsqueeze(0)
        return io.NodeOutput(scores, winner, best)


def _prompt_of_each(prompts: list[str], count: int) -> list[str]:
    if len(prompts) == 1:
        return prompts * count
    if len(prompts) != count:
        raise ValueError(
            f"Verifier Score: {len(prompts)} prompts for {count} images. Give one for all, or one for each image."
        )
    return prompts


def _judge(verifier: Any, prompts: list[str]) -> VerifierProtocol:
    for prompt in prompts:
        require(verifier, prompt, "Verifier Score")
    return verifier


def _score_all(verifier: VerifierProtocol, batches: list[torch.Tensor], prompts: list[str]) -> dict[str, list[float]]:
    """Of each verifier, in input order; neighbouring batches of the same image size are judged together."""
    scores: dict[str, list[float]] = {}
    at = 0
    while batches:
        size = batches[0].shape[1:]
        same = next((i for i, batch in enumerate(batches) if batch.shape[1:] != size), len(batches))
        together = torch.cat(batches[:same])[..., :3]
        told = prompts[at : at + len(together)]
        for name, values in score_images(verifier, together, told, lambda row, at=at: f"image {at + row}").items():
            scores.setdefault(name, []).extend(values)
        batches, at = batches[same:], at + len(together)
    return scores
