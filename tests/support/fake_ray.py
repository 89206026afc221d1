"""The calls of Ray that cluster/crew.py makes, in this process; and workers that do what a test says, at once."""

from __future__ import annotations

import importlib
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

HERE = {"ComfyUI": "1", "torch": "2", "Noise Search": "3", "nodes": ["KSampler"], "files": {"checkpoints/a": 10}}
NFE = 8  # of a candidate
STEPS_DONE = 2  # of what runs, as workers say
HOLDS = object()  # what a worker has begun and does not end


class RayError(Exception):
    pass


class RayActorError(RayError):
    """The process that had it is gone."""


class RayTaskError(RayError):
    """What was called has failed, because of `cause`."""

    def __init__(self, cause: Exception):
        super().__init__(str(cause))
        self.cause = cause


class GetTimeoutError(RayError):
    pass


class Ref:
    """What a call will have given; HOLDS until it ends."""

    ended = threading.Condition()

    def __init__(self, value: Any = HOLDS):
        self.value = value

    def end(self, value: Any) -> None:
        """value: an exception is raised by `get`."""
        with self.ended:
            self.value = value
            self.ended.notify_all()


class FakeRay:
    """To stand for the module."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError, RayActorError=RayActorError)

    def put(self, value: Any) -> Ref:
        return Ref(value)

    def get(self, ref: Ref, timeout: float | None = None) -> Any:
        if ref not in self.wait([ref], timeout=timeout)[0]:
            raise GetTimeoutError
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    def wait(self, refs: Sequence[Ref], num_returns: int = 1, timeout: float | None = None) -> tuple[list, list]:
        def ready() -> list[Ref]:
            return [ref for ref in refs if ref.value is not HOLDS]

        with Ref.ended:
            Ref.ended.wait_for(lambda: len(ready()) >= num_returns, timeout)
            found = ready()[:num_returns]
        return found, [ref for ref in refs if ref not in found]


@dataclass
class FakeWorker:
    """does: given the numbers of the candidates of a piece, what comes of it: None for their scores, HOLDS for nothing
    yet, or an exception; RayActorError ends the worker.

    there: what it has. starts: whether it comes back when it was lost. answers: whether it says what it has spent.
    is_new: whether its process was not asked yet what it has. spent: predictions of what runs. joining: what it has,
    where it says that only when it joins.
    """

    name: str
    does: Callable[[Sequence[int]], Any] = lambda _: None
    there: dict[str, Any] = field(default_factory=lambda: HERE)
    starts: bool = True
    answers: bool = True
    is_new: bool = True
    joining: Ref | None = None
    spent: tuple[int, ...] = (3,)
    asked: int = 0  # how often, what it has
    given: list[tuple[int, ...]] = field(default_factory=list)
    running: dict[str, Ref] = field(default_factory=dict)  # by token
    interrupted: list[str] = field(default_factory=list)

    def about(self, nodes: Any) -> Any:
        self.asked += 1
        if not self.starts:
            return RayActorError("gone")
        self.is_new = False
        return {**self.there, "where": "there", "pid": 1} if self.joining is None else self.joining

    def join(self) -> None:
        if self.joining is not None:
            self.joining.end({**self.there, "where": "there", "pid": 1})

    def score(self, nodes: Any, sampler: str, search: str, item: int, piece: Any, token: str) -> Any:
        if self.is_new:
            return None
        numbers = tuple(piece["numbers"])
        self.given.append(numbers)
        came = self.does(numbers)
        if isinstance(came, RayActorError):
            self.is_new = True
        return scored(numbers, len(piece["candidates"][0])) if came is None else came

    def told(self) -> Any:
        return list(self.spent) if self.answers else HOLDS

    def interrupt(self, token: str) -> Any:
        self.interrupted.append(token)
        return self.told()

    def end(self, came: Any) -> None:
        """What it holds. came: an exception."""
        for ref in self.running.values():
            ref.end(came)
        self.running.clear()


def scored(numbers: Sequence[int], images: int = 1) -> dict[str, Any]:
    """What a worker sends of candidates whose scores are their numbers."""
    line = importlib.import_module("noise_search.search.history.ledger").line
    candidate = importlib.import_module("noise_search.search.records.candidate").Candidate
    one = [candidate({"a": float(number)}, None, NFE, b"") for number in numbers]
    lines = [[zlib.compress(line("", each))] * images for each in one]
    return {"lines": lines, "results": {}, "ends": {}, "beside": [0] * images}


class _Actor:
    """Its methods, as one calls them through Ray."""

    def __init__(self, worker: FakeWorker):
        self.worker = worker
        self.about = _Method(worker.about)
        self.score = _Method(self._score)
        self.progress = _Method(lambda: Ref((STEPS_DONE, worker.told()) if worker.answers else HOLDS))
        self.interrupt = _Method(worker.interrupt)

    def _score(self, *given: Any) -> Ref:
        ref = Ref()
        self.worker.running[given[-1]] = ref
        came = self.worker.score(*given)
        if came is not HOLDS:
            del self.worker.running[given[-1]]
        ref.end(came)
        return ref


class _Method:
    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def options(self, **_: Any) -> _Method:
        return self

    def remote(self, *given: Any) -> Ref:
        came = self.function(*given)
        return came if isinstance(came, Ref) else Ref(came)


def members(workers: Sequence[FakeWorker]) -> list[Any]:
    member = importlib.import_module("noise_search.cluster.machines").Member
    return [member(_Actor(worker), worker.name) for worker in workers]
