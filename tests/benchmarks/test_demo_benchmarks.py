"""The benchmarks on the demo model run, and their tables hold what was measured."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytestmark = pytest.mark.usefixtures("comfy")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the quick form of a benchmark; its rows, and the folder with its tables."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    modules = set(sys.modules)

    def run(name: str, log: str, *options: str) -> list[dict[str, Any]]:
        importlib.import_module(name).main(["--quick", "--workers", "0", "--results", str(tmp_path), *options])
        return [json.loads(line) for line in (tmp_path / log).read_text().splitlines()]

    yield run
    for added in set(sys.modules) - modules:
        if (BENCHMARKS / f"{added}.py").exists():
            del sys.modules[added]


def test_equal_nfe_compares_every_method_at_equal_cost_and_goes_on_where_it_was(quick: Any, tmp_path: Path) -> None:
    rows = quick("equal_nfe", "equal_nfe.jsonl")
    assert {row["task"] for row in rows} == {"text", "class"}
    on_paths = [row for row in rows if row["method"].startswith("paths")]  # whose widths fit 20 steps, not 6
    assert all(row["nfe"] <= 6 * row["budget"] for row in rows if row not in on_paths) and on_paths
    at_one = [row["score"] for row in rows if (row["budget"], row["task"]) == (1, "text")]
    assert at_one == pytest.approx([at_one[0]] * len(at_one), abs=1e-3)
    best, other = (
        [row["score"] for row in rows if (row["method"], row["budget"]) == (method, 4)]
        for method in ("random", "random, by colorfulness")
    )
    assert all(mine >= theirs for mine, theirs in zip(best, other, strict=True))
    table = (tmp_path / "equal_nfe.md").read_text()
    assert all(f"\n| {row['method']} |" in table for row in rows)
    assert (tmp_path / "equal_nfe.png").stat().st_size > 10_000

    log = tmp_path / "equal_nfe.jsonl"
    kept = [row for row in rows if (row["task"], row["method"]) != ("text", "zero-order, cosine 0.6")]
    log.write_text("".join(json.dumps(row) + "\n" for row in kept))
    again = quick("equal_nfe", "equal_nfe.jsonl")
    assert again[: len(kept)] == kept
    assert sorted(map(json.dumps, again)) == sorted(map(json.dumps, rows))


def test_steps_against_the_exact_solution(quick: Any, tmp_path: Path) -> None:
    rows = quick("denoising_steps", "steps_quality.jsonl")
    distance = {(row["sampler"], row["scheduler"], row["steps"]): row["distance"] for row in rows}
    assert distance["euler", "simple", 2] > distance["euler", "simple", 6] > distance["heun", "simple", 6] > 0
    assert all(row["pilot"] > 0 for row in rows if row["scheduler"] == "adaptive")
    table = (tmp_path / "steps.md").read_text()
    assert "| euler, 6 (6) |" in table and "| 24 |" in table


def test_effective_n_is_what_the_best_of_so_many_seeds_has(quick: Any, tmp_path: Path) -> None:
    seeds = quick("seed_bank", "seed_bank.jsonl")
    assert [row["seed"] for row in seeds] == list(range(8))
    rows = quick("effective_n", "effective_n.jsonl", "--first", "0", "--captions", "1")
    assert all(0 < row["nfe"] <= 2 * 20 for row in rows)
    contenders = importlib.import_module("contenders")
    assert {row["method"] for row in rows} == set(contenders.CONTENDERS) - set(contenders.SMALLEST)
    module, bank_of = importlib.import_module("effective_n"), importlib.import_module("seed_bank")
    bank = module.Bank([bank_of.Row(**row) for row in seeds], "alignment")
    scores = sorted(row["score"] for row in seeds)
    best = bank.best_of(0)
    assert best[0] == pytest.approx(sum(scores) / 8) and best[-1] == pytest.approx(scores[-1])
    pairs = [max(one, other) for at, one in enumerate(scores) for other in scores[:at]]
    assert best[1] == pytest.approx(sum(pairs) / len(pairs))
    found = [module.Row(**{**rows[0], "score": float(best[3]), "budget": 2})]
    assert module.effective_n(found, bank)[0].value == pytest.approx(4 / 2)
    table = (tmp_path / "effective_n.md").read_text()
    assert "early scores disturbed" in table and "| 2 | auto |" in table
    assert quick("effective_n", "effective_n.jsonl", "--first", "0", "--captions", "1") == rows


def test_effective_n_per_second_is_divided_by_the_time(quick: Any, tmp_path: Path, monkeypatch: Any) -> None:
    quick("seed_bank", "seed_bank.jsonl", "--seeds", "4", "--captions", "1")
    contenders = importlib.import_module("contenders").CONTENDERS
    for method in [name for name in contenders if name != "random, pruned"]:
        monkeypatch.delitem(contenders, method)
    monkeypatch.setattr(importlib.import_module("effective_n"), "WANTED", (("random, pruned", "alignment", 0.0),))
    quick("effective_n", "effective_n.jsonl", "--first", "0", "--captions", "1")
    quick("per_second", "effective_n.jsonl", "--first", "0", "--captions", "1")
    line = (tmp_path / "per_second.md").read_text().splitlines()[-1]
    took, worth, gained = (float(cell.split()[0]) for cell in line.split("|")[3:6])
    assert line.startswith("| 2 | random, pruned |") and took > 0
    assert gained == pytest.approx(worth / took, abs=0.02 + 0.02 * worth / took)


def test_refining_is_compared_with_as_many_new_seeds(quick: Any, tmp_path: Path) -> None:
    seeds = {row["seed"]: row["score"] for row in quick("seed_bank", "seed_bank.jsonl", "--seeds", "10")}
    rows = quick("refining", "refining.jsonl")
    by_score = sorted((seeds[seed] for seed in range(8)), reverse=True)
    for taken, place in (("the best of 8", 0), ("the fourth of 8", 3)):
        own = {row["method"]: row for row in rows if row["taken"] == taken}
        assert all(row["given"] == pytest.approx(by_score[place], abs=0.05) for row in own.values())
        assert all(row["score"] >= row["given"] and row["nfe"] <= 2 * 20 for row in own.values())
        assert own["new seeds"]["score"] == pytest.approx(max(by_score[place], seeds[8], seeds[9]), abs=0.05)
    assert "| Auto Search, refine |" in (tmp_path / "refining.md").read_text()
    assert quick("refining", "refining.jsonl") == rows


def test_a_glass_step_has_the_distribution_of_what_it_draws_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of normal z, whose best prediction is known: x_s has mean, spread and covariance with x_t of equation (1)."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    others = importlib.import_module("others")
    random = torch.Generator().manual_seed(1)
    mean, width, t, s, count = 1.5, 0.5, 0.7, 0.4, 50_000

    def predict(x: torch.Tensor, level: float) -> torch.Tensor:
        share = 1 - level
        return mean + share * width**2 / (share**2 * width**2 + level**2) * (x - share * mean)

    z, noise = mean + width * torch.randn(count, generator=random), torch.randn(count, generator=random)
    x = (1 - t) * z + t * noise
    found = others.Particles(lambda _: _, random)._glass(predict, x, predict(x, t), t, s, 100)
    assert float(found.mean()) == pytest.approx((1 - s) * mean, abs=0.01)
    assert float(found.std()) == pytest.approx((((1 - s) * width) ** 2 + s**2) ** 0.5, abs=0.01)
    together = torch.cov(torch.stack([x, found]))[0, 1]
    assert float(together) == pytest.approx((1 - t) * (1 - s) * width**2 + others.RHO * t * s, abs=0.01)


def test_where_seeds_look_alike_the_same_images_are_compared(quick: Any, tmp_path: Path) -> None:
    module = importlib.import_module("low_variety")
    module.SHARES, module.METHODS = (0.1,), {key: module.METHODS[key] for key in ("plain seeds", "dispersed start")}
    rows = quick("low_variety", "low_variety.jsonl")
    plain, dispersed = rows
    assert (plain["nfe"], dispersed["nfe"]) == (8 * 20, 3 * 7 + 7 * 19)
    assert 0 < plain["apart"] < 0.05  # which the pack calls hardly different
    assert "| plain seeds | " in (tmp_path / "low_variety.md").read_text()
    assert quick("low_variety", "low_variety.jsonl") == rows


def test_a_dispersed_start_keeps_the_first_and_what_lies_farthest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [2.9, 0.0], [0.0, 2.0]])
    assert importlib.import_module("low_variety").farthest(points, 3) == [0, 2, 4]


def test_looks_ahead_are_compared_and_disturb_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    importlib.import_module("look_ahead").main(["--quick", "--results", str(tmp_path)])
    text = (tmp_path / "look_ahead.md").read_text()
    assert "1 prompts x 4 seeds" in text and "| 10 | " in text
    assert (
        "disturb trajectories by 0.0e+00" in text
        and "without looks: 80; with looks after 5 steps: 100; as counted" in text
    )


def test_good_enough_chooses_by_a_list_and_stops_at_a_target(quick: Any, tmp_path: Path) -> None:
    rows = quick("good_enough", "good_enough.jsonl")
    assert len(rows) == 2 * 4 and all(0 < row["whole"] < 1 and row["parts"] for row in rows)
    table = (tmp_path / "good_enough.md").read_text()
    assert "| checklist, geometric mean |" in table and "| the oracle's yes |" in table
    assert quick("good_enough", "good_enough.jsonl") == rows
    module, np = importlib.import_module("good_enough"), importlib.import_module("numpy")
    good, values, orders = np.array([0, 1, 0, 1]) > 0, np.array([4.0, 1.0, 3.0, 2.0]), np.array([[0, 1, 2, 3]])
    assert module.stopped(good, values, good, orders, 4) == (2.0, 1.0)
    assert module.stopped(good, values, good, orders, 4, together=4) == (4.0, 1.0)
    assert module.stopped(~good & False, values, good, orders, 3) == (3.0, 0.0)
