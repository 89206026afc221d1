"""The table that people want: what it says of searches whose numbers are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cluster_summary import Searches, plot, summed, table, text, write


def line(scores: Sequence[float | None], prompt: str = "a cat", row: int = 1, **more: Any) -> dict[str, str]:
    nfes, stopped = more.pop("nfes", [20] * len(scores)), more.pop("stopped", [None] * len(scores))
    images = [score for score, stop in zip(scores, stopped) if score is not None and stop is None]
    told = {"row": row, "part": 0, "node": "8", "prompt": prompt, "error": "", "score": max(images), "nfe": sum(nfes)}
    told |= {"without_search": scores[0], "scores": json.dumps(scores), "nfes": json.dumps(nfes)}
    told |= {"stopped_at": json.dumps(stopped), **more}
    return {name: "" if value is None else str(value) for name, value in told.items()}


def searched(*lines: dict[str, str]) -> Searches:
    (found,) = summed(lines)[0].values()
    return found


def values(searches: Searches) -> dict[str, tuple[float, float]]:
    return {one.budget: (one.nfe, one.score.value) for one in searches.lines()}


def test_the_score_at_a_budget_is_that_of_the_best_image_by_then() -> None:
    found = searched(line([1.0, 0.0, 3.0, 2.0, 5.0, 4.0]), line([2.0, 4.0, 0.0, 0.0, 0.0, 6.0], "a dog"))
    assert values(found) == {"1x": (20, 1.5), "2x": (40, 2.5), "4x": (80, 3.5), "whole search": (120, 5.5)}
    assert found.baseline().value == 1.5
    assert [one.gain.value for one in found.lines()] == [0.0, 1.0, 2.0, 4.0]


def test_what_was_stopped_on_the_way_or_failed_costs_and_is_no_image() -> None:
    pruned = line([1.0, 9.0, None, 2.0], nfes=[20, 5, 5, 20], stopped=[None, 5, None, None])
    found = searched(pruned)
    assert values(found) == {"1x": (20, 1.0), "2x": (40, 1.0), "whole search": (50, 2.0)}


def test_a_budget_at_which_some_search_had_no_image_is_left_out() -> None:
    late = line([7.0, 1.0, 2.0, 3.0], "a dog", nfes=[10, 10, 10, 20], stopped=[5, 5, 5, None], without_search=None)
    found = searched(line([1.0, 0.0, 4.0, 2.0]), late)
    assert list(values(found)) == ["whole search"]
    assert found.baseline().value == 1.0
    assert found.lines()[-1].gain.value == 3.0


def test_rows_of_one_prompt_count_as_one() -> None:
    rows = [line([0.0, 1.0], row=1), line([0.0, 3.0], row=2), line([0.0, 8.0], "a dog", row=3)]
    assert values(searched(*rows))["whole search"][1] == 5.0
    nameless = [line([0.0, 1.0], "", row=1), line([0.0, 3.0], "", row=2), line([0.0, 8.0], "", row=3)]
    assert values(searched(*nameless))["whole search"][1] == 4.0


def test_intervals_hold_the_mean_about_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(60):
        found = searched(*(line([0.0, score], f"p{at}") for at, score in enumerate(rng.normal(5, 1, 30))))
        interval = found.lines()[-1].score
        held += interval.low <= 5 <= interval.high
    assert 45 <= held <= 59


def test_a_loop_counts_candidates() -> None:
    found = searched(line([1.0, 2.0, 3.0], nfes=[0, 0, 0]))
    assert values(found) == {"1x": (1, 1.0), "2x": (2, 2.0), "whole search": (3, 3.0)}
    assert "candidates" in table(found)


def test_the_text_names_what_failed_and_each_sampler_apart(tmp_path: Path) -> None:
    rows = [line([1.0, 2.0]), line([1.0, 3.0], node="9:2"), {**line([1.0]), "error": "oh", "scores": ""}]
    found, failed = summed(rows)
    told = text(found, failed, 3)
    assert "1 of 3 rows failed" in told
    assert "Node 8: 1 searches" in told and "Node 9:2" in told
    files = write(found, told, tmp_path)
    assert [file.name for file in files] == ["summary.md", "summary_8.png", "summary_9-2.png"]
    assert "| without search |" in files[0].read_text()
    assert "No row has searched" in text({}, 0, 1)


@pytest.mark.parametrize("scores", [[[1.0]], [[1.0, 1.0]], [[1.0, 2.0, 3.0], [0.0, 5.0, 5.0]]])
def test_the_plot_shows_a_line_with_its_band(scores: list[list[float]]) -> None:
    picture = plot(searched(*(line(one, f"p{at}") for at, one in enumerate(scores))))
    assert isinstance(picture, Image.Image)
    colors = {color for _, color in picture.getcolors(2**20)}
    assert ((219, 231, 253) in colors) == (len(scores) > 1)
