"""Texts as token ids: CLIP's tokenizer comes with ComfyUI, every other one from the folder of the weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import comfy
from torch import Tensor

from .files import WeightsError

CLIP_TOKENIZER = Path(comfy.__path__[0]) / "sd1_tokenizer"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "spiece.model", "vocab.txt", "tokenizer.model")


class Tokens(NamedTuple):
    """ids [B, length] and mask [B, length], true where there is text; of each text the place of its last token."""

    ids: Tensor
    mask: Tensor
    last: Tensor


class Tokenizer:
    """A tokenizer of transformers at a fixed length. A text that is too long is cut, with one line in the log."""

    def __init__(self, tokenizer: Any, length: int, title: str):
        self.tokenizer = tokenizer
        self.length = length
        self.title = title
        self.told: set[str] = set()

    def __call__(self, texts: Sequence[str]) -> Tokens:
        for text in texts:
            self._tell_when_cut(text)
        encoded = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = encoded["attention_mask"].bool()
        return Tokens(encoded["input_ids"], mask, mask.sum(1) - 1)

    def _tell_when_cut(self, text: str) -> None:
        words = self.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        if len(words) > self.length and text not in self.told:
            self.told.add(text)
            logging.warning(
                "%s reads the first %d of this prompt's %d tokens and ignores the rest: %.60s ...",
                *(self.title, self.length, len(words), text),
            )


def clip_tokenizer(folder: Path | None = None) -> Any:
    """CLIP's own, from a transformers folder that brings one, else ComfyUI's copy."""
    from transformers import CLIPTokenizer

    own = folder is not None and ((folder / "tokenizer.json").is_file() or (folder / "vocab.json").is_file())
    return CLIPTokenizer.from_pretrained(str(folder if own else CLIP_TOKENIZER), local_files_only=True)


def folder_tokenizer(folder: Path, needed_by: str) -> Any:
    """The tokenizer that lies in a transformers folder."""
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise WeightsError(
            f"{needed_by} needs the tokenizer it was published with, and {folder} has none. "
            "Put tokenizer.json and tokenizer_config.json of the model there, from the same address."
        )
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)


def bert_tokenizer(folder: Path, needed_by: str) -> Any:
    """BERT's uncased word pieces, from vocab.txt in the folder."""
    from transformers import BertTokenizer

    vocabulary = folder / "vocab.txt"
    if not vocabulary.is_file():
        raise WeightsError(
            f"{needed_by} reads texts with BERT's vocabulary, and {vocabulary} is not there. "
            "Download it from https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt"
        )
    return BertTokenizer.from_pretrained(str(folder), do_lower_case=True, local_files_only=True)
