"""A search with a crew finds what it finds alone, whoever scores what, in any order, and whatever gets lost."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch as patched

import pytest
import torch

from fake_crew import FakeCrew, offered
from noise_search.search.methods.auto_search import AutoSearch
from noise_search.search.methods.paths import PathSearch
from noise_search.search.methods.random_search import RandomSearch
from noise_search.search.methods.zero_order import ZeroOrder
from noise_search.search.records.recipe import Recipe
from small_models import Brightness, SmallVAE, made_plan, sample, small_model

pytestmark = pytest.mark.usefixtures("comfy")
STEPS = 10
METHODS = {
    "random": RandomSearch(11),
    "races": RandomSearch(20, "progressive"),
    "looks": RandomSearch(20, "look ahead"),
    "zero-order": ZeroOrder(iterations=3, neighbors=4, cosine=0.9),
    "paths": PathSearch(2, 2, start=0.6, forward=0.2, backward=0.4),
    "auto": AutoSearch(12),
    "refining": AutoSearch(8, Recipe(21).moved(3, 0.8).refined(4, 0.6).refined(5, 0.7)),
}
CREWS = ({"workers": 8}, {"workers": 2, "helps": False, "loses": True}, {"workers": 3, "dies": 0.3})


def ran(method: Any, crew: Any, images: int = 1, latent: Any = None, **settings: Any) -> SimpleNamespace:
    """crew: None for none."""
    patch = importlib.import_module("noise_search.search.patch")
    sampler = {name: settings.pop(name) for name in ("sampler_name", "denoise", "seed") if name in settings}
    plan = made_plan("Search (node 1)", method, **settings)
    model, record = patch.put_on(small_model("FLOW"), plan, SmallVAE(), Brightness(), "")
    latent = latent or {"samples": torch.zeros(images, 4, 8, 8)}
    with nullcontext() if crew is None else offered(crew):
        latents = sample(model, latent=latent, steps=STEPS, **sampler)
    return SimpleNamespace(latents=latents, reports=record.runs[-1].reports)


def nobody() -> Any:
    return importlib.import_module("noise_search.search.crew.seam").Nobody()


def assert_same(found: SimpleNamespace, alone: SimpleNamespace, beside: bool = False) -> None:
    assert torch.allclose(found.latents, alone.latents, atol=1e-4)
    for ours, theirs in zip(found.reports, alone.reports, strict=True):
        assert ours.best.index == theirs.best.index
        assert [one.score for one in ours.candidates] == pytest.approx([o.score for o in theirs.candidates], abs=1e-5)
        for part in ("recipe", "nfe", "round", "stopped_at_step", "index", "failed"):
            assert [getattr(o, part) for o in ours.candidates] == [getattr(o, part) for o in theirs.candidates], part
        assert ours.stopped == theirs.stopped
        if beside:
            assert ours.nfe >= theirs.nfe
        else:
            assert ours.nfe == theirs.nfe


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_crew_finds_the_same(method: Any) -> None:
    alone = ran(method, nobody())
    for crew in CREWS:
        made = FakeCrew(**crew)
        assert_same(ran(method, made), alone, beside="dies" in crew or "loses" in crew)
        assert made.pieces


@pytest.mark.parametrize("method", [METHODS["random"], METHODS["races"], METHODS["auto"]], ids=str)
def test_the_images_of_a_batch(method: Any) -> None:
    made = FakeCrew()
    assert_same(ran(method, made, images=3), ran(method, nobody(), images=3))
    assert made.pieces


def test_without_races_nothing_changes_for_one_alone() -> None:
    for name in ("random", "zero-order", "paths"):
        assert_same(ran(METHODS[name], nobody()), ran(METHODS[name], None))


@pytest.mark.parametrize("limits", [{"search_steps": 4}, {"patience": 4}, {"variety": 0.3}], ids=str)
def test_limits(limits: dict[str, Any]) -> None:
    made = FakeCrew()
    alone = ran(METHODS["random"], nobody(), batch_size=1, **limits)
    assert_same(ran(METHODS["random"], made, **limits), alone, beside="patience" in limits)
    assert made.pieces


def test_a_mask_and_an_image() -> None:
    mask, samples = torch.zeros(1, 1, 8, 8), torch.full((1, 4, 8, 8), 0.4)
    mask[..., 4:] = 1
    latent = {"samples": samples, "noise_mask": mask}
    for method in (METHODS["random"], METHODS["zero-order"]):
        found = ran(method, FakeCrew(), latent=latent, denoise=0.8, sampler_name="euler_ancestral")
        assert_same(found, ran(method, nobody(), latent=latent, denoise=0.8, sampler_name="euler_ancestral"))


def test_a_race_stays_whole_and_races_go_side_by_side() -> None:
    made = FakeCrew(workers=3, helps=False)
    races = list(METHODS["races"].begin(importlib.import_module("noise_search.search.methods.base").Start(7, STEPS)))
    ran(METHODS["races"], made)
    assert len(races) == 1
    assert all(piece.race is not None and len(piece.candidates) == piece.race.starts for piece in made.pieces)
    assert len(made.pieces) > 1
    assert max(len(piece.candidates) for piece in made.pieces) <= 12


def test_what_was_lost_is_counted() -> None:
    made = FakeCrew(workers=2, helps=False, dies=0.4, seed=3)
    found, alone = ran(METHODS["random"], made), ran(METHODS["random"], nobody())
    assert made.lost
    assert found.reports[0].nfe == alone.reports[0].nfe + made.beside
    assert "a worker was lost." in found.reports[0].notes


def test_a_winner_whose_latent_is_lost_runs_once_more() -> None:
    made = FakeCrew(helps=False, loses=True)
    found, alone = ran(METHODS["random"], made), ran(METHODS["random"], nobody())
    assert torch.allclose(found.latents, alone.latents, atol=1e-5)
    assert found.reports[0].nfe == alone.reports[0].nfe + STEPS


def test_a_winner_that_is_fetched_costs_nothing() -> None:
    found, alone = ran(METHODS["random"], FakeCrew(helps=False)), ran(METHODS["random"], nobody())
    assert found.reports[0].nfe == alone.reports[0].nfe


def test_a_candidate_that_ends_every_worker_is_named() -> None:
    error = importlib.import_module("noise_search.search.crew.seam").CrewError
    with pytest.raises(error, match="candidate 5 has ended three workers"):
        ran(METHODS["random"], FakeCrew(helps=False, deadly=frozenset({5})))


def test_candidates_of_this_process_take_part() -> None:
    made = FakeCrew(workers=1)
    found = ran(METHODS["random"], made)
    assert made.own
    assert made.pieces
    own = sum(len(piece.candidates) for piece in made.own)
    told = found.reports[0].notes[-1].removeprefix("Candidates ran on several GPUs: ").removesuffix(".")
    assert set(told.split(", ")) == {f"{own} on this GPU", f"{11 - own} on worker 1"}


def test_the_board_says_who_has_what_while_it_runs() -> None:
    boards = importlib.import_module("noise_search.search.board.board")
    seen: list[Any] = []
    plain = boards.Board.progress

    def progress(self: Any, trajectories: float, nfe: int) -> None:
        seen.append((self, list(self.hands)))
        plain(self, trajectories, nfe)

    with patched.object(boards.Board, "progress", progress):
        ran(METHODS["random"], FakeCrew(workers=2, seed=1))
    told = [hands for _, hands in seen if hands]
    assert {hand.who for hands in told for hand in hands} == {"this GPU", "worker 1", "worker 2"}
    for hands in told:
        has = [number for hand in hands for number in hand.numbers]
        assert len(has) == len(set(has)), "nobody has what another one has"
        assert set(has) <= set(range(11))
        assert all(hand.steps <= hand.work for hand in hands)
        assert all((hand.state == "runs") == bool(hand.numbers) for hand in hands)
    own = [hands[0] for hands in told if hands[0].numbers]
    assert max(hand.steps for hand in own) > min(hand.steps for hand in own), "its steps are told while it runs"
    done = [sum(hand.done for hand in hands) for hands in told]
    assert done == sorted(done)
    assert done[-1] > 0
    assert seen[-1][0].hands == (), "when it has ended nobody has anything"


def test_alone_nobody_is_told() -> None:
    boards = importlib.import_module("noise_search.search.board.board")
    with patched.object(boards.Board, "progress") as progress, patched.object(boards.hand, "told") as told:
        ran(METHODS["random"], nobody())
    assert progress.called
    assert all(not call.args[0] for call in told.call_args_list)
