"""Pruning by hand: when a search pauses so that a person says which candidates go on.

Two cuts, after 30 and 60 % of the steps: a person does not want more. At the first one sees the composition, at the
second nearly the whole picture. The verifier would go on with half of them each time, and so many start that its choice
costs what `candidates` in full cost: of 8 at 20 steps 14 start, 7 and then 3 go on. A person may take more or fewer,
which costs more or less.
"""

from __future__ import annotations

from dataclasses import replace

from .checks import SettingError
from .pruning import Pace, Race, plan

BY_HAND = "by hand"
PACE = Pace((30, 60), 0.5)
MOST_CANDIDATES = 32  # of which 58 start: a person looks at them all
ANSWER_WITHIN = 300  # seconds


def check_by_hand(candidates: int) -> None:
    if candidates > MOST_CANDIDATES:
        raise SettingError(
            f"candidates is {candidates}; with pruning by hand it has to be at most {MOST_CANDIDATES}, since a person "
            "looks at all that start, and more than so many do."
        )


def hand_plan(budget: int, steps: int, most_rows: int, answer_within: float) -> tuple[Race, ...]:
    """As pruning.plan. answer_within: seconds that people have."""
    return tuple(replace(race, answer_within=answer_within) for race in plan(budget, steps, PACE, most_rows))
