"""The text that candidates are judged by, where it is the one that the sampler draws: read from the running prompt."""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from comfy.sd1_clip import escape_important, token_weights, unescape_important
from comfy_execution.graph import DynamicPrompt
from comfy_execution.progress import get_progress_state
from comfy_execution.utils import ExecutionContext, get_executing_context

from .positive import Positive, read_positive

WRITE = "Write the text that it should judge by into the search node's prompt, or connect what makes it."
LEAVE_EMPTY = "Leave the prompt empty to judge by that, or write it without choices."
COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
EMBEDDING = re.compile(r"(?:^|(?<=\s))embedding:[^\s,<\[]*(?:\s*,)?\s*")
WEIGHT = re.compile(r"\([^()]*:\s*[\d.]+\s*\)|\bembedding:\S")


class Judged(NamedTuple):
    """text: what the verifier is told. is_drawn: whether it was read from the sampler's positive side."""

    text: str
    is_drawn: bool


def judged_by(written: str, title: str, judge: str) -> Judged:
    """The text that the candidates of the sampler node which is executing are judged by.

    written: on the search node; where that is blank, or has choices such as {a|b}, it is the sampler's own positive
    text, as it is drawn. title, judge: names of the search node and of the verifier.

    Raises ValueError, with what was found and what to do, when that is not one text.
    """
    if written.strip() and not has_choices(written):
        if WEIGHT.search(written):
            logging.warning(
                "%s: the prompt has weights or embeddings, which %s reads as they stand. Leave it empty to judge by "
                "what the sampler draws, without them.",
                *(title, judge),
            )
        return Judged(written, False)
    context = get_executing_context()
    if context is None:  # no ComfyUI is running this, and nobody draws a text
        return Judged(written, False)
    found = _positive(context)
    drawn = {as_drawn(text): where for text, where in found.texts.items()}
    if len(drawn) != 1 or found.unread or not all(drawn):
        raise ValueError(f"{title}: {_why(written, judge)} {_told(found)} {WRITE}")
    ((text, where),) = drawn.items()
    if written.strip() and not is_draw(text, as_drawn(written)):
        raise ValueError(f"{title}: {_why(written, judge)} But the sampler draws {text!r} ({where}). {LEAVE_EMPTY}")
    logging.info("%s: judged by: %s (what the sampler draws, from %s)", title, text, where)
    return Judged(text, True)


def as_drawn(text: str) -> str:
    """The text without what text encoders read in another way: the weights of (words:1.3), the backslashes of \\( and
    \\), and embeddings, whose names are no words."""
    parts = token_weights(escape_important(text), 1.0)
    words = unescape_important("".join(part for part, _ in parts))
    without = EMBEDDING.sub("", words)
    return words.strip() if without == words else without.strip(" \t\n,")


def has_choices(text: str) -> bool:
    """Whether the front end would pick one of several words: {a|b}."""
    open_braces: list[bool] = []  # of each, whether it has a choice
    for sign in re.findall(r"\\.|[{}|]", text):
        if sign == "{":
            open_braces.append(False)
        elif sign == "|" and open_braces:
            open_braces[-1] = True
        elif sign == "}" and open_braces and open_braces.pop():
            return True
    return False


def is_draw(text: str, template: str) -> bool:
    """Whether the front end may have made this text of the template, with one of the words for each {a|b}; or has left
    it as it is, as other clients do. Both as they are drawn."""
    if text == template:
        return True
    depth, pattern = 0, ""
    for part in re.split(r"(\\.|[{}|])", COMMENT.sub("", template)):
        if part == "{":
            depth, pattern = depth + 1, pattern + "(?:"
        elif part == "}" and depth:
            depth, pattern = depth - 1, pattern + ")"
        elif part == "|" and depth:
            pattern += "|"
        else:
            pattern += re.escape(re.sub(r"\\([{}|])", r"\1", part))
    return re.fullmatch(pattern + ")" * depth, text) is not None


def _positive(context: ExecutionContext) -> Positive:
    """Of the node that is executing; nothing where its prompt is not the one that is running."""
    running = get_progress_state()
    if running.prompt_id != context.prompt_id:
        return Positive({}, [])
    prompt: DynamicPrompt = running.dynprompt
    return read_positive(prompt, context.node_id)


def _why(written: str, judge: str) -> str:
    if written.strip():
        return f"the prompt has choices in braces, of which one is drawn, and {judge} would read all of them."
    return (
        f"{judge} judges how well an image fits a text, but the prompt is empty, so that text is the one that the "
        "sampler draws."
    )


def _told(found: Positive) -> str:
    """What there is instead of one text."""
    if found.unread:
        return f"That can not be read from {', '.join(found.unread)}, which makes it while the workflow runs."
    if len(found.texts) > 1:
        texts = ", ".join(f"{as_drawn(text)!r} ({where})" for text, where in found.texts.items())
        return f"There are several on the sampler's positive side: {texts}."
    if found.texts:
        return f"There is none but {', '.join(map(repr, found.texts))} on the sampler's positive side."
    return "There is none on the sampler's positive side."
