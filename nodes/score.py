"""Scores for the images of a list or batch."""

import logging
import math
from typing import Any

import torch
from comfy_api.latest import io
from comfy_execution.utils import get_executing_context

from ..search.host.graph import is_candidate, running
from ..search.host.prompt_text import has_choices
from ..search.host.prompts import PROMPTS
from ..search.judging.scoring import DetailedScore, score_images, score_videos
from ..verifiers.base import Said, combine, judges_videos, known, require
from ..verifiers.base import Verifier as VerifierProtocol
from .counted import CountedIndex, only
from .inputs import prompt_input
from .types import CATEGORY, Verifier

TITLE = "Verifier Score"
BRIGHTEST = 4.0  # no VAE goes so far above 1
SEVERAL = "Join several in an Ensemble Verifier, or use a Verifier Score for each."


class VerifierScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VerifierScore",
            display_name=TITLE,
            category=CATEGORY,
            description="Scores each image of a list or batch; higher is better. Use it to see what a verifier thinks, "
            "or to pick the best of several: best_image is the winner, and best_index goes to Select Candidate. "
            "A verifier of videos scores each batch as one video.",
            search_aliases=["image score", "rate images", "clip score", "aesthetic score", "image reward", "best of n"],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="The images to judge, as a list, a batch or both. The items of a batch count one by one.",
                ),
                Verifier.Input(
                    "verifier",
                    optional=True,
                    tooltip="Judges the images. Comes from a verifier loader. Without one, as when the loader is "
                    "bypassed, every image has the score 0, and the first is the best.",
                ),
                prompt_input(
                    "What the verifier judges the images by, usually the same text as the positive prompt. One for "
                    "all, or a list with one for each image or for each batch."
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="scores",
                    is_output_list=True,
                    tooltip="One score per image, in the order they came in. For one image it is a plain number.",
                ),
                io.Image.Output(
                    display_name="best_image", tooltip="The image with the highest score; of equal ones the first."
                ),
                io.Int.Output(display_name="best_index", tooltip="Its place among all images, from 0."),
            ],
        )

    @classmethod
    def execute(cls, images: list[torch.Tensor], prompt: list[str], verifier: list[Any] | None = None) -> io.NodeOutput:
        sizes = [len(batch) for batch in images]
        if not sum(sizes):
            raise ValueError(f"{TITLE}: there are no images to score.")
        if verifier is None or verifier == [None]:
            PROMPTS.warn(f"{TITLE}: no verifier is connected, so every image has the score 0, and the first is taken.")
            return io.NodeOutput([0.0] * sum(sizes), images[0][:1], CountedIndex(0, sizes))
        _check(images)
        judge = only(TITLE, "verifier", verifier, SEVERAL)
        is_of_videos = judges_videos(known(judge, TITLE))
        if is_of_videos:
            sizes = [1] * len(images)
        prompts = _prompt_of_each(prompt, sizes)
        _require(judge, prompts)
        told = _score_each(judge, images, prompts) if is_of_videos else _score_all(judge, images, prompts)
        scores = combine(judge, {name: [said.score for said in ones] for name, ones in told.items()})
        best = max(range(sum(sizes)), key=scores.__getitem__)
        if math.isinf(scores[best]) and not _is_in_loop():
            raise ValueError(
                f"{TITLE}: there are NaN or infinite values in every image, so none can be judged. Try a lower CFG, "
                "another sampler, or a VAE in a higher precision (--fp32-vae)."
            )
        winner = images[best] if is_of_videos else [image for batch in images for image in batch][best].unsqueeze(0)
        return io.NodeOutput(_with_details(scores, told), winner, CountedIndex(best, sizes))


def _with_details(scores: list[float], told: dict[str, list[Said]]) -> list[float]:
    details = [{name: said[at].details for name, said in told.items() if said[at].details} for at in range(len(scores))]
    return [DetailedScore(score, parts) if parts else score for score, parts in zip(scores, details, strict=True)]


def _check(images: list[torch.Tensor]) -> None:
    """Raises ValueError for images that are not ComfyUI's: numbers from 0 to 1, which a VAE may pass a little."""
    for batch in images:
        if not batch.is_floating_point() or batch.nan_to_num(0, 0, 0).amax() > BRIGHTEST:
            raise ValueError(
                f"{TITLE}: the images are {str(batch.dtype).removeprefix('torch.')} up to {batch.amax().item():g}, but "
                "ComfyUI's are floats from 0 to 1. The node that made them should divide by 255."
            )


def _is_in_loop() -> bool:
    """Whether it judges a candidate of a Search Loop, which goes on with the others."""
    context = get_executing_context()
    if context is None:
        return False
    prompt = running(context.prompt_id)
    return prompt is not None and is_candidate(prompt, context.node_id)


def _prompt_of_each(prompts: list[str], sizes: list[int]) -> list[str]:
    """Of each image, from one for all, one per image, or one for each entry of the list of images."""
    count = sum(sizes)
    if len(prompts) == 1:
        return prompts * count
    if len(prompts) == count:
        return prompts
    if len(prompts) != len(sizes):
        raise ValueError(
            f"{TITLE}: {len(prompts)} prompts for {count} images in a list of {len(sizes)}. Give one for all, one for "
            "each image, or one for each entry of the list."
        )
    return [prompt for prompt, size in zip(prompts, sizes, strict=True) for _ in range(size)]


def _require(verifier: Any, prompts: list[str]) -> None:
    for prompt in prompts:
        require(verifier, prompt, TITLE)
    choices = next(filter(has_choices, prompts), None)
    if verifier.needs_prompt and choices is not None:
        logging.warning(
            "%s: %s reads all the words in the braces of %r, of which the front end lets a text encoder draw one. "
            "Write the prompt without choices.",
            *(TITLE, verifier.name, choices),
        )


def _score_each(verifier: VerifierProtocol, videos: list[torch.Tensor], prompts: list[str]) -> dict[str, list[Said]]:
    """Of each verifier, one for each video [frames, H, W, 3]."""
    scores: dict[str, list[Said]] = {}
    for at, (video, prompt) in enumerate(zip(videos, prompts, strict=True)):
        seen = video[None, ..., :3]
        said = score_videos(verifier, seen, [prompt], lambda _, at=at: f"video {at}", range(len(video)))
        for name, ones in said.items():
            scores.setdefault(name, []).extend(ones)
    return scores


def _score_all(verifier: VerifierProtocol, batches: list[torch.Tensor], prompts: list[str]) -> dict[str, list[Said]]:
    """Of each verifier, in input order; neighbouring batches of the same image size are judged together."""
    scores: dict[str, list[Said]] = {}
    at = 0
    while batches:
        size = batches[0].shape[1:]
        same = next((i for i, batch in enumerate(batches) if batch.shape[1:] != size), len(batches))
        together = torch.cat(batches[:same])[..., :3]
        told = prompts[at : at + len(together)]
        for name, said in score_images(verifier, together, told, lambda row, at=at: f"image {at + row}").items():
            scores.setdefault(name, []).extend(said)
        batches, at = batches[same:], at + len(together)
    return scores
