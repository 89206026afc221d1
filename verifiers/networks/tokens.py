"""Texts as token ids: CLIP's tokenizer comes with ComfyUI, every other one lies in the folder of the weights."""

from __future__ import annotations

import logging
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import comfy
from torch import Tensor

from .. import files
from ..files import WeightsError

BERT_ADDRESS = "https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt"
CLIP_TOKENIZER = Path(comfy.__path__[0]) / "sd1_tokenizer"
PUNCTUATION = str.maketrans("", "", string.punctuation)


class Tokens(NamedTuple):
    """ids [B, length] and mask [B, length], true where there is text; of each text the place of its last token."""

    ids: Tensor
    mask: Tensor
    last: Tensor


class Tokenizer:
    """A tokenizer of transformers at a fixed length. A text that is too long is cut, with one line in the log.

    prepare: what the model's texts went through in training.
    """

    def __init__(self, tokenizer: Any, length: int, title: str, prepare: Callable[[str], str] = str):
        self.tokenizer = tokenizer
        self.length = length
        self.title = title
        self.prepare = prepare
        self.told: set[str] = set()

    def __call__(self, texts: Sequence[str]) -> Tokens:
        for text in texts:
            self._tell_when_cut(text)
        encoded = self.tokenizer(
            [self.prepare(text) for text in texts],
            padding="max_length",
            padding_side="right",
            truncation=True,
            max_length=self.length,
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = encoded["attention_mask"].bool()
        return Tokens(encoded["input_ids"], mask, mask.sum(1) - 1)

    def _tell_when_cut(self, text: str) -> None:
        words = self.tokenizer(self.prepare(text), truncation=False, verbose=False)["input_ids"]
        if len(words) > self.length and text not in self.told:
            self.told.add(text)
            logging.warning(
                "%s reads the first %d of this prompt's %d tokens and ignores the rest: %.60s ...",
                *(self.title, self.length, len(words), text),
            )


def plain(text: str) -> str:
    """In small letters and without punctuation: SigLIP has seen no other texts."""
    return " ".join(text.translate(PUNCTUATION).lower().split())


def clip_tokenizer() -> Any:
    """That of OpenAI's and OpenCLIP's models, from ComfyUI's copy."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(CLIP_TOKENIZER), local_files_only=True)


def folder_tokenizer(folder: Path, needed_by: str) -> Any:
    """The tokenizer in a transformers folder: tokenizer.json, which unlike the other forms needs no further library."""
    from transformers import PreTrainedTokenizerFast

    file = folder / "tokenizer.json"
    padding = files.config(file, "tokenizer_config.json").get("pad_token")
    if not file.is_file() or padding is None:
        raise WeightsError(
            f"{needed_by} needs the tokenizer that the model was published with. "
            f"Put its tokenizer.json and tokenizer_config.json into {folder}, from the address of the weights."
        )
    try:
        name = padding if isinstance(padding, str) else padding["content"]
        return PreTrainedTokenizerFast(tokenizer_file=str(file), pad_token=name)
    except Exception as error:  # tokenizers raises nothing more special
        raise WeightsError(f"{file} can not be read as a tokenizer ({error}). Download it again.") from error


def bert_tokenizer(folder: Path, needed_by: str, words: int) -> Any:
    """BERT's uncased word pieces, so many, from vocab.txt in the folder."""
    from transformers import BertTokenizer

    vocabulary = folder / "vocab.txt"
    if not vocabulary.is_file():
        raise WeightsError(
            f"{needed_by} reads texts with BERT's vocabulary, and {vocabulary} is not there. "
            f"Download it from {BERT_ADDRESS}"
        )
    tokenizer = BertTokenizer.from_pretrained(str(folder), do_lower_case=True, local_files_only=True)
    if len(tokenizer) != words:
        raise WeightsError(
            f"{vocabulary} has {len(tokenizer)} words, but {needed_by} needs the {words} of BERT (uncased). "
            f"Download it again from {BERT_ADDRESS}"
        )
    return tokenizer
