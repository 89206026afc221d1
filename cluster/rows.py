"""Many prompts, each to whoever is free: the same hand-out as a search's, a prompt at a time."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .handout import Handout, Share
from .machines import BACK_WITHIN, Member, cause, control, differences

POLL = 0.5  # seconds
START_WITHIN = 600.0  # seconds, for all workers
OTHERS_WITHIN = 60.0  # seconds, for the others when one has started
LOSSES = 2  # workers that one row may end
END_WITHIN = 2.0  # seconds, for what is interrupted


class Row(NamedTuple):
    """A row of a table: its number and its prompt in API format; or why it has none."""

    number: int
    nodes: Mapping[str, Any]
    error: str = ""


class Outcome(NamedTuple):
    """What came of a row. told: as worker.Worker.run returns it, empty when there is an error."""

    number: int
    worker: str
    told: Mapping[str, Any]
    error: str = ""


class Found(NamedTuple):
    """A worker, with what it has for a prompt; or why that is not known."""

    member: Member
    told: Mapping[str, Any]
    error: str = ""


class NobodyLeft(RuntimeError):
    """There are rows, and no worker."""


def gathered(members: Sequence[Member], nodes: Mapping[str, Any]) -> list[Found]:
    """What the workers have for a prompt, in their order. Those that have not started when others have are waited for,
    and after a while left out."""
    import ray

    handed = ray.put(dict(nodes))
    asked = {member.actor.check.remote(handed): member for member in members}
    found: dict[str, Found] = {}
    until = time.monotonic() + START_WITHIN
    while asked and time.monotonic() < until:
        ready, _ = ray.wait(list(asked), num_returns=1, timeout=POLL)
        for ref in ready:
            member = asked.pop(ref)
            try:
                found[member.name] = Found(member, ray.get(ref))
            except ray.exceptions.RayError as error:
                found[member.name] = Found(member, {}, f"it did not start: {cause(error)}")
            until = min(until, time.monotonic() + OTHERS_WITHIN)
    missing = [Found(member, {}, "it has not started in time.") for member in asked.values()]
    found |= {one.member.name: one for one in missing}
    return [found[member.name] for member in members]


def judged(found: Sequence[Found]) -> list[list[str]]:
    """What keeps each worker from taking part, in words. They have to be all the same: as most are of those that would
    run the prompt, of equally many the first."""
    able = [one.told for one in found if one.told and not one.told["problem"]]
    kinds = Counter(_kind(told) for told in able)
    usual = next((told for told in able if _kind(told) == kinds.most_common(1)[0][0]), None)
    return [_lacking(one, usual) for one in found]


def _kind(told: Mapping[str, Any]) -> tuple[Any, ...]:
    return told["ComfyUI"], told["torch"], told["Noise Search"], *sorted(told["files"].items())


def _lacking(one: Found, usual: Mapping[str, Any] | None) -> list[str]:
    if not one.told:
        return [one.error]
    others = [] if usual is None else [text.replace(" here", " elsewhere") for text in differences(usual, one.told)]
    return others or ([one.told["problem"]] if one.told["problem"] else [])


class Rows:
    """Their outcomes, as they come. members: workers that take part. say: is told when one is lost.

    Raises NobodyLeft when all are lost and do not come back.
    """

    def __init__(self, members: Iterable[Member], rows: Iterable[Row], say: Callable[[str], None]):
        self.work: Handout[Row] = Handout(rows, losses=LOSSES)
        self.say = say
        self.idle = deque(members)
        self.back: dict[Any, Member] = {}  # those that were lost, by what they are asked to see whether they are back
        self.flying: dict[Any, tuple[Member, Share[Row], str]] = {}
        self.ended: dict[int, list[str]] = {}  # the workers that a row has ended

    def __iter__(self) -> Iterator[Outcome]:
        import ray

        while self.flying or self.work.has_more:
            yield from self._hand_out()
            refs = [*self.flying, *self.back]
            if not refs and not self.idle and self.work.has_more:
                raise NobodyLeft("no worker is left.")
            ready, _ = ray.wait(refs, num_returns=1, timeout=POLL) if refs else ([], [])
            for ref in ready:
                if ref in self.back:
                    self._returned(ref, self.back.pop(ref))
                else:
                    yield from self._ended(ref, *self.flying.pop(ref))

    def close(self) -> None:
        """Interrupt what is running, and do not wait for it for long: workers end with this process anyway."""
        import ray

        self.work.close()
        for member, _, token in self.flying.values():
            control(member.actor.interrupt, token)
        running = list(self.flying)
        ended, _ = ray.wait(running, num_returns=len(running), timeout=END_WITHIN) if running else ([], [])
        for ref in ended:
            try:
                ray.get(ref)
            except ray.exceptions.RayError:  # that it was interrupted
                continue

    def _hand_out(self) -> Iterator[Outcome]:
        while self.idle and (share := self.work.take(1)) is not None:
            (row,) = share.units
            if row.error:
                self.work.done(share)
                yield Outcome(row.number, "", {}, row.error)
                continue
            member, token = self.idle.popleft(), uuid.uuid4().hex
            self.flying[member.actor.run.remote(dict(row.nodes), token)] = member, share, token

    def _ended(self, ref: Any, member: Member, share: Share[Row], token: str) -> Iterator[Outcome]:
        import ray

        (number,) = share.numbers
        row = share.units[0].number
        try:
            outcome = Outcome(row, member.name, ray.get(ref))
        except ray.exceptions.RayTaskError as error:
            outcome = Outcome(row, member.name, {}, cause(error))
        except ray.exceptions.RayError:
            yield from self._lost(member, share)
            return
        self.idle.append(member)
        self.work.done(share)
        self.ended.pop(number, None)
        yield outcome

    def _lost(self, member: Member, share: Share[Row]) -> Iterator[Outcome]:
        names = self.ended.setdefault(share.numbers[0], [])
        names.append(member.name)
        self.say(f"{member.name} was lost; row {share.units[0].number} goes to another.")
        for row in self.work.lost(share):
            del self.ended[share.numbers[0]]
            why = f"given up: the workers that had it were lost ({', '.join(names)})."
            yield Outcome(row.number, member.name, {}, why)
        member.lost_at = time.monotonic()
        self._ask(member)

    def _ask(self, member: Member) -> None:
        self.back[member.actor.about.remote({})] = member

    def _returned(self, ref: Any, member: Member) -> None:
        import ray

        try:
            ray.get(ref)
        except ray.exceptions.RayError as error:
            if time.monotonic() - (member.lost_at or 0.0) > BACK_WITHIN or isinstance(
                error, ray.exceptions.RayTaskError
            ):
                self.say(f"{member.name} does not come back: {cause(error)}")
                return
            time.sleep(POLL / 10)
            self._ask(member)
            return
        member.lost_at = None
        self.idle.append(member)
