"""A prompt said in several ways, for searches over wordings and noises together."""

import re
from itertools import product
from typing import Any

from comfy_api.latest import io

from ..search.sampling.wordings import Variant, Wordings
from .types import CATEGORY, Positives

TITLE = "Prompt Variants"
MOST = 64
CHOICE = re.compile(r"\{([^{}]*)\}")
SIGN = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


class PromptVariants(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PromptVariants",
            display_name=TITLE,
            category=CATEGORY,
            description="Says a prompt in several ways. A search node with these positives draws its candidates from "
            "seed and wording both, and gives more of its budget to wordings that score well. The sampler's own prompt "
            "is always one of them.",
            search_aliases=["rephrase", "prompt search", "prompt expansion", "wildcards", "synonyms", "positives"],
            inputs=[
                io.Clip.Input("clip", tooltip="Encodes the texts: the same as for the sampler's positive prompt."),
                io.String.Input(
                    "variants",
                    multiline=True,
                    default="",
                    tooltip="Other wordings of the prompt, one a line. Choices in braces, as in dynamic prompts, make "
                    "one wording of each. A language model's list, from Text Generate, can be connected here, or "
                    "pasted and edited.",
                ),
            ],
            outputs=[
                Positives.Output(display_name="positives", tooltip="For the input of that name on a search node."),
                io.String.Output(display_name="texts", tooltip="All wordings, one a line, as they are encoded."),
            ],
        )

    @classmethod
    def execute(cls, clip: Any, variants: str) -> io.NodeOutput:
        texts = wordings_in(variants)
        encoded = [Variant(text, clip.encode_from_tokens_scheduled(clip.tokenize(text))) for text in texts]
        return io.NodeOutput(Wordings(encoded), "\n".join(texts))


def wordings_in(text: str) -> list[str]:
    """Each once, in order. Raises ValueError when there are none, or too many."""
    lines = [SIGN.sub("", line).strip() for line in text.splitlines()]
    found = list(dict.fromkeys(said for line in lines if line for said in _each(line)))
    if not found:
        raise ValueError(f"{TITLE}: there are no variants. Write other wordings of your prompt, one a line.")
    if len(found) > MOST:
        raise ValueError(f"{TITLE}: these are {len(found)} wordings, and {MOST} are the most. Leave some choices out.")
    return found


def _each(line: str) -> list[str]:
    """The line with each of the choices in its braces, those within others first."""
    match = CHOICE.search(line)
    if match is None:
        return [" ".join(line.split())]
    parts = CHOICE.split(line)  # text and choices in turn
    options = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    count = 1
    for of in options:
        count *= len(of)
    if count > MOST:
        raise ValueError(f"{TITLE}: {line!r} makes {count} wordings, and {MOST} are the most. Leave some choices out.")
    return [said for chosen in product(*options) for said in _each("".join(chosen))]
