"""Who scores a search's candidates, as the browser is told it."""

from __future__ import annotations

import json

from noise_search.search.records.hand import MOST_TOLD, Hand, told


def test_all_are_told_in_their_order() -> None:
    hands = [Hand("this GPU", "waits"), Hand("worker 1", "runs", (4, 5), 7, 40, done=3)]
    found = json.loads(json.dumps(told(hands)))
    assert found["count"] == 2
    assert [hand["who"] for hand in found["first"]] == ["this GPU", "worker 1"]
    assert found["first"][1] == {
        "who": "worker 1",
        "state": "runs",
        "numbers": [4, 5],
        "steps": 7,
        "work": 40,
        "done": 3,
    }


def test_of_very_many_those_that_run_are_told() -> None:
    hands = [Hand(f"worker {at}", "runs" if at >= 450 else "starts") for at in range(512)]
    found = told(hands)
    assert found["count"] == 512
    assert len(found["first"]) == MOST_TOLD
    assert [hand["who"] for hand in found["first"]][:2] == ["worker 450", "worker 451"]
    assert [hand["state"] for hand in found["first"]].count("runs") == 62
