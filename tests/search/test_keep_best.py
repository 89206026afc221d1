"""Keep best: a search that people have seen enough of ends at the next step, and gives out the best so far."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from noise_search.search.methods.paths import cost, path_search
from noise_search.search.methods.random_search import pruned_random_search
from small_models import Brightness, SmallVAE, any_method, best_report, made_plan, sample, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")


def latest_board() -> Any:
    return list(importlib.import_module("noise_search.search.board.boards").BOARDS._boards.values())[-1]


class Impatient(Brightness):
    """Asks for the best while it judges for the `calls`-th time."""

    def __init__(self, calls: int):
        super().__init__()
        self.calls = calls

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        if len(self.asked) + 1 == self.calls:
            latest_board().ask_to_stop()
        return super().score(images, prompts)


class Pressed:
    """Asks for the best when the model has been called so many times."""

    def __init__(self, model: Any, calls: int):
        self.calls = calls
        self.rows: list[int] = []
        model.model.diffusion_model.register_forward_pre_hook(self._count)

    def _count(self, _module: Any, arguments: tuple[Any, ...]) -> None:
        self.rows.append(len(arguments[0]))
        if len(self.rows) == self.calls:
            latest_board().ask_to_stop()


def put_on(model: Any, algorithm: Any, trajectories: float, races: bool = False, **settings: Any) -> SimpleNamespace:
    patch = importlib.import_module("noise_search.search.patch")
    plan = made_plan("Search (node 1)", any_method("any", algorithm, trajectories, races), **settings)
    patched, record = patch.put_on(model, plan, SmallVAE(), Brightness(), "")
    return SimpleNamespace(model=patched, search=record)


def test_it_ends_in_the_middle_of_a_round_with_what_was_scored() -> None:
    model = small_model("EPS")
    pressed = Pressed(model, calls=6 + 3)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, steps=6)
    report = best_report(found)
    assert report.stopped == "user"
    assert len(report.candidates) == 4
    assert len(pressed.rows) == 6 + 3, "nothing is computed after the step"
    assert report.nfe == sum(pressed.rows) / 2, "and what was spent in vain is counted"
    assert torch.allclose(result, sample(model, seed=report.best.recipe.seed, steps=6), atol=1e-4)


def test_it_ends_when_something_is_scored_at_the_earliest() -> None:
    model = small_model("EPS")
    pressed = Pressed(model, calls=2)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, steps=6)
    report = best_report(found)
    assert (report.stopped, len(report.candidates)) == ("user", 4)
    assert len(pressed.rows) == 6
    assert torch.allclose(result, sample(model, seed=report.best.recipe.seed, steps=6), atol=1e-4)


def test_it_ends_after_the_round_that_is_being_judged() -> None:
    found = search(small_model("EPS"), candidates=50, batch_size=4, verifier=Impatient(calls=2))
    sample(found.model)
    assert (best_report(found).stopped, len(best_report(found).candidates)) == ("user", 8)


def test_every_image_of_a_batch_keeps_its_best() -> None:
    model = small_model("EPS")
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    Pressed(model, calls=8)
    found = search(model, candidates=50, batch_size=4)
    result = sample(found.model, latent=latent, steps=6)
    for item, report in enumerate(found.search.runs[0].reports):
        assert len(report.candidates) == 4
        assert report.nfe == 4 * 6 + 4 * 2
        stock = sample(model, seed=report.best.recipe.seed, latent=latent, steps=6)
        assert torch.allclose(result[item], stock[item], atol=1e-3)


def test_with_every_sampler() -> None:
    for name in importlib.import_module("comfy.samplers").KSampler.SAMPLERS:
        model = small_model("EPS")
        alone = search(model, candidates=1)
        sample(alone.model, sampler_name=name, steps=4)
        Pressed(model, calls=best_report(alone).nfe + 2)
        found = search(model, candidates=8, batch_size=2)
        result = sample(found.model, sampler_name=name, steps=4)
        assert best_report(found).stopped == "user", name
        assert len(best_report(found).candidates) <= 2, name
        assert torch.isfinite(result).all(), name


def test_a_race_goes_on_with_its_leader_alone() -> None:
    model = small_model("FLOW")
    pressed = Pressed(model, calls=7)
    algorithm = lambda seed, steps: pruned_random_search(seed, 5, steps)  # noqa: E731
    found = put_on(model, algorithm, 5, races=True)
    result = sample(found.model, steps=12, cfg=1.0)
    report = best_report(found)
    assert report.stopped == "user"
    assert [candidate.is_finished for candidate in report.candidates].count(True) == 1
    assert pressed.rows[7:] == [1] * 5
    assert report.nfe == sum(pressed.rows)
    assert torch.allclose(result, sample(model, seed=report.best.recipe.seed, steps=12, cfg=1.0), atol=1e-4)


def test_the_best_path_so_far_is_finished() -> None:
    model = small_model("FLOW")
    levels = {"start": 0.7, "forward": 0.1, "backward": 0.3}
    algorithm = lambda seed, *_: path_search(seed, paths=2, branches=2, **levels)  # noqa: E731
    Pressed(model, calls=10 + 2 * 3 + 2)
    found = put_on(model, algorithm, cost(2, 2, **levels), batch_size=2)
    sample(found.model, steps=10, cfg=1.0)
    report = best_report(found)
    assert report.stopped == "user"
    finished = [candidate for candidate in report.candidates if candidate.is_finished]
    assert [candidate.index for candidate in finished] == [0, len(report.candidates) - 1]
    on_the_way = [candidate for candidate in report.candidates if not candidate.is_finished]
    leader = max(on_the_way, key=lambda candidate: candidate.score)
    assert finished[1].recipe == leader.recipe.finished()
