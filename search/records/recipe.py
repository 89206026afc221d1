"""The few numbers that recreate a candidate's noise exactly."""

from __future__ import annotations

from typing import Any, NamedTuple


class Move(NamedTuple):
    """One step on the sphere: the seed of its random direction, and the cosine between the noise before and after."""

    seed: int
    cosine: float


class Turn(NamedTuple):
    """Noise added up to one level, with this seed, and denoised down to another. Levels are flow time, 0..1."""

    seed: int
    up: float
    down: float


class Path(NamedTuple):
    """How a latent was denoised when not in one go: down to level `start`, the turns, then, if finished, to the end.

    start: None where it was an image before its first turn, and is one again after each. Turns down to 0 at the end of
    a finished path are made from its image.
    """

    start: float | None
    turns: tuple[Turn, ...] = ()
    finished: bool = False

    @property
    def level(self) -> float:
        """Where the turns have ended."""
        return self.turns[-1].down if self.turns else self.start or 0.0


PLAIN = "ComfyUI's own"
WORKFLOW = "the workflow's own"
ONE_PER_IMAGE = "one seed an image"
ONE_FOR_ALL = "one seed for all images"
KINDS = ("", PLAIN, WORKFLOW, ONE_PER_IMAGE, ONE_FOR_ALL)


class Recipe(NamedTuple):
    """A base seed, as typed into a KSampler, the moves made from its noise, and the path if it took one.

    kind: how the seed becomes noise, where that is not ComfyUI's draw in a stock sampler of this workflow. PLAIN: that
    draw, in a workflow whose own noise is another. WORKFLOW: the noise that the workflow itself brings for this seed.
    ONE_PER_IMAGE: image b of a batch from seed + b. ONE_FOR_ALL: all images from the seed. Else the class of a NOISE
    object that was asked for this seed. variety: how far its conditioning was disturbed (sampling/variety.py), 0 not.
    wording: the text it was drawn with (sampling/wordings.py), empty where that is the sampler's own.
    """

    seed: int
    moves: tuple[Move, ...] = ()
    path: Path | None = None
    kind: str = ""
    variety: float = 0.0
    wording: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the latent is not denoised to its end."""
        return self.path is not None and not self.path.finished and not self.is_refined

    @property
    def is_refined(self) -> bool:
        """Whether it was made from an image, of which the last part was done again."""
        return self.path is not None and bool(self.path.turns) and not self.path.turns[-1].down

    @property
    def level(self) -> float:
        """Where its latent is: 1 is noise and 0 the image."""
        return self.path.level if self.path is not None and self.is_open else 0.0

    @property
    def trajectories(self) -> float:
        """What its whole way costs, where levels are shares of the steps."""
        befores = zip(self.way()[1:], self.way())
        return 1 + sum(one.along.turns[-1].up - before.level for one, before in befores if one.is_turned)

    @property
    def is_turned(self) -> bool:
        """Whether the last part of its way began with noise that was added."""
        return self.is_refined or (self.is_open and bool(self.along.turns))

    @property
    def along(self) -> Path:
        """The path of a recipe that has one."""
        if self.path is None:
            raise ValueError(f"{self} is not on a path.")
        return self.path

    @property
    def plain_seed(self) -> int | None:
        """What a stock sampler of this workflow makes the same image from; None where no seed alone does."""
        return self.seed if self == Recipe(self.seed) else None

    def moved(self, seed: int, cosine: float) -> Recipe:
        return self._replace(moves=(*self.moves, Move(seed, cosine)))

    def turned(self, seed: int, up: float, down: float) -> Recipe:
        return self._replace(path=self.along._replace(turns=(*self.along.turns, Turn(seed, up, down))))

    def refined(self, seed: int, up: float) -> Recipe:
        """From this one's image, noised up to a level."""
        return self._replace(path=self.path or Path(None)).turned(seed, up, 0.0)

    def finished(self) -> Recipe:
        return self._replace(path=self.along._replace(finished=True))

    def way(self) -> list[Recipe]:
        """The recipe of every latent on the way, the first from noise, the last this one."""
        before = self.before()
        return [self] if before is None else [*before.way(), self]

    def before(self) -> Recipe | None:
        """The recipe of the latent this one goes on from; None when it starts from noise."""
        if self.path is None or (not self.path.turns and not self.path.finished):
            return None
        if self.path.finished and not self.is_refined:
            return self._replace(path=self.path._replace(finished=False))
        if self.path.start is None and len(self.path.turns) == 1:
            return self._replace(path=None)
        return self._replace(path=self.path._replace(turns=self.path.turns[:-1]))

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"seed": self.seed, "moves": [move._asdict() for move in self.moves]}
        if self.path is not None:
            start = {} if self.path.start is None else {"start": self.path.start}
            told["path"] = start | {"turns": [turn._asdict() for turn in self.path.turns]}
        more = {"noise": self.kind, "variety": self.variety, "wording": self.wording}
        return told | {name: value for name, value in more.items() if value}
