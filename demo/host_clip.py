"""Tokenizer and text encoder as a ComfyUI CLIP, which the stock CLIP Text Encode accepts."""

import logging

import comfy.ops
import comfy.sd
import torch
from comfy.sd1_clip import ClipTokenWeightEncoder, escape_important, token_weights, unescape_important
from torch import Tensor

from .text_encoder import TextEncoder
from .tokens import EMPTY, LENGTH, PAD_ID, TOKEN_IDS
from .words import read_words

log = logging.getLogger(__name__)
KEY = "shapes"
"""Names this tokenizer's tokens among those of other text encoders."""

Tokens = dict[str, list[list[tuple[int, float]]]]


class HostTokenizer:
    """The tokenizer interface of comfy.sd.CLIP, with the host's (word:1.2) weights."""

    def __init__(self, embedding_directory=None, tokenizer_data=None) -> None:
        pass

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_) -> Tokens:
        tokens: list[tuple] = []
        unknown: list[str] = []
        for part, weight in token_weights(escape_important(text), 1.0):
            words = read_words(unescape_important(part))
            tokens += [(TOKEN_IDS[word], weight) for word in words.known]
            unknown += words.unknown
        if unknown:
            log.warning("The shapes model does not know, and ignores: %s", ", ".join(unknown))
        if len(tokens) > LENGTH:
            log.warning("The shapes model reads %d words and ignores the last %d", LENGTH, len(tokens) - LENGTH)
        tokens = (tokens + [(PAD_ID, 1.0)] * LENGTH)[:LENGTH]
        if return_word_ids:
            tokens = [(token, weight, position + 1) for position, (token, weight) in enumerate(tokens)]
        return {KEY: [tokens]}

    def untokenize(self, pairs: list[tuple]) -> list[tuple]:
        words = list(TOKEN_IDS)
        return [(pair, words[pair[0]]) for pair in pairs]

    def state_dict(self) -> dict:
        return {}


class HostTextEncoder(TextEncoder, ClipTokenWeightEncoder):
    """The text encoder interface of comfy.sd.CLIP."""

    def __init__(self, device=None, dtype=None, model_options=None) -> None:
        super().__init__(operations=comfy.ops.manual_cast, dtype=dtype, device=device)
        self.dtypes = {dtype}
        self.special_tokens: dict[str, int] = {}
        self.execution_device = None

    def set_clip_options(self, options: dict) -> None:
        self.execution_device = options.get("execution_device", self.execution_device)

    def reset_clip_options(self) -> None:
        self.execution_device = None

    def gen_empty_tokens(self, special_tokens: dict, length: int) -> list[int]:
        """What weighted words are compared with: the empty prompt."""
        return EMPTY

    def encode(self, tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Texts as ids -> words [texts, LENGTH, width] and their means [texts, width]."""
        words = self(torch.tensor(tokens, device=self.execution_device or self.position.device)).float()
        return words, words.mean(dim=1)

    def encode_token_weights(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        return super().encode_token_weights(tokens[KEY])

    def load_sd(self, state_dict: dict[str, Tensor]):
        return self.load_state_dict(state_dict, strict=False)


class HostClipTarget:
    """What comfy.sd.CLIP builds itself from."""

    clip = HostTextEncoder
    tokenizer = HostTokenizer
    params: dict = {}


def load_clip(weights: dict[str, Tensor], target: type = HostClipTarget) -> comfy.sd.CLIP:
    """A CLIP with the text encoder's weights, in float32."""
    parameters = sum(tensor.numel() for tensor in weights.values())
    options = {"dtype": torch.float32}
    return comfy.sd.CLIP(target(), parameters=parameters, state_dict=weights, model_options=options)
