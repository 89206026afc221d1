"""Memory that runs out while a search samples, decodes or scores: less at once, and the same winner."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from faults import METHODS, STAGES, run, searching, title
from small_models import best_report

pytestmark = pytest.mark.usefixtures("comfy")
PAIR = 2  # rows of a candidate in the network: with and without the prompt
ALONE = {"network": PAIR, "vae": 1, "verifier": 1}


@pytest.fixture(scope="module")
def calm(comfy: Any) -> dict[str, Any]:
    """The latent and the report of each method where memory is plenty."""
    ended = {}
    for method in METHODS:
        found = searching(method)
        ended[method] = run(found.model), best_report(found)
    return ended


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("method", METHODS)
def test_with_memory_for_one_candidate_the_winner_is_the_same(calm: Any, method: str, stage: str) -> None:
    expected, before = calm[method]
    found = searching(method)
    found.calls[stage].most = ALONE[stage]
    result, report = run(found.model), best_report(found)
    assert torch.allclose(result, expected, atol=1e-5)
    assert report.best.index == before.best.index
    assert [c.score for c in report.candidates] == pytest.approx([c.score for c in before.candidates], abs=1e-5)
    assert report.nfe == sum(found.calls["network"].sizes) / PAIR


@pytest.mark.parametrize("method", METHODS)
def test_memory_that_runs_out_halves_what_is_done_at_once(method: str) -> None:
    found = searching(method)
    for stage in STAGES:
        found.calls[stage].most = 3 * ALONE[stage]
    run(found.model)
    assert max(found.calls["network"].sizes) in (2 * PAIR, 3 * PAIR)
    assert max(found.calls["vae"].sizes) > 1
    assert max(found.calls["verifier"].sizes) > 1


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("network", "not enough memory for the sampler, which would not run without a search either"),
        ("vae", "not enough memory for the VAE to decode candidate 0 alone"),
        ("verifier", "not enough memory for brightness to judge candidate 0 alone"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_fit_even_alone_is_an_error_of_the_node(method: str, stage: str, message: str) -> None:
    management = importlib.import_module("comfy.model_management")
    found = searching(method)
    found.calls[stage].most = 0
    with pytest.raises(Exception, match=message) as raised:
        run(found.model)
    assert str(raised.value).startswith(f"{title(method)}: ")
    assert management.is_oom(raised.value), "the host frees its models when it sees one"
    assert found.search.runs == []


def test_a_batch_of_images_is_not_split_below_what_the_sampler_has_without_search() -> None:
    latent = {"samples": torch.zeros(3, 4, 8, 8)}
    plenty, short = searching(), searching()
    short.calls["network"].most = 3 * PAIR
    expected = run(plenty.model, latent=latent)
    assert torch.allclose(run(short.model, latent=latent), expected, atol=1e-5)
    assert set(short.calls["network"].sizes) == {3 * PAIR}
