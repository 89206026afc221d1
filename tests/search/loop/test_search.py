"""How a loop's search goes on: which candidate it wants next, when it ends, and what it keeps."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from small_models import made_plan

pytestmark = pytest.mark.usefixtures("comfy")

Score = Callable[[int], float]


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.search.{name}")


def kept(page: Any = None, search: str | None = None) -> Any:
    return module("loop.kept").Kept(page or module("history.ledger").Page(None), search, False)


def started(candidates: int = 5, kept_before: Any = None, **given: Any) -> Any:
    method = module("methods.random_search").RandomSearch(candidates)
    plan = made_plan("Search Loop Close (node 9)", method, node="9", **given)
    flow = module("loop.body").Flow("1", 100, None, 0, False)
    prompt = importlib.import_module("comfy_execution.graph").DynamicPrompt({})
    return module("loop.search").LoopSearch(
        plan, flow, SimpleNamespace(), kept_before or kept(), module("loop.search").Where(prompt, ("9", 0), "9.0.0.")
    )


def look(score: float, **told: Any) -> Any:
    return module("loop.looped").Look(score, torch.rand(8, 8, 3), **told)


def run(search: Any, score: Score, most: int = 100) -> list[int]:
    """Run what is wanted; the candidates that ran."""
    ran = []
    while len(ran) < most and (index := search.wanted()) is not None:
        search.begins(index)
        search.add(index, look(score(index)), module("loop.kept").Made(f"result {index}", False))
        ran.append(index)
    return ran


def test_candidates_are_wanted_in_order_and_the_best_wins() -> None:
    search = started()
    assert run(search, lambda index: -abs(index - 3)) == [0, 1, 2, 3, 4]
    report = search.found().reports[0]
    assert (report.best.index, report.best.recipe.seed) == (3, 103)
    assert search.made.value == "result 3"
    assert [candidate.score for candidate in report.candidates] == [-3, -2, -1, 0, -1]


def test_the_log_has_a_line_a_candidate(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run(started(3), lambda index: index / 2)
    lines = [message for message in caplog.messages if "best score" in message]
    assert [line.rsplit(", about", 1)[0] for line in lines] == [
        "Search Loop Close (node 9): candidate 0 (seed 100) of 3; best score none yet",
        "Search Loop Close (node 9): candidate 1 (seed 101) of 3; best score 0.0000",
        "Search Loop Close (node 9): candidate 2 (seed 102) of 3; best score 0.5000",
    ]


def test_asking_twice_gives_the_same_candidate() -> None:
    search = started()
    assert search.wanted() == search.wanted() == 0


def test_of_equal_scores_the_first_wins() -> None:
    search = started()
    run(search, lambda index: 1.0)
    assert search.best == 0


def test_only_the_best_result_is_kept() -> None:
    search = started(50)
    run(search, lambda index: index % 7)
    assert [made.value for made in search.standing.results.values()] == ["result 6"]


def test_patience_counts_candidates_without_anything_better() -> None:
    search = started(50, patience=4)
    assert run(search, lambda index: float(index == 2)) == [0, 1, 2, 3, 4, 5, 6]
    assert search.found().reports[0].stopped == "patience"


def test_somebody_who_has_seen_enough_ends_it() -> None:
    search = started(50)
    run(search, lambda index: index, most=3)
    search.board.ask_to_stop()
    assert search.wanted() is None
    assert search.found().reports[0].stopped == "user"
    assert search.made.value == "result 2"


def test_what_was_scored_before_does_not_run() -> None:
    before = kept()
    run(started(5, before), lambda index: -abs(index - 6))
    assert run(started(8, before), lambda index: -abs(index - 6)) == [5, 6, 7]


def test_an_old_winner_whose_result_is_gone_runs_again() -> None:
    before = kept()
    run(started(5, before), lambda index: -index)
    search = started(8, before)
    assert run(search, lambda index: -index) == [5, 6, 7, 0]
    assert search.made.value == "result 0"


def test_an_old_winner_whose_result_is_at_hand_does_not() -> None:
    before = kept(search="this test")
    run(started(5, before), lambda index: -index)
    search = started(8, before)
    assert run(search, lambda index: -index) == [5, 6, 7]
    assert search.made.value == "result 0"


def test_when_an_old_winner_has_another_score_now_all_run_again(caplog: pytest.LogCaptureFixture) -> None:
    before = kept()
    run(started(4, before), lambda index: -index)
    search = started(5, before)
    assert run(search, lambda index: index - 10) == [4, 0, 0, 1, 2, 3, 4]
    assert [candidate.score for candidate in search.found().reports[0].candidates] == [-10, -9, -8, -7, -6]
    assert "candidate 0 (seed 100) had the score 0.0000 in an earlier run and has -10.0000 now" in caplog.text


def test_a_score_that_comes_out_a_little_different_is_the_same() -> None:
    before = kept()
    run(started(4, before), lambda index: -index)
    search = started(4, before)
    assert run(search, lambda index: -index + 1e-3) == [0]
    assert search.found().reports[0].best.score == 1e-3


def test_when_all_run_again_one_does_though_the_time_is_over() -> None:
    before = kept()
    run(started(3, before), lambda index: -index)
    search = started(3, before, max_seconds=1e-9)
    search.limit.per_candidate = 1.0
    assert run(search, lambda index: 10.0 - index) == [0, 0]
    assert search.found().reports[0].stopped == "time"


def test_only_results_of_the_latest_searches_are_kept() -> None:
    winners = module("loop.kept")
    for number in range(10):
        run(started(2, kept(search=f"search {number}")), lambda index: index)
    assert len(winners._WINNERS) == winners.WINNERS_KEPT


def test_the_host_forgets_nodes_of_the_search_that_have_finished() -> None:
    progress = importlib.import_module("comfy_execution.progress")
    prompt = importlib.import_module("comfy_execution.graph").DynamicPrompt({})
    progress.reset_progress_state("a prompt", prompt)
    registry = progress.get_progress_state()
    for node in ("4", "9", "9.0.0.r1", "9.0.0.r1c0", "9.0.0.r1c0.1"):
        registry.start_progress(node)
    for node in ("4", "9.0.0.r1c0", "9.0.0.r1c0.1"):
        registry.finish_progress(node)
    started().show_progress()
    assert set(registry.nodes) == {"4", "9", "9.0.0.r1"}


def test_a_candidate_is_named_by_number_and_seed() -> None:
    search = started()
    search.wanted()
    assert search.name(3) == "candidate 3 (seed 103)"


def test_scores_of_something_else_are_not_used() -> None:
    """In a file that was changed."""
    page = module("history.ledger").Page(None)
    run(started(kept_before=kept(page)), float)
    page.entries = {name: replace(seen, scores={"another": 1.0}) for name, seen in page.entries.items()}
    assert run(started(kept_before=kept(page)), float) == [0, 1, 2, 3, 4]


LOOP_NAN = "the loop gave an image with NaN or infinite values"


def run_failing(search: Any, fail: set[int], **how: Any) -> None:
    while (index := search.wanted()) is not None:
        search.begins(index)
        made = module("loop.kept").Made(f"result {index}", False)
        told = (how or {"failed": LOOP_NAN}) if index in fail else {}
        search.add(index, look(float(index), **told), made)


@pytest.mark.parametrize("how", [{"failed": LOOP_NAN}, {"is_one_color": True}], ids=["nan", "one color"])
def test_a_candidate_that_failed_does_not_win(how: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    search = started(5)
    run_failing(search, {0, 4}, **how)
    report = search.found().reports[0]
    assert (report.best.index, search.give_result()) == (3, "result 3")
    assert [bool(one.failed) for one in report.candidates] == [True, False, False, False, True]
    assert "2 of 5 candidates failed: the " in caplog.text


def test_what_failed_before_does_not_run_again() -> None:
    before = kept()
    run_failing(started(4, before), {1, 2})
    search = started(6, before)
    assert run(search, float) == [4, 5]
    assert [one.index for one in search.found().reports[0].candidates if one.failed] == [1, 2]


def test_a_loop_in_which_the_first_and_most_others_failed_is_an_error() -> None:
    failures = module("records.failures")
    with pytest.raises(failures.CandidatesFailed, match=f"Close .node 9.: {LOOP_NAN} for candidate 0, as .* 4 of 5"):
        run_failing(started(5), {0, 1, 2, 3})
    with pytest.raises(failures.CandidatesFailed, match="8 of 8 candidates failed"):
        run_failing(started(100), set(range(100)))


def test_an_old_winner_that_fails_now_makes_all_run_again() -> None:
    before = kept()
    run(started(3, before), lambda index: float(index))
    search = started(3, before)
    assert search.wanted() == 2
    search.begins(2)
    search.add(2, look(0.0, failed=LOOP_NAN), module("loop.kept").Made("", False))
    assert run(search, lambda index: float(-index)) == [0, 1, 2]


def test_a_loop_ends_at_the_first_candidate_that_reaches_the_target() -> None:
    target = module("records.target").Target
    search = started(50, target=target(3.0))
    assert run(search, lambda index: float(index)) == [0, 1, 2, 3]
    report = search.found().reports[0]
    assert (report.stopped, report.best.index, report.to_dict()["target"]) == ("target", 3, 3.0)
    assert search.made.value == "result 3"


def test_what_earlier_runs_have_scored_ends_a_loop_at_the_same_candidate() -> None:
    before, target = kept(), module("records.target").Target
    run(started(9, before), lambda index: float(index))
    search = started(9, before, target=target(3.0))
    assert run(search, lambda index: float(index)) == [3], "its result is gone"
    assert (search.best, search.found().reports[0].stopped) == (3, "target")
    assert len(search.standing.seen) == 4
