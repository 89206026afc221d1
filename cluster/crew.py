"""A crew of Ray actors, each a ComfyUI of its own on one GPU."""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
import uuid
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import folder_paths
import torch
from torch import Tensor

from ..search.crew.seam import Crew, CrewError, Job, Nobody, Note, Piece, Scored
from ..search.crew.wire import lines_read, piece_to_wire
from ..search.records.hand import Hand
from ..search.records.standing import Result
from . import worker
from .handout import Handout, Share
from .machines import BACK_WITHIN, Comfy, Member, cause, control, differences, members_here, members_of

ALL_HERE, CLUSTER = "all GPUs here", "a Ray cluster"
POLL = 0.05  # seconds
ASK_EVERY = 0.5  # seconds, what those who run have spent
ASK_APART = 0.01  # seconds, for each of them: very many are asked less often
SILENT_AFTER = 60.0  # seconds without a word of a worker that has something to do
END_WITHIN = 1.0  # seconds, for what is interrupted to say what it has cost
FETCH_WITHIN = 30.0
NO_RAY = (
    "All candidates ran on this GPU: Settings -> Noise Search spreads searches over several, which needs Ray. Install "
    'it into the Python that runs ComfyUI with: python -m pip install "ray>=2.59"'
)


class _Flight(NamedTuple):
    member: Member
    share: Share[Piece]
    piece: Piece
    token: str


def open_crew(settings: Mapping[str, Any]) -> Crew:
    """For the settings of a prompt. Everything that goes wrong is a sentence on the board, and the search runs here."""
    try:
        import ray
    except ImportError:
        return Nobody(NO_RAY)
    key = (settings.get("spread"), settings.get("address") or "")
    with _LOCK:
        if key not in _OPEN or not ray.is_initialized():
            try:
                comfy = Comfy(str(Path(folder_paths.__file__).parent), sys.argv[1:])
                here = key[0] == ALL_HERE
                _OPEN[key] = RayCrew(members_here(comfy) if here else members_of(str(key[1]) or "auto", comfy))
            except Exception as error:  # Ray has many kinds; all mean that there is nobody
                return Nobody(f"All candidates ran on this GPU, because Ray did not start: {error}")
        crew = _OPEN[key]
    if not crew.members:
        what = "this machine has no other GPU" if key[0] == ALL_HERE else "the Ray cluster has no GPU"
        return Nobody(f"All candidates ran on this GPU, because {what}.")
    return crew


_OPEN: dict[tuple[Any, str], RayCrew] = {}
_LOCK = threading.Lock()


class RayCrew:
    """members: the workers, which start when they are asked for first."""

    def __init__(self, members: list[Member]):
        self.members = members

    def start(self, job: Job, units: Sequence[Piece], most: int) -> RayHanded:
        return RayHanded(self.members, job, units, most)


@dataclass
class _State:
    """Of the workers of one search, by what they do."""

    asked: dict[Any, Member] = field(default_factory=dict)  # what they have of the prompt
    idle: deque[Member] = field(default_factory=deque)
    flying: dict[Any, _Flight] = field(default_factory=dict)
    spent: dict[str, list[int]] = field(default_factory=dict)  # of what flies, by its token
    asking: dict[Any, str] = field(default_factory=dict)  # what it has spent
    asked_at: float = 0.0
    steps: dict[str, int] = field(default_factory=dict)  # of what flies, by its token
    out: set[str] = field(default_factory=set)  # who takes no part
    silent: dict[str, float] = field(default_factory=dict)  # since when it has not answered that


class RayHanded:
    """A thread gives each worker that is free the next piece; what a worker that died had goes back to the front."""

    def __init__(self, members: Sequence[Member], job: Job, units: Sequence[Piece], most: int):
        import ray

        self.ray = ray
        self.job = job
        self.here = worker.told(dict(job.nodes))
        self.members = members
        self.key = json.dumps(self.here, sort_keys=True)
        self.work = Handout(units, len(units), most, lambda unit: unit.race is not None)
        self.hands = len(members) + 1
        self.heard: queue.SimpleQueue[Scored | Note | CrewError] = queue.SimpleQueue()
        self.state = _State()
        self.nodes = ray.put(dict(job.nodes))
        self.closing = threading.Event()
        for member in members:
            if self.key in member.has:
                self.state.idle.append(member)
            else:
                self._ask(member)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def take(self) -> Piece | None:
        share = self.work.take(self.hands)
        if share is None:
            return None
        self.work.done(share)
        return _piece(share)

    def wait(self, seconds: float) -> list[Scored | Note]:
        found: list[Scored | Note] = []
        while True:
            try:
                one = self.heard.get(timeout=seconds) if seconds and not found else self.heard.get_nowait()
            except queue.Empty:
                return found
            if isinstance(one, CrewError):
                raise one
            found.append(one)

    def is_over(self) -> bool:
        return (self.work.is_over or not self.thread.is_alive()) and self.heard.empty()

    def close(self) -> list[Scored | Note]:
        self.work.close()
        self.closing.set()
        self.thread.join()
        flying = list(self.state.flying.values())
        asked = [control(one.member.actor.interrupt, one.token) for one in flying]
        ready, _ = self.ray.wait(asked, num_returns=len(asked), timeout=END_WITHIN) if asked else ([], [])
        for ref in ready:
            token = flying[asked.index(ref)].token
            self.state.spent[token] = _got(self.ray, ref) or self.state.spent.get(token, [])
        lost = [Note("", tuple(self.state.spent.get(one.token, []))) for one in flying]
        return [*self.wait(0), *lost]

    def who(self) -> list[Hand]:
        state = self.state
        flying = {one.member.name: one for one in list(state.flying.values())}
        asked = {member.name for member in list(state.asked.values())}
        return [self._hand(member, flying.get(member.name), member.name in asked) for member in self.members]

    def _hand(self, member: Member, flight: _Flight | None, is_asked: bool) -> Hand:
        if flight is not None:
            piece = flight.piece
            return Hand(member.name, "runs", piece.numbers, self.state.steps.get(flight.token, 0), piece.work)
        if is_asked:
            return Hand(member.name, "starts" if member.lost_at is None else "lost")
        return Hand(member.name, "out" if member.name in self.state.out else "waits")

    def _run(self) -> None:
        try:
            while not self.closing.is_set() and (self.work.has_more or self.state.flying or not self.work.is_over):
                self._hand_out()
                self._listen()
        except Exception as error:  # of a thread: whoever waits has to know
            logging.exception("Noise search: the hand-out has failed.")
            self.heard.put(CrewError(f"the hand-out to other GPUs has failed ({error})."))

    def _hand_out(self) -> None:
        state = self.state
        while state.idle and (share := self.work.take(self.hands)) is not None:
            member, piece, token = state.idle.popleft(), _piece(share), uuid.uuid4().hex
            job = self.job
            ref = member.actor.score.remote(self.nodes, job.sampler, job.search, job.item, piece_to_wire(piece), token)
            state.flying[ref] = _Flight(member, share, piece, token)

    def _listen(self) -> None:
        state = self.state
        refs = [*state.flying, *state.asked, *state.asking]
        ready, _ = self.ray.wait(refs, num_returns=1, timeout=POLL) if refs else ([], [])
        if ready:
            ready, _ = self.ray.wait(refs, num_returns=len(refs), timeout=0)
        if not refs:
            time.sleep(POLL)
        for ref in ready:
            if ref in state.flying:
                self._ended(ref, state.flying.pop(ref))
            elif ref in state.asked:
                self._answered(ref, state.asked.pop(ref))
            else:
                self._told(state.asking.pop(ref), _got(self.ray, ref))
        if time.monotonic() - state.asked_at > max(ASK_EVERY, ASK_APART * len(state.flying)):
            self._ask_what_is_spent()

    def _told(self, token: str, told: tuple[int, list[int]] | None) -> None:
        """A worker has answered how far it is: steps, and what it has spent. None: it could not."""
        if told is not None and token in self.state.silent:
            self.state.steps[token], spent = told
            self.state.spent[token] = spent or self.state.spent.get(token, [])
            del self.state.silent[token]

    def _ask_what_is_spent(self) -> None:
        state, now = self.state, time.monotonic()
        state.asked_at = now
        waiting = set(state.asking.values())
        for ref, flight in list(state.flying.items()):
            if now - state.silent.setdefault(flight.token, now) > SILENT_AFTER:
                del state.flying[ref]
                control(flight.member.actor.interrupt, flight.token)
                self._lost(flight, f"has said nothing for {SILENT_AFTER:.0f} seconds")
            elif flight.token not in waiting:
                state.asking[control(flight.member.actor.progress)] = flight.token

    def _ask(self, member: Member) -> None:
        self.state.asked[member.actor.about.remote(self.nodes)] = member

    def _answered(self, ref: Any, member: Member) -> None:
        """A worker has told what it has for this prompt."""
        errors = self.ray.exceptions
        try:
            there = self.ray.get(ref)
        except errors.RayTaskError as error:
            self._leave_out(member, f"takes no part: {cause(error)}")
            return
        except errors.RayError as error:
            member.lost_at = member.lost_at or time.monotonic()
            if time.monotonic() - member.lost_at > BACK_WITHIN:
                self._leave_out(member, f"takes no part: it does not start ({type(error).__name__}).")
                return
            time.sleep(POLL)
            self._ask(member)
            return
        member.lost_at, member.pid = None, there["pid"]
        lacking = differences(self.here, there)
        if lacking:
            self._leave_out(member, f"({there['where']}) takes no part: {'; '.join(lacking)}.")
            return
        member.has.add(self.key)
        self.state.idle.append(member)

    def _leave_out(self, member: Member, why: str, spent: tuple[int, ...] = ()) -> None:
        self.state.out.add(member.name)
        self.heard.put(Note(f"{member.name} {why}", spent))

    def _ended(self, ref: Any, flight: _Flight) -> None:
        errors, member = self.ray.exceptions, flight.member
        try:
            got = self.ray.get(ref)
            if got is None:
                self.work.back(flight.share)
                self._begun_anew(flight)
                return
            candidates = lines_read([[zlib.decompress(line) for line in images] for images in got["lines"]])
        except (errors.RayTaskError, CrewError, zlib.error) as error:
            self.work.back(flight.share)  # if it is not the worker's fault, it fails here as well, as it would alone
            self._leave_out(member, f"takes no part any more: {cause(error)}", self._spent(flight))
            return
        except errors.RayError:
            self._lost(flight, "was lost")
            return
        self._spent(flight)
        self.state.idle.append(member)
        fetch, fetch_end = _Fetch(self.ray, got["results"]), _Fetch(self.ray, got["ends"])
        scored = Scored(flight.piece, candidates, fetch.result, fetch_end.end, got["beside"], member.name)
        self.heard.put(scored)
        self.work.done(flight.share)  # after it: then nobody can miss the last

    def _spent(self, flight: _Flight) -> tuple[int, ...]:
        """What was told of it, which does not fly any more."""
        self.state.silent.pop(flight.token, None)
        self.state.steps.pop(flight.token, None)
        return tuple(self.state.spent.pop(flight.token, []))

    def _lost(self, flight: _Flight, why: str) -> None:
        hopeless = self.work.lost(flight.share)
        self.heard.put(Note(f"{flight.member.name} {why}; what it had ran again.", self._spent(flight)))
        if hopeless:
            named = ", ".join(str(number) for unit in hopeless for number in unit.numbers)
            self.heard.put(CrewError(f"candidate {named} has ended every worker that had it, so the search stops."))
        flight.member.lost_at = time.monotonic()
        self._begun_anew(flight)

    def _begun_anew(self, flight: _Flight) -> None:
        """A worker that has to be asked what it has, as at the start."""
        self._spent(flight)
        flight.member.has.clear()
        self._ask(flight.member)


class _Fetch:
    """Gets what a worker holds, as long as it lives."""

    def __init__(self, ray: Any, refs: Mapping[tuple[int, int], Any]):
        self.ray = ray
        self.refs = refs

    def result(self, image: int, at: int) -> Result | None:
        parts = self._get(image, at)
        return None if parts is None else Result(*(torch.from_numpy(part.copy()) for part in parts))

    def end(self, image: int, at: int) -> Tensor | None:
        array = self._get(image, at)
        return None if array is None else torch.from_numpy(array.copy())

    def _get(self, image: int, at: int) -> Any:
        ref = self.refs.get((image, at))
        return None if ref is None else _got(self.ray, ref, FETCH_WITHIN)


def _got(ray: Any, ref: Any, seconds: float = 0.0) -> Any:
    """None where it is lost, or does not come in time."""
    try:
        return ray.get(ref, timeout=seconds)
    except ray.exceptions.RayError:
        return None


def _piece(share: Share[Piece]) -> Piece:
    first, *others = share.units
    return first.joined(others)
