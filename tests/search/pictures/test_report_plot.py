"""Pictures of a report."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageColor

from made_reports import candidate, report_of
from noise_search.search.pictures.drawing import BELOW, GRID
from noise_search.search.pictures.report_plot import (
    BEST,
    HEIGHT,
    MOST_SHOWN,
    WIDTH,
    best_curve,
    labelled_candidates,
    lowest,
)
from noise_search.search.pictures.thumbnail import encode, from_pil, to_pil

TOP, BOTTOM = 48, HEIGHT - 64  # of the curve
SCORES = [
    [0.5],
    [0.5, 0.5, 0.5],
    [0.0, 0.0],
    [-1e-9, 1e-9],
    [1e6, -1e6, 3.0],
    [math.sin(index) for index in range(1000)],
]


def has(picture: Image.Image, color: str) -> bool:
    wanted = torch.tensor(ImageColor.getrgb(color)) / 255
    return bool(((from_pil(picture) - wanted).abs().amax(-1) < 0.05).any())


def framed(picture: Image.Image) -> bool:
    corners = [(0, 0), (picture.width - 1, 0), (0, picture.height - 1), (picture.width - 1, picture.height - 1)]
    return all(picture.getpixel(corner) == ImageColor.getrgb(BEST) for corner in corners)


@pytest.mark.parametrize("scores", SCORES, ids=lambda scores: f"{len(scores)} from {scores[0]:g}")
def test_a_curve_is_drawn_for_any_scores(scores: list[float]) -> None:
    picture = best_curve(report_of(scores))
    assert picture.size == (WIDTH, HEIGHT)
    assert picture.mode == "RGB"
    assert has(picture, BEST), "the best candidate is marked"


def test_a_curve_of_a_search_that_cost_nothing() -> None:
    assert best_curve(report_of([0.1, 0.2], nfe=0)).size == (WIDTH, HEIGHT)


def test_curves_of_different_searches_differ() -> None:
    better, worse = best_curve(report_of([0.1, 0.2, 0.9])), best_curve(report_of([0.1, 0.2, 0.15]))
    assert better.tobytes() != worse.tobytes()


def test_one_bad_candidate_does_not_press_the_others_together() -> None:
    assert lowest([12.7, -900.0, 13.2, 12.1]) == 12.1
    assert lowest([12.7, 13.2]) == 12.7
    assert lowest([0.5, 0.5, 0.5, 0.1]) == 0.1, "where most are equal, the others are the news"
    assert lowest([float(score) for score in range(100)]) == 0.0
    picture = best_curve(report_of([12.7, -900.0, 13.2, 12.1]))
    assert has(picture, BELOW), "it is marked at the lower edge"
    assert not has(best_curve(report_of([12.7, 13.2, 12.1])), BELOW)


def dashed_rows(picture: Image.Image) -> list[int]:
    """Rows below the title that a dashed line runs through: they change between white and gray again and again."""
    is_drawn = from_pil(picture).mean(-1) < 0.9
    changes = (is_drawn[:, 1:] != is_drawn[:, :-1]).sum(-1)
    return [row for row in torch.nonzero(changes > 60).flatten().tolist() if row > TOP]


def test_the_score_without_search_is_a_dashed_line_at_its_height() -> None:
    low, high = (dashed_rows(best_curve(report_of([score, 1.0, *[0.0] * 8]))) for score in (0.3, 0.7))
    for rows, score in ((low, 0.3), (high, 0.7)):
        assert len(rows) in (1, 2)
        assert rows[0] == pytest.approx(BOTTOM - (BOTTOM - TOP) * (score + 0.05) / 1.1, abs=2)


def test_without_that_score_there_is_no_line() -> None:
    report = report_of([0.3, 1.0, *[0.0] * 8])
    pruned = replace(report, candidates=(replace(report.candidates[0], stopped_at_step=3), *report.candidates[1:]))
    assert pruned.baseline is None
    assert dashed_rows(best_curve(pruned)) == []


def test_candidates_come_best_first_and_only_the_best_is_framed() -> None:
    shown = [
        candidate(index, score, thumbnail=encode(to_pil(torch.full((64, 64, 3), level))))
        for index, (score, level) in enumerate([(0.1, 0.2), (0.9, 0.9), (0.5, 0.6)])
    ]
    pictures = labelled_candidates(replace(report_of([0.0]), candidates=tuple(shown)))
    assert [picture.getpixel((96, 96))[0] for picture in pictures] == pytest.approx([230, 153, 51], abs=4)
    assert [framed(picture) for picture in pictures] == [True, False, False]


def test_of_equal_candidates_the_first_is_framed() -> None:
    pictures = labelled_candidates(report_of([0.5, 0.5, 0.5]))
    assert [framed(picture) for picture in pictures] == [True, False, False]
    assert pictures[1].tobytes() != pictures[2].tobytes(), "each has its own number on it"


def test_one_candidate() -> None:
    (picture,) = labelled_candidates(report_of([0.5]))
    assert framed(picture)


def test_of_a_thousand_candidates_the_best_64_are_shown() -> None:
    report = report_of([math.sin(index) for index in range(1000)])
    pictures = labelled_candidates(report)
    assert len(pictures) == MOST_SHOWN == 64
    alone = labelled_candidates(replace(report, candidates=(report.best,)))
    assert pictures[0].tobytes() == alone[0].tobytes()


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(64, 64, (192, 192)), (256, 256, (256, 256)), (160, 160, (160, 160)), (256, 128, (256, 512)), (8, 8, (160, 160))],
)
def test_small_pictures_are_enlarged_by_whole_pixels(height: int, width: int, shown: tuple[int, int]) -> None:
    (picture,) = labelled_candidates(report_of([0.5], thumbnail=encode(to_pil(torch.rand(height, width, 3)))))
    assert (picture.width, picture.height - 24) == shown


def test_all_pictures_of_a_report_have_one_size() -> None:
    assert len({picture.size for picture in labelled_candidates(report_of([-1e-12, 123456.789, 0.1]))}) == 1


def test_failed_candidates_are_no_dots_and_come_last_without_a_picture() -> None:
    whole = report_of([0.1, 0.9, 0.5])
    failed = replace(replace(whole.candidates[1], thumbnail=b"").failing("why"), nfe=0)
    report = replace(whole, candidates=(whole.candidates[0], failed, whole.candidates[2]))
    pictures = labelled_candidates(report)
    assert framed(pictures[0]) and pictures[2].getpixel((80, 80)) == ImageColor.getrgb(GRID)
    curve = from_pil(best_curve(report))[TOP:]
    without = replace(whole, candidates=(whole.candidates[0], replace(whole.candidates[2], index=1)))
    assert torch.equal(curve, from_pil(best_curve(without))[TOP:])


def test_stars_come_first_with_a_star_and_rejects_last() -> None:
    report = report_of([0.5, 0.9, 0.1, 0.7])
    plain = labelled_candidates(report)
    report.marks.give(report.candidates[2], "star")
    report.marks.give(report.candidates[1], "reject")
    marked = labelled_candidates(report)
    assert [framed(picture) for picture in marked] == [False, False, False, True], "the best is what was rejected"
    assert has(marked[0], BEST) and not has(plain[3], BEST)
    assert marked[3].tobytes() != plain[0].tobytes()
    assert best_curve(report).tobytes() != best_curve(report_of([0.5, 0.9, 0.1, 0.7])).tobytes()
