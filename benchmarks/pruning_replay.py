"""What progressive pruning gains on recorded rewards, by the very rule that the search uses.

    python benchmarks/pruning_replay.py --data FILE.npz [--array NAME] [--budget N] [--half held-out] [--json]

FILE holds arrays [prompts, seeds, steps]: a verifier's score of the x0 prediction after each step, the last one that of
the final image; higher is better. A search draws seeds at random, runs the plan of `search.methods.pruning` on them and
is paid in full for its budget of N trajectories, whether or not it used all of it.

The effective-N multiplier is n / N, where plain best-of-n reaches the same mean final score as the pruned searches. The
mean of plain best-of-n is exact: over all subsets of n recorded seeds, interpolated between whole n. The interval is a
bootstrap over prompts, 90 %. Seeds recorded twice count once: two equal rows are not two candidates.

With `--score-cost R` a score takes as long as R steps of one trajectory, in plain search too: N is then what the pruned
search takes, its full budget and all its scores, in trajectories of S steps with one score each.

An array is pruned at the pace that its verifier asks for (ImageReward: fast), or at that of `--pace`.

It needs numpy, scipy and torch, not ComfyUI.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

sys.path += [str(Path(__file__).resolve().parents[1] / "scripts" / folder) for folder in ("", "harness")]
import pack_alias

pack_alias.register()
from noise_search.benchmarks.stats import resampled  # noqa: E402
from noise_search.search.methods.pruning import PACES, Cut, Pace, Race, plan, survivors  # noqa: E402

BUDGETS = (4, 8, 16)
HALVES = {"all": slice(None), "development": slice(0, None, 2), "held-out": slice(1, None, 2)}
OWN, FAST_ARRAYS = "own", "image_reward"  # in the name of those whose verifier says that it is fast
BOOTSTRAPS = 400
Rule = Callable[[int, int], Sequence[Race]]  # (budget, steps) -> races


@dataclass(frozen=True)
class Result:
    """effective_n: the multiplier; low, high: its interval. score: mean final score of the pruned searches.
    price: the N of the multiplier, see `price`."""

    effective_n: float
    low: float
    high: float
    budget: int
    array: str
    prompts: int
    seeds: int
    steps: int
    score: float
    trajectories_started: int
    trajectories_paid: float
    trajectories_finished: int
    scores: int
    price: float


def baseline(budget: int, steps: int) -> tuple[Race, ...]:
    """The rule to beat: 1.5 N start, half go on at 40 % of the steps, two thirds of those at 65 %; none below N = 4."""
    if budget < 4:
        return (Race(steps, budget),)
    starts = budget * 3 // 2
    cuts = (Cut(math.ceil(0.4 * steps), starts // 2), Cut(math.ceil(0.65 * steps), starts // 2 * 2 // 3))
    return (Race(steps, starts, cuts),)


def distinct(rewards: np.ndarray) -> np.ndarray:
    """Rewards [prompts, seeds, steps] without the seeds that repeat an earlier one at every prompt and step."""
    by_seed = rewards.swapaxes(0, 1).reshape(rewards.shape[1], -1)
    first = np.unique(by_seed, axis=0, return_index=True)[1]
    return rewards[:, np.sort(first)]


def with_errors(rewards: np.ndarray, factor: float) -> np.ndarray:
    """Rewards of a weaker verifier: `factor` times the distance of each score from the final one.

    Scores are in standard deviations among the seeds of their prompt and step.
    """
    spread = rewards.std(axis=1, keepdims=True)
    scores = (rewards - rewards.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    finals = scores[:, :, -1:]
    return finals + factor * (scores - finals)


def best_of_n(finals: np.ndarray) -> np.ndarray:
    """Mean of the best of n = 1 .. seeds finals drawn without replacement, exact: [prompts, seeds] -> [prompts, n]."""
    ascending = np.sort(finals, axis=1)
    seeds = finals.shape[1]
    chances = np.zeros((seeds, seeds))  # [rank, n - 1]: the best of n has this rank
    for n in range(1, seeds + 1):
        for rank in range(n - 1, seeds):
            chances[rank, n - 1] = math.comb(rank, n - 1) / math.comb(seeds, n)
    return ascending @ chances


def run_search(rows: np.ndarray, races: Sequence[Race]) -> float:
    """Final score of the winner among recorded trajectories [rows, steps], taken in order."""
    finals: list[float] = []
    first = 0
    for race in races:
        alive = list(range(first, first + race.starts))
        for cut in race.cuts:
            alive = survivors({row: float(rows[row, cut.step - 1]) for row in alive}, cut.keep)
        finals += [float(rows[row, -1]) for row in alive]
        first += race.starts
    return max(finals)


def draws(trajectories: np.ndarray, rows: int, searches: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`searches` random sets of `rows` trajectories; no seed comes again before nearly all have come."""
    sets = len(trajectories) // rows
    for number in range(searches):
        if number % sets == 0:
            shuffled = rng.permutation(trajectories)
        yield shuffled[number % sets * rows :][:rows]


def replay(rewards: np.ndarray, races: Sequence[Race], searches: int, seed: int) -> np.ndarray:
    """Mean final score for each prompt [prompts] of `searches` searches with seeds drawn at random."""
    rng = np.random.default_rng(seed)
    rows = sum(race.starts for race in races)
    if rows > rewards.shape[1]:
        raise SystemExit(f"The plan starts {rows} trajectories, but only {rewards.shape[1]} seeds are recorded.")
    return np.array(
        [np.mean([run_search(drawn, races) for drawn in draws(prompt, rows, searches, rng)]) for prompt in rewards]
    )


def price(races: Sequence[Race], budget: int, score_cost: float) -> float:
    """The full budget and all scores of the races, in full trajectories with a score each; that costs so many steps."""
    steps = races[0].steps
    return (budget * steps + sum(race.scores for race in races) * score_cost) / (steps + score_cost)


def multiplier(score: float, plain: np.ndarray, budget: float) -> float:
    """n / budget with plain [n] best-of-n equal to the score; a plateau counts with its first n."""
    rising = np.concatenate([[True], np.diff(plain) > 0])
    return float(np.interp(score, plain[rising], np.arange(1, len(plain) + 1)[rising])) / budget


def measure(
    name: str, rewards: np.ndarray, budget: int, *, rule: Rule, searches: int, seed: int, score_cost: float = 0.0
) -> Result:
    """Replay `rule` on rewards [prompts, seeds, steps] and compare it with plain best-of-n of the same seeds."""
    rewards = distinct(rewards)
    prompts, seeds, steps = rewards.shape
    races = rule(budget, steps)
    scores, plain = replay(rewards, races, searches, seed), best_of_n(rewards[:, :, -1])

    paid = price(races, budget, score_cost)

    def gain(chosen: np.ndarray) -> np.ndarray:
        means = zip(scores[chosen].mean(-1).flat, plain[chosen].mean(-2).reshape(-1, seeds), strict=True)
        return np.reshape([multiplier(*both, paid) for both in means], chosen.shape[:-1])

    return Result(
        *resampled(gain, prompts, resamples=BOOTSTRAPS, seed=seed),
        *(budget, name, prompts, seeds, steps, float(scores.mean())),
        trajectories_started=sum(race.starts for race in races),
        trajectories_paid=sum(race.cost for race in races) / steps,
        trajectories_finished=sum(race.finishers for race in races),
        scores=sum(race.scores for race in races),
        price=paid,
    )


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def in_words(result: Result) -> str:
    return (
        f"{result.array}, budget {result.budget}: {result.trajectories_started} started, "
        f"{result.trajectories_finished} finished, {result.trajectories_paid:.2f} trajectories' worth of steps. "
        f"The winner is as good as that of plain best-of-{result.effective_n * result.price:.1f}: "
        f"effective-N multiplier {result.effective_n:.3f} ({result.low:.2f} to {result.high:.2f}), "
        f"on {result.prompts} prompts and {result.seeds} seeds."
    )


def table(results: Sequence[Result], baselines: Sequence[Result]) -> list[str]:
    lines = [
        "| array | budget | plain best-of-N | baseline rule | this rule | 90 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for ours, theirs in zip(results, baselines, strict=True):
        lines.append(
            f"| {ours.array} | {ours.budget} | 1.00 | {theirs.effective_n:.2f} | **{ours.effective_n:.2f}** "
            f"| {ours.low:.2f} to {ours.high:.2f} |"
        )
    means = [geometric_mean([result.effective_n for result in column]) for column in (baselines, results)]
    lowest = [min(result.effective_n for result in column) for column in (baselines, results)]
    lines.append(f"| geometric mean | | 1.00 | {means[0]:.3f} | **{means[1]:.3f}** | |")
    lines.append(f"| lowest | | 1.00 | {lowest[0]:.2f} | **{lowest[1]:.2f}** | |")
    return lines


def command_line(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="npz of arrays [prompts, seeds, steps]")
    parser.add_argument("--array", help="only this one (default: all)")
    parser.add_argument("--budget", type=int, help=f"in full trajectories (default: {BUDGETS})")
    parser.add_argument("--half", choices=HALVES, default="all", help="which prompts: even numbers are development")
    parser.add_argument("--pace", choices=[OWN, *PACES], default=OWN, help="default: that of the array's verifier")
    parser.add_argument("--keep", type=float, help="of the rows at each cut (default: that of the pace)")
    parser.add_argument("--score-cost", type=float, default=0.0, help="of one score, in steps of one trajectory")
    parser.add_argument("--errors", type=float, help="replay a weaker verifier: times the error of early scores")
    parser.add_argument("--searches", type=int, default=100, help="a prompt (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    return parser.parse_args(arguments)


def load(path: Path, array: str | None, half: str) -> dict[str, np.ndarray]:
    """Rewards [prompts, seeds, steps] by name."""
    with np.load(path) as data:
        arrays = {name: data[name][HALVES[half]].astype(float) for name in data.files if data[name].ndim == 3}
    if array is not None and array not in arrays:
        raise SystemExit(f"{path} has no array {array} of prompts x seeds x steps, only {', '.join(arrays) or 'none'}.")
    return arrays if array is None else {array: arrays[array]}


def pace_of(array: str, name: str, keep: float | None) -> Pace:
    """The pace of this name, with another share that goes on if there is one."""
    own = "fast" if FAST_ARRAYS in array else "fine"
    pace = PACES[own if name == OWN else name]
    return pace if keep is None else Pace(pace.checkpoints, keep)


def summary(results: Sequence[Result], array: str | None, budget: int | None) -> dict[str, object]:
    return {
        "effective_n": geometric_mean([result.effective_n for result in results]),
        "lowest": min(result.effective_n for result in results),
        "budget": budget,
        "array": array,
        "results": [asdict(result) for result in results],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = command_line(arguments)
    arrays = load(options.data, options.array, options.half)
    if options.errors is not None:
        arrays = {name: with_errors(distinct(rewards), options.errors) for name, rewards in arrays.items()}
    budgets = BUDGETS if options.budget is None else (options.budget,)
    jobs = [(name, rewards, budget) for name, rewards in arrays.items() for budget in budgets]
    measured = partial(measure, searches=options.searches, seed=options.seed, score_cost=options.score_cost)
    results = [measured(*job, rule=partial(plan, pace=pace_of(job[0], options.pace, options.keep))) for job in jobs]
    if len(results) == 1:
        print(in_words(results[0]))
        answer = asdict(results[0])
    else:
        print(f"Measured on {datetime.date.today()}, {options.half} prompts, {options.searches} searches a prompt.\n")
        print("\n".join(table(results, [measured(*job, rule=baseline) for job in jobs])))
        answer = summary(results, options.array, options.budget)
    if options.json:
        print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
