"""A vision-language model as judge: one of ComfyUI's text encoders that generate (Qwen3-VL, Gemma and others), or one
in a folder as transformers saves it.

Two ways to ask. The probability of "yes" to "does this image show ...?" takes one forward pass and needs no parsing
(VQAScore, Lin et al. 2024). The five aspects of Ma et al. 2025 (figure 16) are graded from 0 to 10 as JSON; decoding is
greedy, so the same image gets the same grade.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor, nn

from .files import WeightsError
from .networks.managed import Managed

ASPECTS = (
    "accuracy_to_prompt",
    "creativity_and_originality",
    "visual_quality_and_realism",
    "consistency_and_cohesion",
    "emotional_or_thematic_resonance",
)
OVERALL = "overall_score"
QUESTION = 'Does this image show "{}"? Answer with yes or no.'
GRADING = (
    'Grade this image as an answer to the prompt "{prompt}". Give a number from 0 to 10 for each of: {aspects}; and an '
    "overall_score, their average weighted by how much each matters for this prompt. Answer with one JSON object that "
    "has these six names and only numbers as values."
)
AGAIN = " Write nothing but the JSON object, beginning with {."
YES, NO = ("yes", "Yes", " yes", " Yes"), ("no", "No", " no", " No")
ANSWER_TOKENS = 256
SHOWN = 400
MEMORY = 2 * 1024**3  # of a forward pass beside the weights
SAFELY = {"local_files_only": True, "trust_remote_code": False}  # no network, and no code from the folder


class Answerer(Protocol):
    """A model that looks at one image [1, H, W, 3] and reads a text."""

    def next_token(self, image: Tensor, text: str) -> Tensor:
        """Logits [vocabulary] of the answer's first token."""
        ...

    def answer(self, image: Tensor, text: str) -> str:
        """The answer, decoded greedily."""
        ...

    def first_tokens(self, words: tuple[str, ...]) -> list[int]:
        """The ids of those words that are one token."""
        ...


@runtime_checkable
class Picks(Protocol):
    """The part of a text encoder of ComfyUI that picks each token of an answer, by its logits [1, vocabulary]."""

    sample_token: Callable[..., Tensor]


class HostModel:
    """A CLIP of ComfyUI whose text encoder generates. ComfyUI loads and unloads it."""

    def __init__(self, clip: Any):
        self.clip = clip
        self.transformer = _generating_part(clip)
        self.tokenizer = _tokenizer(clip)

    def next_token(self, image: Tensor, text: str) -> Tensor:
        with _watched(self.transformer) as logits:
            self._generate(image, text, 1)
        return logits[0][0].float().cpu()

    def next_tokens(self, image: Tensor, texts: list[str]) -> Tensor:
        """Logits [texts, vocabulary] for several texts about one image, which is encoded once."""
        with _encoding_once(self.transformer):
            return torch.stack([self.next_token(image, text) for text in texts])

    def answer(self, image: Tensor, text: str) -> str:
        return self.clip.decode(self._generate(image, text, ANSWER_TOKENS))

    def first_tokens(self, words: tuple[str, ...]) -> list[int]:
        return _single_tokens(self.tokenizer, words)

    def _generate(self, image: Tensor, text: str, length: int) -> Any:
        tokens = self.clip.tokenize(text, image=image, skip_template=False, min_length=1, thinking=False)
        return self.clip.generate(tokens, do_sample=False, max_length=length)


class FolderModel:
    """A vision-language model of transformers, from its folder."""

    def __init__(self, folder: Path):
        import transformers

        dtype = "dtype" if int(transformers.__version__.partition(".")[0]) >= 5 else "torch_dtype"
        try:
            network = transformers.AutoModelForImageTextToText.from_pretrained(
                str(folder), use_safetensors=True, **SAFELY, **{dtype: "auto"}
            )
            self.processor = transformers.AutoProcessor.from_pretrained(str(folder), **SAFELY)
        except ImportError as error:
            raise WeightsError(
                f"The model in {folder} needs a Python package that ComfyUI does not bring: {error}\nInstall it into "
                "ComfyUI's environment, or use a model that ComfyUI's CLIP loader reads, such as Qwen3-VL."
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{folder} can not be loaded as a vision-language model: {error}") from error
        self.managed = Managed(nn.Sequential(network), whole=True)  # the host sets `device`, which transformers forbids

    def next_token(self, image: Tensor, text: str) -> Tensor:
        network, inputs = self._prepared(image, text)
        return network(**inputs).logits[0, -1].float().cpu()

    def answer(self, image: Tensor, text: str) -> str:
        network, inputs = self._prepared(image, text)
        ids = network.generate(**inputs, do_sample=False, max_new_tokens=ANSWER_TOKENS)
        return self.processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def first_tokens(self, words: tuple[str, ...]) -> list[int]:
        return _single_tokens(self.processor.tokenizer, words)

    def _prepared(self, image: Tensor, text: str) -> tuple[Any, Any]:
        """The network of transformers, loaded, and what goes into it."""
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        picture = Image.fromarray((image[0, ..., :3].float().clamp(0, 1) * 255).round().byte().cpu().numpy())
        network = self.managed.ready(MEMORY)[0]
        inputs = self.processor(images=[picture], text=[chat], return_tensors="pt")
        return network, inputs.to(self.managed.device, network.dtype)


class YesVerifier:
    """Probability of yes, of yes and no, to a question with the prompt in it."""

    name = "VLM"
    needs_prompt = True
    pace = "coarse"

    def __init__(self, model: Answerer, question: str = QUESTION):
        if "{}" not in question:
            raise ValueError(f"The question needs {{}} where the prompt goes: {question!r}.")
        self.model = model
        self.question = question
        self.yes, self.no = model.first_tokens(YES), model.first_tokens(NO)
        if not self.yes or not self.no:
            raise ValueError("This model's tokenizer has no token for yes or for no: ask for a grade instead.")

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B]."""
        return torch.stack([self._yes(image[None], prompt) for image, prompt in zip(images, prompts)])

    def _yes(self, image: Tensor, prompt: str) -> Tensor:
        logits = self.model.next_token(image, self.question.replace("{}", prompt))
        return torch.sigmoid(logits[self.yes].logsumexp(0) - logits[self.no].logsumexp(0))


class GradeVerifier:
    """The paper's grader: one of its aspects, or the overall score; 0 to 10."""

    name = "VLM grade"
    needs_prompt = True
    pace = "coarse"

    def __init__(self, model: Answerer, aspect: str = OVERALL, tries: int = 3):
        self.model = model
        self.aspect = aspect
        self.tries = tries

    @torch.inference_mode()
    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B]."""
        return torch.tensor([self._grade(image[None], prompt) for image, prompt in zip(images, prompts)])

    def _grade(self, image: Tensor, prompt: str) -> float:
        text = GRADING.format(prompt=prompt, aspects=", ".join(ASPECTS))
        for attempt in range(self.tries):
            answer = self.model.answer(image, text + attempt * AGAIN)
            grade = read_grade(answer, self.aspect)
            if grade is not None:
                return grade
        raise ValueError(
            f"no {self.aspect} from 0 to 10 in its answer, in {self.tries} tries. The last: {answer[:SHOWN]}"
        )


def _single_tokens(tokenizer: Any, words: tuple[str, ...]) -> list[int]:
    """The ids of those words that are one token."""
    ids = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    return sorted({tokens[0] for tokens in ids if len(tokens) == 1})


def read_grade(answer: str, aspect: str) -> float | None:
    """The aspect's number in the first JSON object of the answer; None when it is not there or not in 0..10."""
    match = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        grade = json.loads(match[0])[aspect] if match else None
        grade = grade["score"] if isinstance(grade, dict) else grade
    except (ValueError, KeyError, TypeError):
        return None
    if isinstance(grade, bool) or not isinstance(grade, (int, float)) or not 0 <= grade <= 10:
        return None
    return float(grade)


@contextmanager
def _watched(transformer: Picks) -> Iterator[list[Tensor]]:
    """Collects the logits [1, vocabulary] from which the host picks each token."""
    seen: list[Tensor] = []
    pick = transformer.sample_token

    def watch(logits: Tensor, *arguments: Any, **options: Any) -> Tensor:
        seen.append(logits.clone())
        return pick(logits, *arguments, **options)

    transformer.sample_token = watch
    try:
        yield seen
    finally:
        del transformer.sample_token


@contextmanager
def _encoding_once(transformer: Any) -> Iterator[None]:
    """Of the images in what a text encoder of ComfyUI is given, each is encoded the first time it comes."""
    encode = getattr(transformer, "preprocess_embed", None)
    if encode is None:
        yield
        return
    known: list[tuple[Tensor, Any]] = []

    def once(embed: dict[str, Any], device: Any) -> Any:
        data = embed.get("data")
        if not isinstance(data, Tensor):
            return encode(embed, device=device)
        made = next((made for before, made in known if before.shape == data.shape and torch.equal(before, data)), None)
        if made is None:
            made = encode(embed, device=device)
            known.append((data, made))
        return made

    transformer.preprocess_embed = once
    try:
        yield
    finally:
        del transformer.preprocess_embed


def _generating_part(clip: Any) -> Picks:
    for module in clip.cond_stage_model.modules():
        if isinstance(module, Picks):
            return module
    raise ValueError(
        "This CLIP can not answer questions. Load a vision-language model with ComfyUI's CLIP loader, such as Qwen3-VL."
    )


def _tokenizer(clip: Any) -> Any:
    for part in vars(clip.tokenizer).values():
        if hasattr(part, "tokenizer"):
            return part.tokenizer
    raise ValueError("This CLIP's tokenizer is of an unknown kind; Qwen3-VL's is known to work.")
