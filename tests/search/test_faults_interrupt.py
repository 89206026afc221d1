"""Cancel at every stage of every search: it ends as ComfyUI's own interruption, and leaves the model as it was."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from faults import METHODS, STAGES, run, searching, title
from small_models import Brightness, SmallVAE, best_report, search, small_model

pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture
def management(comfy: Any) -> Iterator[Any]:
    module = importlib.import_module("comfy.model_management")
    yield module
    module.interrupt_current_processing(False)


@pytest.fixture(scope="module")
def calm(comfy: Any) -> dict[str, SimpleNamespace]:
    """Of each method the latent that comes out when nobody interrupts, its report, and how often each stage was
    called."""
    ended = {}
    for method in METHODS:
        found = searching(method, batch_size=2)
        latent = run(found.model)
        calls = {stage: len(found.calls[stage].sizes) for stage in STAGES}
        ended[method] = SimpleNamespace(latent=latent, report=best_report(found), calls=calls)
    return ended


def latest_board() -> Any:
    return list(importlib.import_module("noise_search.search.board.boards").BOARDS._boards.values())[-1]


def cancelled(found: SimpleNamespace, management: Any, stage: str, at: int) -> None:
    """Run the search, and press Cancel in a call of that stage."""
    found.calls[stage].at[at] = lambda: management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        run(found.model)
    assert not management.processing_interrupted(), "the host has taken note of it"


def places(calls: int) -> list[int]:
    """The first call, one in the middle, and the last one after which there is something left to do."""
    return sorted({1, (calls + 1) // 2, max(calls - 1, 1)})


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("method", METHODS)
def test_cancel_ends_any_search_at_any_stage_and_the_next_run_is_whole(
    calm: Any, management: Any, method: str, stage: str
) -> None:
    found = searching(method, batch_size=2)
    second_stage = {"disable_noise": True, "start_step": 3, "latent": {"samples": torch.ones(1, 4, 8, 8)}}
    stock = [run(found.stock), run(found.stock, **second_stage)]
    calls = found.calls[stage].sizes
    for at in places(calm[method].calls[stage]):
        cancelled(found, management, stage, last := len(calls) + at)
        assert len(calls) == last, "nothing more is asked of what was running"
        assert found.search.runs == []
        assert latest_board().stopped == "interrupted"
    assert torch.equal(run(found.stock), stock[0])
    assert torch.equal(run(found.model, **second_stage), stock[1]), "a sampler without noise passes through"
    assert torch.equal(run(found.model), calm[method].latent)
    assert best_report(found).candidates == calm[method].report.candidates


@pytest.mark.parametrize("method", METHODS)
def test_cancel_before_the_first_step_computes_nothing(management: Any, method: str) -> None:
    found = searching(method)
    management.interrupt_current_processing(True)
    with pytest.raises(management.InterruptProcessingException):
        run(found.model)
    assert [found.calls[stage].sizes for stage in STAGES] == [[], [], []]


@pytest.mark.parametrize("method", ["random", "zero-order", "paths", "drafts"])
def test_what_was_scored_before_cancel_is_on_the_board_and_in_the_log(
    calm: Any, management: Any, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = searching(method, batch_size=2)
    with caplog.at_level(logging.INFO):
        cancelled(found, management, "verifier", calm[method].calls["verifier"] - 1)
    scored = sum(found.calls["verifier"].sizes)
    expected = calm[method].report.candidates[:scored]
    shown = [latest_board().candidate(0, index) for index in range(scored)]
    assert [candidate.recipe for candidate in shown] == [candidate.recipe for candidate in expected]
    assert [candidate.score for candidate in shown] == [candidate.score for candidate in expected]
    assert f"{title(method)}: kept the best of {scored}: " in caplog.text and "(ended early)" in caplog.text


def test_cancel_between_two_cuts_of_a_race_shows_who_was_still_running(calm: Any, management: Any) -> None:
    found = searching("pruned", batch_size=2)
    cancelled(found, management, "verifier", 2)
    board = latest_board()
    stopped = [entry["step"] for entry in board.message()["candidates"][0]]
    assert len(stopped) == len(calm["pruned"].report.candidates)
    assert board.message()["best"] == [None]


def test_cancel_while_the_best_drafts_run_in_full_is_no_result(calm: Any, management: Any) -> None:
    drafts = sum(candidate.nfe for candidate in calm["drafts"].report.candidates if not candidate.is_finished)
    found = searching("drafts", batch_size=1)
    cancelled(found, management, "network", drafts + 2)
    assert len(found.calls["verifier"].sizes) == 6, "all drafts were scored, no finalist"
    assert found.search.runs == []


def test_cancel_while_a_verifier_judges_many_images_ends_before_the_next_sixteen(management: Any) -> None:
    class Cancelling(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            management.interrupt_current_processing(True)
            return super().score(images, prompts)

    model, vae, verifier = small_model("FLOW", channels=16, dims=3), SmallVAE(16, dims=3), Cancelling()
    found = search(model, candidates=2, vae=vae, verifier=verifier)
    with pytest.raises(management.InterruptProcessingException):
        run(found.model, latent={"samples": torch.zeros(1, 16, 20, 8, 8)})
    assert verifier.asked == [16]


def test_an_interruption_that_a_verifier_raises_itself_is_one(management: Any) -> None:
    class Loading(Brightness):
        def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
            raise management.InterruptProcessingException

    found = search(small_model("FLOW"), verifier=Loading())
    with pytest.raises(management.InterruptProcessingException):
        run(found.model)
    assert latest_board().stopped == "interrupted"
