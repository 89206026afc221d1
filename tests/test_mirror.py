"""Tests mirror the folders, file for file: whoever opens a module knows where its tests are."""

from __future__ import annotations

from pathlib import Path

import pytest

import imports
from layout import ROOT

FOLDERS = ("search", "nodes", "verifiers")

# Modules without a file of their own, by the tests that run them.
WITHOUT_OWN = {
    "tests/search/pictures/test_report_plot.py": ("search/pictures/drawing.py",),
    "tests/server/test_own_method.py": (
        "search/methods/base.py",
        "nodes/searches/base.py",
    ),
    "tests/search/board/test_board.py": ("search/board/boards.py",),
    "tests/search/records/test_standing.py": ("search/records/candidate.py",),
    "tests/search/test_driver.py": (
        "search/evaluate.py",
        "search/results.py",
        "search/sampling/call.py",
        "search/sampling/rows.py",
        "search/sampling/together.py",
        "search/records/grid.py",
        "search/patch.py",
        "search/sampling/trajectories.py",
    ),
    "tests/search/test_replay.py": ("nodes/replay.py",),
    "tests/search/board/test_by_hand.py": ("search/methods/by_hand.py",),
    "tests/search/methods/test_paths_on_models.py": ("search/sampling/levels.py", "search/sampling/stretches.py"),
    "tests/search/sampling/test_samplers.py": ("search/sampling/onlookers.py", "search/sampling/sharing.py"),
    "tests/search/judging/test_judge.py": (
        "search/judging/scoring.py",
        "search/judging/decoding.py",
    ),
    "tests/search/history/test_known.py": ("search/board/watch.py",),
    "tests/search/loop/test_body.py": ("search/host/graph.py",),
    "tests/search/loop/test_search.py": ("search/loop/looped.py",),
    "tests/nodes/test_candidates.py": ("search/sampling/noise_objects.py",),
    "tests/nodes/test_contract.py": ("nodes/types.py",),
    "tests/nodes/test_step_scheduler.py": (
        "search/pictures/schedule_plot.py",
        "search/steps/adaptive.py",
        "search/steps/modes.py",
        "search/steps/on_model.py",
        "search/steps/schedules.py",
        "search/steps/solver_cost.py",
    ),
    "tests/nodes/searches/test_limits.py": (
        "nodes/inputs.py",
        "search/methods/checks.py",
        "nodes/searches/auto_search.py",
        "nodes/searches/zero_order.py",
    ),
    "tests/nodes/verifiers/test_files.py": (
        "nodes/verifiers/base.py",
        "nodes/verifiers/features.py",
        "nodes/verifiers/scores.py",
        "verifiers/files.py",
    ),
    "tests/nodes/verifiers/test_loaders.py": (
        "nodes/verifiers/ensemble.py",
        "nodes/verifiers/text.py",
        "nodes/verifiers/vlm.py",
    ),
    "tests/server/test_verifiers.py": ("nodes/verifiers/distribution.py",),
    "tests/server/test_board.py": ("search/board/routes.py",),
    "tests/server/test_loop.py": ("nodes/loop_parts.py", "search/loop/copies.py"),
    "tests/server/test_templates.py": ("nodes/old_templates.py",),
    "tests/server/test_loop_kept.py": ("search/loop/kept.py",),
    "tests/verifiers/test_parity.py": (
        "verifiers/aesthetic.py",
        "verifiers/clip_score.py",
        "verifiers/hps.py",
        "verifiers/image_reward.py",
        "verifiers/pickscore.py",
        "verifiers/networks/bert.py",
        "verifiers/networks/clip.py",
        "verifiers/networks/keys.py",
        "verifiers/networks/tokens.py",
        "verifiers/networks/towers.py",
    ),
    "tests/verifiers/test_features.py": (
        "verifiers/classes.py",
        "verifiers/consistency.py",
        "verifiers/reference.py",
    ),
    "tests/verifiers/test_distribution.py": ("verifiers/networks/inception.py",),
    "tests/verifiers/networks/test_offloaded.py": ("verifiers/networks/managed.py",),
}
NAMED = [module for modules in WITHOUT_OWN.values() for module in modules]


def own_test(module: str) -> Path:
    """search/board/board.py -> tests/search/board/test_board.py"""
    path = Path(module)
    return imports.ROOT / "tests" / path.parent / f"test_{path.name}"


def untested() -> list[str]:
    """Modules that have no file of tests where it would be looked for."""
    paths = [path for path in imports.modules(*FOLDERS) if path.name != "__init__.py"]
    modules = [path.relative_to(imports.ROOT).as_posix() for path in paths]
    assert modules
    return [module for module in modules if not own_test(module).is_file()]


def test_every_module_has_its_file_of_tests_or_is_named_with_the_tests_that_run_it() -> None:
    assert sorted(set(untested()) - set(NAMED)) == []


def test_what_is_named_is_there_once_and_has_no_file_of_its_own() -> None:
    assert len(NAMED) == len(set(NAMED))
    assert sorted(set(NAMED) - set(untested())) == []
    assert [tests for tests in WITHOUT_OWN if not (ROOT / tests).is_file()] == []


def test_a_module_without_tests_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    for name in ("search/board/a.py", "search/board/b.py", "search/__init__.py", "tests/search/board/test_a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert untested() == ["search/board/b.py"]
