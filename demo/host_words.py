"""The model of signs as a ComfyUI MODEL and CLIP, made of the host's own classes."""

import logging

import comfy.ops
import torch
from comfy.sd1_clip import escape_important, token_weights, unescape_important
from torch import Tensor

from .lettering import ALPHABET, layout, read_sign
from .sign_unet import LetterEncoder, SignUNet, numbers

log = logging.getLogger(__name__)
KEY = "words"
"""Names this tokenizer's tokens among those of other text encoders."""
NEXT_WORD = len(ALPHABET)
"""The token between two words; a letter's is its number in the alphabet."""

Tokens = dict[str, list[list[tuple[int, float]]]]


class HostSignUNet(SignUNet):
    """The UNet behind the signature that the host calls."""

    def forward(self, x: Tensor, timesteps: Tensor, context: Tensor, **_) -> Tensor:
        return super().forward(x, timesteps, context)


class LetterTokenizer:
    """The tokenizer interface of comfy.sd.CLIP. Letters have no weights: (OPEN:1.2) is OPEN."""

    def __init__(self, embedding_directory=None, tokenizer_data=None) -> None:
        pass

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_) -> Tokens:
        parts = token_weights(escape_important(text), 1.0)
        if any(weight != 1.0 for _, weight in parts):
            log.warning("The words model ignores the weights in %r", text)
        words = read_sign("".join(unescape_important(part) for part, _ in parts))
        tokens: list[tuple] = []
        for number, word in enumerate(words, 1):
            ids = [*(ALPHABET.index(letter) for letter in word), *([NEXT_WORD] if number < len(words) else [])]
            tokens += [(id_, 1.0, number) if return_word_ids else (id_, 1.0) for id_ in ids]
        return {KEY: [tokens]}

    def untokenize(self, pairs: list[tuple]) -> list[tuple]:
        return [(pair, (ALPHABET + " ")[pair[0]]) for pair in pairs]

    def state_dict(self) -> dict:
        return {}


class HostLetterEncoder(LetterEncoder):
    """The text encoder interface of comfy.sd.CLIP."""

    def __init__(self, device=None, dtype=None, model_options=None) -> None:
        super().__init__(operations=comfy.ops.manual_cast, dtype=dtype, device=device)
        self.dtypes = {dtype}
        self.execution_device = None

    def set_clip_options(self, options: dict) -> None:
        self.execution_device = options.get("execution_device", self.execution_device)

    def reset_clip_options(self) -> None:
        self.execution_device = None

    def encode_token_weights(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """-> [1, LENGTH, TOKEN], and their mean [1, TOKEN]."""
        text = "".join((ALPHABET + " ")[token[0]] for token in tokens[KEY][0])
        device = self.execution_device or self.embedding.weight.device
        letters = self(torch.tensor([numbers(layout(tuple(text.split())))], device=device)).float()
        return letters, letters.mean(dim=1)

    def load_sd(self, state_dict: dict[str, Tensor]):
        return self.load_state_dict(state_dict, strict=False)


class LetterTarget:
    """What comfy.sd.CLIP builds itself from."""

    clip = HostLetterEncoder
    tokenizer = LetterTokenizer
    params: dict = {}
