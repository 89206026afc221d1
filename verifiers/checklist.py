"""A list of requirements as a judge: each is a yes/no question to a vision-language model.

The score is the geometric mean of the probabilities of yes (Soft-TIFA of GenEval 2, arXiv 2512.16853), so that one
requirement that fails costs more than several that are a little unsure. Other verifiers can be lines of the list, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .base import Detailed, Details, Verifier, VerifierError, ask, ask_for_details
from .vlm import NO, YES, Answerer

QUESTION = 'Is this true of the image: "{}"? Answer with yes or no.'
ANSWER = " Answer with yes or no."
LEAST = 1e-4  # of a probability in the mean, so that among images that fail in one thing the others still count
HOLDS = 0.5
WIDTH = 0.1  # of a verifier's floor: how far above it a score has to be for a probability of 0.73


class Line(NamedTuple):
    """Another verifier as a line: it holds from a score of `floor` on. One that tells of parts brings those."""

    verifier: Verifier
    floor: float = HOLDS


def requirements_in(text: str) -> list[str]:
    """One a line, without list signs and empty lines."""
    lines = (line.strip().lstrip("-*•").strip() for line in text.splitlines())
    return [line for line in lines if line]


class ChecklistVerifier:
    """model: None where there are other verifiers only."""

    name = "checklist"
    pace = "coarse"

    def __init__(
        self,
        model: Answerer | None,
        requirements: Sequence[str],
        lines: Sequence[Line] = (),
        question: str = QUESTION,
    ):
        if not requirements and not lines:
            raise ValueError("Checklist Verifier: there are no requirements. Write one a line.")
        if requirements and model is None:
            raise ValueError("Checklist Verifier: requirements need a vision-language model to answer them.")
        if "{}" not in question:
            raise ValueError(f"The question needs {{}} where the requirement goes: {question!r}.")
        self.model = model
        self.requirements = list(requirements)
        self.lines = list(lines)
        self.question = question
        self.needs_prompt = any(line.verifier.needs_prompt for line in lines)
        self.yes, self.no = ([], []) if model is None else (model.first_tokens(YES), model.first_tokens(NO))
        if model is not None and not (self.yes and self.no):
            raise ValueError("This model's tokenizer has no token for yes or for no, so it can not answer a checklist.")

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B], 0..1."""
        return self.score_with_details(images, prompts)[0]

    @torch.inference_mode()
    def score_with_details(self, images: Tensor, prompts: list[str]) -> tuple[Tensor, list[Details]]:
        """Of each image the parts: every requirement with its probability, then those of the other verifiers."""
        told = [self._answers(image[None]) for image in images]
        for line in self.lines:
            for parts, more in zip(told, _parts(line, images, prompts), strict=True):
                parts += more
        return torch.tensor([_geometric_mean([part["probability"] for part in parts]) for parts in told]), told

    def _answers(self, image: Tensor) -> Details:
        if self.model is None:
            return []
        logits = _next_tokens(self.model, image, [self._asked(requirement) for requirement in self.requirements])
        sure = torch.sigmoid(logits[:, self.yes].logsumexp(1) - logits[:, self.no].logsumexp(1)).tolist()
        return [_part(text, probability, probability >= HOLDS) for text, probability in zip(self.requirements, sure)]

    def _asked(self, requirement: str) -> str:
        """A requirement that is a question is asked as it stands."""
        return requirement + ANSWER if requirement.endswith("?") else self.question.replace("{}", requirement)


def _next_tokens(model: Answerer, image: Tensor, texts: list[str]) -> Tensor:
    """Logits [texts, vocabulary]; the image is encoded once where the model can."""
    together = getattr(model, "next_tokens", None)
    return (
        torch.stack([model.next_token(image, text) for text in texts]) if together is None else together(image, texts)
    )


def _parts(line: Line, images: Tensor, prompts: list[str]) -> list[Details]:
    """Of each image, what another verifier has to say."""
    judge, floor = line
    if isinstance(judge, Detailed):
        return [[_of(part) for part in said.details] for said in _asked_for(judge, images, prompts)]
    scores = torch.tensor(ask(judge, images, prompts, _name), dtype=torch.float64)
    sure = torch.sigmoid((scores - floor) / (WIDTH * abs(floor) or WIDTH)).tolist()
    return [
        [_part(f"{judge.name} {floor:g}", probability, score >= floor) | {"score": score}]
        for score, probability in zip(scores.tolist(), sure, strict=True)
    ]


def _asked_for(judge: Detailed, images: Tensor, prompts: list[str]) -> list[Any]:
    said = ask_for_details(judge, images, prompts, _name)
    if not all(one.details for one in said):
        raise VerifierError(f"{judge.name} tells of no parts that could be lines of a checklist.")
    return said


def _of(part: dict[str, Any]) -> dict[str, Any]:
    """A part that another verifier told of. A score that is a probability on its side of HOLDS counts as one, another
    as sure."""
    is_probability = 0 <= part["score"] <= 1 and (part["score"] >= HOLDS) == part["holds"]
    return {**part, "probability": part["score"] if is_probability else float(part["holds"])}


def _part(text: str, probability: float, holds: bool) -> dict[str, Any]:
    return {"text": text, "score": probability, "holds": holds, "probability": probability}


def _name(index: int) -> str:
    return f"image {index}"


def _geometric_mean(probabilities: Sequence[float]) -> float:
    return float(torch.tensor(probabilities, dtype=torch.float64).clamp(min=LEAST).log().mean().exp())
