"""The replay of pruning on recorded rewards: exact where it can be checked by hand, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from noise_search.benchmarks import pruning_replay
from noise_search.benchmarks.pruning_replay import (
    baseline,
    best_of_n,
    distinct,
    draws,
    main,
    measure,
    multiplier,
    pace_of,
    price,
    run_search,
    with_errors,
)
from noise_search.search.methods import pruning
from noise_search.search.methods.pruning import COARSE, FAST, FINE, Cut, Pace, Race, plan

PROMPTS, SEEDS, STEPS = 12, 40, 20


def rewards_with(noise: float, seed: int = 0) -> np.ndarray:
    """Rewards [prompts, seeds, steps] whose early scores miss the final one by `noise` standard deviations."""
    rng = np.random.default_rng(seed)
    finals = rng.standard_normal((PROMPTS, SEEDS, 1))
    errors = rng.standard_normal((PROMPTS, SEEDS, STEPS)) * noise
    errors[:, :, -1] = 0
    return finals + errors


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "rewards.npz"
    np.savez(path, good=rewards_with(0.2), fair=rewards_with(0.8), version=np.array(1))
    return path


def test_the_rule_is_that_of_the_search() -> None:
    assert pruning_replay.plan is pruning.plan
    assert pruning_replay.survivors is pruning.survivors


def test_best_of_n_equals_the_mean_over_all_subsets() -> None:
    finals = np.array([[0.3, -1.0, 2.0, 0.3, 5.0]])
    expected = [np.mean([max(subset) for subset in combinations(finals[0], n)]) for n in range(1, 6)]
    assert best_of_n(finals)[0] == pytest.approx(expected)


def test_a_multiplier_is_interpolated_between_whole_n() -> None:
    plain = np.array([1.0, 2.0, 2.5, 2.5])
    assert multiplier(2.0, plain, 2) == pytest.approx(1.0)
    assert multiplier(2.25, plain, 2) == pytest.approx(1.25)
    assert multiplier(9.0, plain, 2) == pytest.approx(1.5)


def test_a_seed_recorded_twice_counts_once() -> None:
    rewards = rewards_with(0.5)
    repeated = np.concatenate([rewards, rewards[:, :7]], axis=1)
    assert np.array_equal(distinct(repeated), rewards)


def test_a_weaker_verifier_has_the_same_finals_and_larger_errors() -> None:
    rewards, weaker = (with_errors(rewards_with(0.5), factor) for factor in (1.0, 2.0))
    assert np.allclose(weaker[:, :, -1], rewards[:, :, -1])
    assert np.allclose(weaker - rewards[:, :, -1:], 2 * (rewards - rewards[:, :, -1:]))


def test_a_search_takes_the_best_final_score_of_the_survivors() -> None:
    rows = np.array([[3.0, 0.0, 1.0], [2.0, 5.0, 4.0], [1.0, 9.0, 9.0], [2.5, 4.0, 6.0]])
    assert run_search(rows, [Race(3, 4, (Cut(1, 3), Cut(2, 1)))]) == 4.0
    assert run_search(rows, [Race(3, 2), Race(3, 2, (Cut(1, 1),))]) == 6.0


def test_draws_use_every_seed_before_one_comes_again() -> None:
    sets = list(draws(np.arange(12)[:, None], 4, 6, np.random.default_rng(0)))
    assert all(len(set(drawn[:, 0])) == 4 for drawn in sets)
    assert sorted(np.concatenate(sets[:3])[:, 0]) == list(range(12))


def test_plain_search_has_the_multiplier_one() -> None:
    plain = measure("any", rewards_with(1.0), 4, rule=lambda budget, steps: [Race(steps, budget)], searches=400, seed=0)
    assert plain.effective_n == pytest.approx(1.0, abs=0.05)


def test_scores_are_paid_for_like_steps() -> None:
    races = [Race(20, 6, (Cut(10, 2),))]
    assert price(races, 4, 0) == 4
    assert price(races, 4, 5) == (80 + 8 * 5) / 25
    assert price([Race(20, 4)], 4, 5) == 4


def test_plain_search_has_the_multiplier_one_whatever_a_score_costs() -> None:
    rule = lambda budget, steps: [Race(steps, budget)]  # noqa: E731
    free, dear = (
        measure("any", rewards_with(1.0), 4, rule=rule, searches=9, seed=0, score_cost=cost).effective_n
        for cost in (0, 4)
    )
    assert free == dear


def test_dear_scores_gain_less() -> None:
    gains = [measure("any", rewards_with(0.5), 8, rule=plan, searches=9, seed=0, score_cost=cost) for cost in (0, 1)]
    assert [gain.scores for gain in gains] == [77, 77]
    assert gains[1].price == pytest.approx((160 + 77) / 21)
    assert gains[0].effective_n * 8 == pytest.approx(gains[1].effective_n * gains[1].price)


def test_an_array_has_the_pace_of_its_verifier() -> None:
    assert pace_of("sdxl_image_reward", "own", None) is FAST
    assert pace_of("flux_pick_score", "own", None) is FINE
    assert pace_of("sdxl_image_reward", "coarse", None) is COARSE
    assert pace_of("sdxl_image_reward", "own", 0.7) == Pace(FAST.checkpoints, 0.7)


def test_better_early_scores_gain_more() -> None:
    gains = [measure("any", rewards_with(noise), 8, rule=plan, searches=40, seed=0) for noise in (0.0, 0.7, 30.0)]
    perfect, fair, useless = (gain.effective_n for gain in gains)
    assert perfect > fair > 1.1
    assert useless < 0.6


@pytest.mark.parametrize("budget", [1, 2, 4, 8, 16])
def test_the_baseline_rule_keeps_to_the_budget(budget: int) -> None:
    (race,) = baseline(budget, 20)
    assert race.cost <= budget * 20


def test_the_last_line_is_json(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(recorded), "--array", "good", "--budget", "4", "--searches", "10", "--json"]
    assert main(options) == 0
    words, line = capsys.readouterr().out.strip().splitlines()
    answer = json.loads(line)
    assert (answer["array"], answer["budget"]) == ("good", 4)
    assert answer["effective_n"] > 1.1
    assert "effective-N multiplier" in words


def test_without_a_choice_there_is_a_table_of_all(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(recorded), "--searches", "5", "--half", "held-out", "--json"]) == 0
    *lines, line = capsys.readouterr().out.strip().splitlines()
    assert sum(row.startswith(("| good", "| fair")) for row in lines) == 6
    assert len(json.loads(line)["results"]) == 6


def test_the_same_command_gives_the_same_numbers(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(recorded), "--array", "fair", "--budget", "8", "--searches", "5", "--json"]
    first, second = (main(options) or capsys.readouterr().out for _ in range(2))
    assert first == second


def test_it_runs_by_itself_without_comfyui(recorded: Path) -> None:
    barred = """
import runpy, sys

class Barred:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("comfy", "nodes", "folder_paths"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Barred())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    command = [sys.executable, "-c", barred, pruning_replay.__file__, "--data", str(recorded), "--searches", "2"]
    done = subprocess.run(command, cwd=recorded.parent, capture_output=True, text=True)
    assert "| good | 16 | 1.00 |" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--array", "absent"], "no array absent of prompts x seeds x steps, only good, fair"),
        (["--budget", "200"], "only 40 seeds are recorded"),
    ],
)
def test_what_cannot_be_replayed_is_said(recorded: Path, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["--data", str(recorded), *options])
