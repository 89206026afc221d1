"""Random graphs of the pack's nodes end in an error that names the node, or in an image whose report is true."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import in_process
from in_process import JUDGES, Ended, Host
from layout import ROOT
from random_graphs import Made, random_graph

GRAPHS, PARTS = 500, 10
TITLES = {
    "RandomSearch": "Random Search",
    "ZeroOrderSearch": "Zero-Order Search",
    "PathSearch": "Path Search",
    "StepScheduler": "Step Scheduler",
    "SearchReport": "Search Report",
    "ReplayNoise": "Replay Noise",
    "NoiseCandidates": "Noise Candidates",
    "VerifierScore": "Verifier Score",
    "SelectCandidate": "Select Candidate",
    "SearchLoopOpen": "Search Loop Open",
    "SearchLoopClose": "Search Loop Close",
    "EnsembleVerifier": "Ensemble Verifier",
}
MEANT = ("ValueError", *(f"{name}Error" for name in ("Verifier", "Weights", "Decode", "Recipe", "Setting", "Schedule")))
REPLAYED = 5  # of so many graphs one is replayed


@pytest.fixture(scope="module")
def host(comfy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with in_process.host(tmp_path_factory.mktemp("user")) as host:
        yield host


@pytest.mark.parametrize("part", range(PARTS))
def test_a_random_graph_ends_in_an_error_with_its_node_or_in_a_true_report(host: Host, part: int) -> None:
    searched = 0
    for seed in range(part * GRAPHS // PARTS, (part + 1) * GRAPHS // PARTS):
        made = random_graph(seed)
        ended = host.run(made.prompt)
        searched += ended.error is None and made.reported is not None
        try:
            check(host, made, ended, seed % REPLAYED == 0 and not made.is_odd)
        except AssertionError as error:
            raise AssertionError(f"graph {seed}: {json.dumps(made.prompt)}") from error
    assert searched >= GRAPHS / PARTS / 5


def check(host: Host, made: Made, ended: Ended, replay: bool) -> None:
    if ended.error is not None:
        check_error(host, made, ended)
        return
    left_out = {node.id for node in (made.image, made.explicit, made.reported) if node} - ended.kept.keys()
    if left_out:  # the host runs what is valid of a prompt
        assert made.is_odd
        return
    images = ended.kept[made.image.id]["value0"]
    for image in images:
        assert torch.isfinite(image).all()
        assert image.any(), "all black"
    if made.explicit is not None:
        check_choice(made, ended)
    if made.reported is None:
        return
    if any("note" in json.loads(text) for text in ended.kept[made.reported.id]["value6"]):
        return  # no search, and that is said
    reports = check_reports(made, ended)
    if len(reports) == len(images) == 1:
        check_score(made, reports[0], images[0])
        if replay:
            check_replay(host, made, reports[0], images[0])
            check_baseline(host, made, reports[0])


def check_error(host: Host, made: Made, ended: Ended) -> None:
    """The host names the node it runs. What goes wrong in the pack says what it is and, in another's node, which of the
    pack's it is. But things of another kind that come over a wire need not be understood, and what a solver makes of a
    schedule without the search, it makes of it with it."""
    error = ended.error
    assert error.node_id in made.prompt, error
    if any(str(ROOT / folder) in frame for frame in ended.frames for folder in ("nodes", "search", "verifiers")):
        own = error.exception_type in MEANT and error.node_type in TITLES
        said = made.is_odd or own or error.exception_message.startswith(tuple(TITLES.values()))
        assert said or same_without(host, made, error.exception_message), "".join(ended.frames[-6:])


def same_without(host: Host, made: Made, message: str) -> bool:
    if made.search is None:
        return False
    plain = host.run(made.plain())
    return plain.error is not None and plain.error.exception_message == message


def check_reports(made: Made, ended: Ended) -> list[list[dict[str, Any]]]:
    """The reports: of each sampler run, one per image."""
    kept = ended.kept[made.reported.id]
    texts = kept["value6"]
    runs = [one if isinstance(one, list) else [one] for one in map(json.loads, texts)]
    for run, recipe, nfe in zip(runs, kept["value4"], kept["value5"], strict=True):
        best = [report["best"]["recipe"] for report in run]
        assert json.loads(recipe) == (best if len(run) > 1 else best[0])
        assert nfe == sum(report["nfe"]["total"] for report in run)
        for report in run:
            check_report(report)
    if made.sampler is not None:
        assert sum(kept["value5"]) == ended.rows[made.sampler.id]
    return runs


def check_report(report: dict[str, Any]) -> None:
    candidates = report["candidates"]
    assert [candidate["index"] for candidate in candidates] == list(range(len(candidates)))
    assert all(math.isfinite(candidate["score"]) for candidate in candidates)
    finished = [candidate for candidate in candidates if candidate["stopped_at_step"] is None]
    reached = [candidate for candidate in finished if candidate.get("reached")]
    best = reached[0] if reached else max(finished, key=lambda candidate: candidate["score"])
    assert (report["best"]["index"], report["best"]["score"]) == (best["index"], best["score"])
    assert report["best"]["recipe"] == best["recipe"]
    assert report["stopped"] in ("finished", "time", "patience", "target")
    spent = sum(candidate["nfe"] for candidate in candidates)
    assert report["nfe"] == {"search": spent, "total": spent}


def check_score(made: Made, run: list[dict[str, Any]], images: torch.Tensor) -> None:
    """What the judge says of the images that came out."""
    if made.judge is None:
        return
    scores = JUDGES[made.judge].score(images, [""] * len(images)).tolist()
    told = [report["best"]["score"] for report in run]
    if made.opened:
        scores = [sum(scores) / len(scores)]
    assert scores == pytest.approx(told, abs=1e-4)


def check_replay(host: Host, made: Made, run: list[dict[str, Any]], images: torch.Tensor) -> None:
    recipes = [report["best"]["recipe"] for report in run]
    if None in recipes:
        return
    again = host.run(made.replayed(json.dumps(recipes if len(recipes) > 1 else recipes[0])))
    assert again.error is None, again.error
    assert torch.allclose(again.kept[made.image.id]["value0"][0], images, atol=1e-3)


def check_baseline(host: Host, made: Made, run: list[dict[str, Any]]) -> None:
    """Without the search there is the image that the report says."""
    told = [report["baseline"]["score"] for report in run]
    if made.opened or made.judge is None or None in told:
        return
    plain = host.run(made.plain())
    assert plain.error is None, plain.error
    images = plain.kept[made.image.id]["value0"][0]
    assert JUDGES[made.judge].score(images, [""] * len(images)).tolist() == pytest.approx(told, abs=1e-4)


def check_choice(made: Made, ended: Ended) -> None:
    scores, (best,), (index,), images = (ended.kept[made.explicit.id][f"value{at}"] for at in range(4))
    assert index == max(range(len(scores)), key=scores.__getitem__)
    assert torch.equal(torch.cat(images)[index : index + 1], best)
    assert all(map(math.isfinite, scores))
