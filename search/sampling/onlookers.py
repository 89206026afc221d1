"""What solvers look at beside the prediction, when it is made in parts.

Those named cfg_pp want the unconditional prediction. They leave a function among the model's options, which the host
calls with each prediction it makes. Where that is one of some rows only, the function gets those of all rows later.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

KEY = "sampler_post_cfg_function"
LOOKED_AT = ("cond_denoised", "uncond_denoised")


class Onlookers:
    """Of one solver. own: how many such functions the model has itself; they are called with every part.

    seen: what there is to look at [rows, ...], by name; of rows that are not predicted any more, what was there last.
    """

    def __init__(self, own: int):
        self.own = own
        self.seen: dict[str, Tensor] = {}
        self._told: dict[str, Any] = {}

    def aside(self, model_options: dict[str, Any]) -> dict[str, Any]:
        """The options for predicting the next parts: the solver's functions are not called."""
        self.seen = {name: whole.clone() for name, whole in self.seen.items()}  # a solver may keep what it has seen
        functions = model_options.get(KEY, [])
        if len(functions) <= self.own:
            return model_options
        return {**model_options, KEY: [*functions[: self.own], self._note]}

    def without(self, model_options: dict[str, Any]) -> dict[str, Any]:
        """The options for predictions that the solver does not get to see."""
        functions = model_options.get(KEY, [])
        return model_options if len(functions) <= self.own else {**model_options, KEY: functions[: self.own]}

    def take(self, rows: Tensor, x: Tensor) -> None:
        """What was noted is of these rows of x [rows, ...]."""
        for name in LOOKED_AT if self._told else ():
            whole = self.seen.get(name)
            self.seen[name] = torch.empty_like(x) if whole is None else whole
            self.seen[name][rows] = self._told[name]

    def call(self, model_options: dict[str, Any], x: Tensor, sigma: Tensor, prediction: Tensor) -> Tensor:
        """Let the solver look at all rows together; returns the prediction, which it may change."""
        for function in model_options.get(KEY, [])[self.own :]:
            prediction = function({**self._told, **self.seen, "input": x, "sigma": sigma, "denoised": prediction})
        return prediction

    def _note(self, told: dict[str, Any]) -> Tensor:
        self._told = told
        return told["denoised"]
