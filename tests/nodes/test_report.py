"""Search Report: its eight outputs."""

from __future__ import annotations

import importlib
import json
import math
import re
from typing import Any

import pytest
import torch

from node_calls import call
from small_models import conditioning, sample, search, small_model

PARTS = ((1, (8, 16)), (100, (16, 8)))
pytestmark = pytest.mark.usefixtures("comfy")


def report_of(images: int = 1, candidates: int = 5) -> tuple[Any, dict[str, Any], tuple]:
    found = search(small_model("EPS"), candidates=candidates)
    latent = {"samples": sample(found.model, latent={"samples": torch.zeros(images, 4, 8, 8)})}
    return found, latent, call("SearchReport", latent=latent, search=found.search)


def test_the_latent_passes_through() -> None:
    _, latent, outputs = report_of()
    assert outputs[0] is latent


def test_plot_and_candidates_are_images() -> None:
    _, _, (_, plot, candidates, *_) = report_of(candidates=5)
    assert plot.shape == (1, 420, 720, 3)
    assert len(candidates) == 5
    assert candidates.shape[-1] == 3
    for images in (plot, candidates):
        assert images.dtype == torch.float32
        assert 0 <= images.min() < images.max() <= 1


def test_the_numbers_agree_with_each_other_and_with_the_json() -> None:
    _, _, (_, _, _, scores, recipe, nfe, text, _) = report_of(candidates=5)
    read = json.loads(text)
    assert scores == [candidate["score"] for candidate in read["candidates"]]
    assert len(scores) == 5
    assert json.loads(recipe) == read["best"]["recipe"]
    assert read["best"]["score"] == max(scores) == scores[read["best"]["index"]]
    assert read["baseline"]["score"] == scores[0]
    assert nfe == read["nfe"]["total"] == sum(candidate["nfe"] for candidate in read["candidates"]) == 5 * 6
    assert (read["seed"], read["sampler_steps"], read["algorithm"], read["stopped"]) == (7, 6, "random", "finished")


def test_seconds_add_up() -> None:
    seconds = json.loads(report_of()[2][6])["seconds"]
    parts = seconds["sampling"] + seconds["decoding"] + seconds["scoring"]
    assert 0 < parts <= seconds["total"]


def test_a_batch_gives_a_plot_a_recipe_and_a_report_for_each_image() -> None:
    _, _, (_, plot, candidates, scores, recipe, nfe, text, _) = report_of(images=3, candidates=4)
    assert (len(plot), len(candidates), len(scores), nfe) == (3, 12, 12, 3 * 4 * 6)
    assert [report["best"]["recipe"] for report in json.loads(text)] == json.loads(recipe)
    assert scores == [candidate["score"] for report in json.loads(text) for candidate in report["candidates"]]


@pytest.mark.parametrize(
    ("connected", "why"),
    [(True, r"Random Search \(node 1\) has not searched.*add_noise"), (False, "Nothing is connected to `search`")],
)
def test_where_nothing_has_searched_the_latent_goes_on(connected: bool, why: str) -> None:
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    given = {"search": search(small_model("EPS")).search} if connected else {}
    passed, plot, candidates, scores, recipe, nfe, report, best = call("SearchReport", latent=latent, **given)
    assert passed is latent is best
    assert plot.shape[0] == candidates.shape[0] == 1
    assert plot.min() < 0.5, "it says so"
    assert len(scores) == 1 and math.isnan(scores[0])
    assert nfe == 0
    assert re.search(why, json.loads(report)["note"])
    assert json.loads(recipe) == json.loads(report)


def test_a_picture_made_in_parts_has_a_report_of_each() -> None:
    """Of other sizes as well."""
    found = search(small_model("EPS"), candidates=3)
    wide, high = (sample(found.model, seed=seed, latent={"samples": torch.zeros(1, 4, *size)}) for seed, size in PARTS)
    whole = {"samples": torch.cat([wide.flatten(), high.flatten()]).reshape(1, 1, 1, -1)}
    _, plot, candidates, scores, recipe, nfe, report, _ = call("SearchReport", latent=whole, search=found.search)
    told = json.loads(report)
    assert [(one["part"], one["parts"], one["seed"]) for one in told] == [(1, 2, 1), (2, 2, 100)]
    assert (len(plot), len(candidates), len(scores)) == (2, 6, 6)
    assert json.loads(recipe) == [one["best"]["recipe"] for one in told]
    assert nfe == sum(one["nfe"]["search"] for one in told)


def test_the_winner_is_the_latent_that_came_out() -> None:
    found, latent, outputs = report_of(candidates=6)
    seed = json.loads(outputs[4])["seed"]
    stock = sample(small_model("EPS"), seed=seed)
    assert seed != 7
    assert torch.allclose(latent["samples"], stock, atol=1e-4)
    assert found.search.runs[0].reports[0].best.recipe.seed == seed


def test_the_noise_of_the_workflow_has_no_recipe() -> None:
    found, told = search(small_model("EPS"), candidates=1), [conditioning(1), conditioning(2)]
    noise, latent = torch.full((1, 4, 8, 8), 0.1), torch.zeros(1, 4, 8, 8)
    with torch.inference_mode():
        sample_noise = importlib.import_module("comfy.sample").sample
        samples = sample_noise(found.model, noise, 4, 1.0, "euler", "simple", *told, latent)
    outputs = call("SearchReport", latent={"samples": samples}, search=found.search)
    assert outputs[4] == "null"
