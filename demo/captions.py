"""Captions such as "two small red circles left of a blue square": as data, as text, and read from text."""

from dataclasses import dataclass, field

from .words import COLORS, COUNTS, JOIN, PLURALS, RELATIONS, SHAPES, SIZES, read_words

RELATION_TEXT = {"left": "left of", "right": "right of", "above": "above", "below": "below", JOIN: JOIN}


@dataclass(frozen=True)
class Group:
    """Equal shapes counted together. None means that the caption does not say."""

    count: int = 1
    color: str | None = None
    shape: str | None = None
    size: str | None = None

    def __str__(self) -> str:
        shape = self.shape or "shape"
        noun = shape if self.count == 1 else PLURALS.get(shape, f"{shape}s")
        described = " ".join(word for word in (self.size, self.color, noun) if word)
        if self.count > 1:
            return f"{COUNTS[self.count - 1]} {described}"
        return f"{'an' if described[0] in 'aeiou' else 'a'} {described}"


@dataclass(frozen=True)
class Caption:
    """Groups in a chain: `relations[i]` holds between `groups[i]` and `groups[i + 1]` ("and" asks for nothing)."""

    groups: tuple[Group, ...]
    relations: tuple[str, ...] = ()
    unknown: tuple[str, ...] = field(default=(), compare=False)

    @property
    def total(self) -> int:
        """How many shapes the picture has."""
        return sum(group.count for group in self.groups)

    def __str__(self) -> str:
        joined = [f"{RELATION_TEXT[relation]} {group}" for relation, group in zip(self.relations, self.groups[1:])]
        return " ".join([str(self.groups[0]), *joined]) if self.groups else ""


def parse(text: str) -> Caption:
    """Read a caption. Words outside the vocabulary are left out and listed in `Caption.unknown`."""
    known, unknown = read_words(text)
    groups: list[Group] = []
    relations: list[str] = []
    described: dict[str, str | int] = {}

    def close_group() -> None:
        if described:
            if len(groups) > len(relations):
                relations.append(JOIN)
            groups.append(Group(**described))
            described.clear()

    for word in known:
        if word in RELATIONS or word == JOIN:
            close_group()
            if len(groups) > len(relations):
                relations.append(word)
            continue
        attribute = _attribute(word)
        if attribute in described or "shape" in described:
            close_group()
        described[attribute] = COUNTS.index(word) + 1 if attribute == "count" else word
    close_group()
    return Caption(tuple(groups), tuple(relations[: max(len(groups) - 1, 0)]), unknown)


def _attribute(word: str) -> str:
    """Which attribute of a group a word of the vocabulary tells."""
    attributes = {"count": COUNTS, "size": SIZES, "color": COLORS, "shape": SHAPES}
    return next(name for name, words in attributes.items() if word in words)
