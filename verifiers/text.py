"""Whether a picture says what was asked for: how likely each wanted word is to stand in one of its places.

A detector (CRAFT) finds writing, and a reader gives for each place the probabilities of characters along it. A wanted
word's score there is the log-likelihood of the word by CTC (Graves et al., "Connectionist Temporal Classification",
2006), not the distance to what was read: a letter that is nearly right counts nearly in full.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from . import files, writing
from .base import Details
from .files import Known
from .networks import craft, line_reader
from .networks.managed import Managed
from .writing import Place

DETECTORS = (
    Known("craft_mlt_25k.pth", "https://github.com/JaidedAI/EasyOCR/releases/download/pre-v1.1.6/craft_mlt_25k.zip"),
)
READERS = (Known("english_g2.pth", "https://github.com/JaidedAI/EasyOCR/releases/download/v1.3/english_g2.zip"),)
DIGITS_AND_SIGNS = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ALPHABETS = {"english_g2": DIGITS_AND_SIGNS + LETTERS}  # in the order of the reader's classes
ALIKE = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " "})
QUOTED = re.compile(r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」')
FLOOR = -8.0  # log p per character of a word that is nowhere, or so badly spelt
LOWEST = -40.0  # log p per character: whatever is likelier is taken for a wanted word, however badly spelt
RIGHT = -3.0  # log p from which a word counts as spelt right: that of a wrong letter is about -8
BESIDE = 1e-3  # of log p below FLOOR: it counts for nothing, but tells what stands where a wanted word should
EXTRA = 2.0  # what a word costs that is there beside the wanted ones, in log p
MOST_EXTRA = 0.5  # all of them, per wanted character
SURE = -0.7  # log p per character of writing that counts as a word
GAP = 0.5  # heights between two places that may be one word
LONGEST, SHORTEST = 1024, 320  # sides of what the detector sees: larger pictures are made smaller, small ones larger
MOST_LARGER = 2.0
LINES = 64  # read at a time
BYTES_PER_PIXEL = 1000  # of the detector beside its weights; up to 800 were measured
GREY = (0.299, 0.587, 0.114)


class Word(NamedTuple):
    """A piece of writing without spaces. log_p: [steps, classes] of the reader. read: what it reads most likely, and
    how sure it is, as mean log p per character."""

    place: Place
    log_p: Tensor
    read: str
    sure: float


class Found(NamedTuple):
    """A wanted word. score: mean log p per character, FLOOR at least. at: where, or what stands there instead; None
    when there is nothing."""

    wanted: str
    score: float
    at: Word | None

    @property
    def holds(self) -> bool:
        return self.score * len(self.wanted) > RIGHT


class Judged(NamedTuple):
    score: float
    wanted: list[Found]
    extra: list[Word]


class Reader:
    """A line reader and the characters of its classes, in their order; class 0 is none of them."""

    def __init__(self, network: line_reader.Reader, alphabet: str, name: str):
        self.managed = Managed(network, whole=True)
        self.classes = {character: number for number, character in enumerate(alphabet, 1)}
        self.alphabet = alphabet
        self.name = name

    def words(self, grey: Tensor, found: Sequence[Place]) -> list[list[Word]]:
        """What each place says: one word, or several with spaces between them. grey: [H, W], on any device."""
        network = self.managed.ready(LINES * line_reader.HEIGHT * writing.WIDEST * 4)
        lines = [writing.line(grey, place) for place in found]
        log_p: list[Tensor] = [torch.empty(0)] * len(lines)
        ordered = sorted(range(len(lines)), key=lambda at: lines[at].shape[-1])
        for _, same in groupby(ordered, key=lambda at: lines[at].shape[-1]):
            rows = list(same)
            for part in (rows[at : at + LINES] for at in range(0, len(rows), LINES)):
                read = network(torch.stack([lines[at] for at in part]).to(self.managed.device)).cpu()
                for at, one in zip(part, read, strict=True):
                    log_p[at] = one
        return [self._words(one, place) for one, place in zip(log_p, found, strict=True)]

    def _words(self, log_p: Tensor, place: Place) -> list[Word]:
        """Cut where a space is read between letters."""
        classes = log_p.argmax(-1).tolist()
        letters = [at for at, class_ in enumerate(classes) if class_ and self.alphabet[class_ - 1] != " "]
        cuts = [0]
        for one, next_ in pairwise(letters):
            spaces = [at for at in range(one + 1, next_) if classes[at]]
            cuts += [spaces[len(spaces) // 2]] if spaces else []
        steps = len(classes)
        spans = zip(cuts, [*cuts[1:], steps])
        return [self._word(log_p[first:last], place.part(first / steps, last / steps)) for first, last in spans]

    def _word(self, log_p: Tensor, place: Place) -> Word:
        """By the likeliest path."""
        values, classes = log_p.max(-1)
        kept = [
            (class_, value)
            for at, (class_, value) in enumerate(zip(classes.tolist(), values.tolist()))
            if class_ and (at == 0 or class_ != classes[at - 1]) and self.alphabet[class_ - 1] != " "
        ]
        sure = sum(value for _, value in kept) / len(kept) if kept else -math.inf
        return Word(place, log_p, "".join(self.alphabet[class_ - 1] for class_, _ in kept), sure)

    def likelihoods(self, word: Word, wanted: Sequence[str]) -> list[float]:
        """Log p per character of each text; minus infinity for one that is too long for the place."""
        if not len(word.log_p):
            return [-math.inf] * len(wanted)
        ids = [[self.classes[character] for character in text] for text in wanted]
        log_p = word.log_p[:, None].expand(-1, len(wanted), -1)
        lengths = torch.tensor([len(one) for one in ids])
        steps = torch.full_like(lengths, len(word.log_p))
        losses = F.ctc_loss(log_p, torch.tensor([*chain.from_iterable(ids)]), steps, lengths, reduction="none")
        return (-losses / lengths).tolist()


class TextVerifier:
    """text: what the picture should say; empty: what the prompt has in quotes."""

    name = "text"
    pace = "coarse"

    def __init__(self, detector: craft.Detector, reader: Reader, text: str = ""):
        self.detector = Managed(detector)
        self.reader = reader
        self.text = text
        self.needs_prompt = not text.strip()
        if not self.needs_prompt:
            self.wanted(text)

    def wanted(self, text: str) -> list[str]:
        """The words of a text. Raises ValueError for none, and for characters that the reader does not know."""
        words = text.translate(ALIKE).split()
        if not words:
            raise ValueError("there is no text to look for.")
        unknown = "".join(dict.fromkeys(c for word in words for c in word if c not in self.reader.classes))
        if unknown:
            raise ValueError(
                f"{self.reader.name} does not read {unknown!r} in {text!r}. Take a reader of that script: EasyOCR's "
                "files of the second generation, such as latin_g2 or cyrillic_g2, with their characters beside them."
            )
        return words

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        """images: [B, H, W, 3] in 0..1; prompts: B texts -> [B], log p per character of the wanted words, at most 0."""
        return torch.tensor([one.score for one in self.judged(images, prompts)])

    def score_with_details(self, images: Tensor, prompts: list[str]) -> tuple[Tensor, list[Details]]:
        """As base.Detailed; of each wanted word also what is `read` there and its `box`: x and y of four corners, in
        shares of the picture."""
        judged, size = self.judged(images, prompts), (images.shape[2], images.shape[1])
        return torch.tensor([one.score for one in judged]), [_details(one, size) for one in judged]

    @torch.inference_mode()
    def judged(self, images: Tensor, prompts: list[str]) -> list[Judged]:
        """Each picture by itself: what is around it changes nothing."""
        return [
            self._judged(image, self.wanted(quoted(prompt) if self.needs_prompt else self.text))
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def check_prompt(self, prompt: str) -> None:
        """Raises ValueError when there is nothing in quotes, or what the reader does not know."""
        if self.needs_prompt:
            self.wanted(quoted(prompt))

    def _judged(self, image: Tensor, wanted: list[str]) -> Judged:
        grey = (image.float() * image.new_tensor(GREY)).sum(-1)
        found = self._places(image)
        words = [word for one in self.reader.words(grey, found) for word in one]
        return match(self.reader, wanted, words, self._joined(grey, words))

    def _places(self, image: Tensor) -> list[Place]:
        """image: [H, W, 3]."""
        height, width = image.shape[:2]
        longest = max(height, width)
        factor = min(max(1.0, min(SHORTEST / longest, MOST_LARGER)), LONGEST / longest)
        sides = [max(round(side * factor), 1) for side in (height, width)]
        picture = image.movedim(-1, 0)[None].float().to(self.detector.device)
        if factor != 1:
            picture = F.interpolate(picture, sides, mode="bilinear", antialias=True, align_corners=False)
        padded = F.pad(picture, (0, -sides[1] % craft.STRIDE, 0, -sides[0] % craft.STRIDE))
        network = self.detector.ready(padded[0, 0].numel() * BYTES_PER_PIXEL)
        letters, between = network(padded)[0].float().cpu().numpy()
        return [place.scaled(2 / factor) for place in writing.places(letters, between)]

    def _joined(self, grey: Tensor, words: list[Word]) -> dict[tuple[int, int], Word]:
        """Words that may be one which the detector has taken apart, by their numbers, read again as one."""
        pairs = writing.neighbours([word.place for word in words], GAP)
        found = [writing.joined(words[one].place, words[other].place) for one, other in pairs]
        read = self.reader.words(grey, found)
        return {pair: one[0] for pair, one in zip(pairs, read, strict=True) if len(one) == 1}


def _details(judged: Judged, size: tuple[int, int]) -> Details:
    """size: width and height of the picture."""
    told: Details = []
    for one in judged.wanted:
        where = {} if one.at is None else {"read": one.at.read, "box": _box(one.at.place, size)}
        told.append({"text": one.wanted, "score": round(one.score, 3), "holds": one.holds, **where})
    return told


def _box(place: Place, size: tuple[int, int]) -> list[float]:
    return [round(min(max(at / side, 0.0), 1.0), 4) for corner in place.corners for at, side in zip(corner, size)]


def quoted(prompt: str) -> str:
    """What a prompt has in quotes. Raises ValueError when there is nothing."""
    found = [next(filter(None, groups)) for groups in QUOTED.findall(prompt)]
    if not found:
        raise ValueError(
            f"the prompt has no text in quotes: {prompt[:100]!r}. Write what the picture should say in quotes, or "
            "in `text` of the Text Verifier."
        )
    return " ".join(found)


def match(reader: Reader, wanted: list[str], words: list[Word], pairs: dict[tuple[int, int], Word]) -> Judged:
    """Each wanted word with one place, so that all together are likeliest. pairs: words that may be one, by numbers."""
    found = [*words, *pairs.values()]
    columns = [*((at,) for at in range(len(words))), *pairs]
    lengths = torch.tensor([len(text) for text in wanted], dtype=torch.float64)
    table = _table(reader, wanted, found)
    gains = (table.clamp(min=FLOOR) - FLOOR) * lengths[:, None] + BESIDE * (table - LOWEST)
    chosen = _assigned(gains, columns)
    results = [
        Found(text, max(float(table[row, chosen[row]]), FLOOR), found[chosen[row]])
        if row in chosen
        else Found(text, FLOOR, None)
        for row, text in enumerate(wanted)
    ]
    used = {part for column in chosen.values() for part in columns[column]}
    extra = [word for at, word in enumerate(words) if at not in used and _is_word(word)]
    letters, missing = float(lengths.sum()), len(wanted) - len(chosen)
    charge = min(EXTRA * max(len(extra) - missing, 0) / letters, MOST_EXTRA)
    score = sum(one.score * len(one.wanted) for one in results) / letters - charge
    return Judged(max(score, FLOOR), results, extra)


def _table(reader: Reader, wanted: list[str], words: Sequence[Word]) -> Tensor:
    """[wanted, words]: log p per character, of a word as it is written or in capitals; LOWEST at least."""
    texts = list(dict.fromkeys([*wanted, *(word.upper() for word in wanted)]))
    texts = [text for text in texts if all(character in reader.classes for character in text)]
    number = {text: at for at, text in enumerate(texts)}
    if not words:
        return torch.empty(len(wanted), 0, dtype=torch.float64)
    values = torch.tensor([reader.likelihoods(word, texts) for word in words], dtype=torch.float64).clamp(min=LOWEST).T
    return torch.stack(
        [values[[number[text] for text in {word, word.upper()} if text in number]].amax(0) for word in wanted]
    )


def _assigned(table: Tensor, columns: Sequence[tuple[int, ...]]) -> dict[int, int]:
    """The column of each row that has one better than LOWEST, for the highest sum (Hungarian). No part of a column
    counts twice: a pair takes the place of its parts where the sum is higher with it."""
    active = [at for at, column in enumerate(columns) if len(column) == 1]
    best = _hungarian(table, active)
    for pair, parts in enumerate(columns):
        if len(parts) > 1 and set(parts) <= set(active):
            trial = [*(at for at in active if at not in parts), pair]
            found = _hungarian(table, trial)
            if _gain(table, found) > _gain(table, best):
                active, best = trial, found
    return best


def _hungarian(table: Tensor, columns: list[int]) -> dict[int, int]:
    from scipy.optimize import linear_sum_assignment

    if not columns:
        return {}
    rows, at = linear_sum_assignment(table[:, columns].numpy(), maximize=True)
    pairs = {int(row): columns[int(column)] for row, column in zip(rows, at)}
    return {row: column for row, column in pairs.items() if table[row, column] > 0}


def _gain(table: Tensor, chosen: dict[int, int]) -> float:
    return sum(float(table[row, column]) for row, column in chosen.items())


def _is_word(word: Word) -> bool:
    return word.sure > SURE and sum(map(str.isalnum, word.read)) > 1


def load(detector: Path, reader: Path, text: str = "") -> TextVerifier:
    """The files of EasyOCR: CRAFT's and a reader's, with its characters in `<name>.txt` where they are not known."""
    found, read = (_published(path) for path in (detector, reader))
    if "basenet.slice1.0.weight" not in found:
        raise files.wrong(detector, "CRAFT as EasyOCR publishes it", found)
    if "Prediction.weight" not in read or "FeatureExtraction.ConvNet.18.weight" not in read:
        raise files.wrong(reader, "a reader of EasyOCR's second generation", read)
    with files.whole(detector):
        network = craft.Detector(found)
    with files.whole(reader):
        lines = line_reader.Reader(read)
    return TextVerifier(network, Reader(lines, _alphabet(reader, lines.classes - 1), reader.name), text)


def _published(path: Path) -> files.Weights:
    return {key.removeprefix("module."): value for key, value in files.read(path).items()}


def _alphabet(reader: Path, characters: int) -> str:
    """The reader's characters in the order of its classes."""
    beside = reader.with_suffix(".txt")
    known = ALPHABETS.get(reader.stem, "")
    alphabet = beside.read_text(encoding="utf-8").strip("\r\n") if beside.is_file() else known
    if len(alphabet) == characters:
        return alphabet
    if not alphabet:
        raise files.WeightsError(
            f"{reader} reads {characters} characters, and which they are is in no file of weights. Write them into "
            f"{beside}, in one line and in EasyOCR's order (`characters` of this model in its easyocr/config.py)."
        )
    raise files.WeightsError(
        f"{reader} reads {characters} characters, but {beside if beside.is_file() else reader.stem} has "
        f"{len(alphabet)}: it is another model's."
    )
