"""Text as token ids: one token a word of the vocabulary, padded to a fixed length."""

from .words import PAD, VOCABULARY, read_words

LENGTH = 20
"""Tokens a text is padded or cut to. The longest caption of the world has 14."""

TOKEN_IDS = {word: index for index, word in enumerate(VOCABULARY)}
PAD_ID = TOKEN_IDS[PAD]
EMPTY = [PAD_ID] * LENGTH


def pad(ids: list[int]) -> list[int]:
    """Exactly LENGTH ids."""
    return (ids + EMPTY)[:LENGTH]


def token_ids(text: str) -> list[int]:
    """The ids of the known words of `text`, padded."""
    return pad([TOKEN_IDS[word] for word in read_words(text).known])
