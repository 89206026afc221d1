"""What was proven of a sampler call is found again, and told to whoever keeps it."""

from __future__ import annotations

from noise_search.search.records.outcomes import Outcomes


def test_what_is_kept_is_found_and_told() -> None:
    told: list[tuple[str, int | str]] = []
    outcomes = Outcomes(lambda kind, outcome: told.append((kind, outcome)))
    assert outcomes.find("plain") is None
    outcomes.keep("plain", 4)
    outcomes.keep("race", "a guider")
    assert (outcomes.find("plain"), outcomes.find("race")) == (4, "a guider")
    assert told == [("plain", 4), ("race", "a guider")]
