"""Search as a patch on MODEL: whatever sampler the model goes into, searches."""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import comfy.model_base
import torch
from comfy_execution.graph import DynamicPrompt
from torch import Tensor

from ..verifiers.base import Verifier, check_prompt, parts
from .board.board import Board
from .crew import by_value, errands
from .crew.seam import CREWS, Errand, Job, Nobody, Offer
from .driver import Driver, Outcome
from .history.known import Known
from .history.ledger import Page
from .history.pages import page_of
from .host import outputs
from .host.graph import upstream
from .host.prompt_text import Judged, has_choices, judged_by
from .host.prompts import PROMPTS, Prompt
from .judging.judge import Judge
from .plan import Plan
from .remaking import ScoresChanged
from .results import Run, Search, fingerprint
from .sampling.call import SamplerCall
from .sampling.draws import latent_of
from .sampling.levels import Levels, thin
from .sampling.listening import tell
from .sampling.source import NoiseSource
from .sampling.wordings import Wordings
from .sampling.wrappers import Wrappers


def put_on(
    model: Any,
    plan: Plan,
    vae: Any,
    verifier: Verifier,
    prompt: str,
    noise: Any = None,
    wordings: Wordings | None = None,
) -> tuple[Any, Search]:
    """A clone of MODEL that searches in every sampler it goes into, and the SEARCH that will hold the reports.

    noise: the NOISE object that the sampler gets as well; it is asked for other seeds where it is not ComfyUI's.
    wordings: that candidates may be drawn with; those of the plan.
    """
    search = Search(plan.title)
    return _Searching(plan, vae, verifier, prompt, search, noise, wordings).put_on(model, plan.title), search


class _Searching(Wrappers):
    """Runs a search where the sampler would have run once."""

    def __init__(
        self,
        plan: Plan,
        vae: Any,
        verifier: Verifier,
        prompt: str,
        search: Search,
        noise: Any,
        wordings: Wordings | None,
    ):
        super().__init__()
        self.plan = plan
        self.vae = vae
        self.verifier = verifier
        self.prompt = prompt
        self.search = search
        self.noise = noise
        self.wordings = wordings

    def run(self, call: SamplerCall) -> Tensor | None:
        if self._passes_through(call):
            return None
        call = self._worded(call)
        told = self._judged_by()
        check_prompt(self.verifier, told.text, self.plan.title)
        judge = Judge(self.vae, self.verifier, told.text, call.shapes, self.plan.frames)
        misfit = judge.misfit()
        if misfit:
            raise ValueError(f"{self.plan.title}: {misfit}")
        self._check_batch(call)
        source = self._source(call)
        plan = self._for_this(source, call)
        for level in judge.prediction_levels:
            self._check_prediction(level, call)
        prompt, (node, item) = PROMPTS.executing()
        place = ("" if prompt is None else prompt.id, node, item)
        errand = CREWS.errand
        if errand is not None and errand.search == self.plan.node and errand.sampler == node:
            return self._run_errand(errand, item, plan, call, judge, source)
        outcome, board = self._search(plan, call, judge, source, place)
        reports = [replace(report, prompt=told.text if told.is_drawn else "") for report in outcome.reports]
        board.reports = reports
        result = weakref.ref(outcome.latents), fingerprint(outcome.latents)
        kept = [*outcome.kept] if self.plan.limits.keep > 1 else []
        self.search.add(Run(*result, reports, place, kept))
        where = {"node": board.node, "board": board.id, "images": len(outcome.reports)}
        PROMPTS.record([{**where, "image": image, **report.winner()} for image, report in enumerate(outcome.reports)])
        tell(call, outcome.way, outcome.x0, outcome.latents, self.plan.total_steps(call.steps))
        return outcome.latents

    def _worded(self, call: SamplerCall) -> SamplerCall:
        """With the wordings that candidates may be drawn with, that of a recipe to refine among them."""
        given = self.plan.method.refine
        try:
            if self.wordings is not None:
                self.wordings.check(call.guider.conds)
            if given is not None:
                (self.wordings or Wordings([])).conds(call.guider.conds, given.wording)
        except ValueError as error:
            raise ValueError(f"{self.plan.title}: {error}") from None
        return call if self.wordings is None else replace(call, wordings=self.wordings)

    def _for_this(self, source: NoiseSource, call: SamplerCall) -> Plan:
        """The plan, with a recipe to refine as it is in this sampler call. Raises ValueError where it can not be."""
        given, title = self.plan.method.refine, self.plan.title
        if given is None:
            return self.plan
        if len(call.noise) > 1:
            raise ValueError(
                f"{title}: `refine` holds the recipe of one image, but this sampler makes {len(call.noise)} at once. "
                "Set the batch size of its latent to 1, or empty `refine`."
            )
        begins = Levels(call.guider.model_patcher.get_model_object("model_sampling")).level(float(call.sigmas[0]))
        if given.path is not None and given.path.start is not None and given.path.start >= begins:
            raise ValueError(
                f"{title}: the recipe's path begins at noise level {given.path.start:g}, but this sampler starts at "
                f"{begins:.2f}. Set denoise to what it was where the recipe comes from, or empty `refine`."
            )
        return self.plan.refining(source.taken(given, title))

    def _judged_by(self) -> Judged:
        if not self.verifier.needs_prompt:
            return Judged(self.prompt, False)
        told = judged_by(self.prompt, self.plan.title, self.verifier.name)
        if told.is_drawn:
            PROMPTS.tell_judged_by(told.text, self.plan.node)
        return told

    def _search(
        self, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource, place: tuple[str, str, int]
    ) -> tuple[Outcome, Board]:
        """With what earlier runs know; without, when that does not hold any more."""
        if source.note:
            logging.warning("%s: %s", self.plan.title, source.note)
        page = page_of(call, self.plan.node, self.plan.title, source.name)
        known = Known(page, self.plan.title, parts(self.verifier), *([self.wordings.named] if self.wordings else []))
        while True:
            driver = Driver(plan, call, judge, source, known, self._offer(page, place, judge.prompt))
            try:
                return driver.run(), driver.board
            except ScoresChanged:
                known.forget()

    def _source(self, call: SamplerCall) -> NoiseSource:
        return NoiseSource(call.noise, call.seed, call.shapes, latent_of(call.latent_image, call.shapes), self.noise)

    def _run_errand(
        self, errand: Errand, item: int, plan: Plan, call: SamplerCall, judge: Judge, source: NoiseSource
    ) -> Tensor:
        """For the search of another process. Nobody looks at the latents."""
        if item == errand.item and not errand.is_done:
            errands.run(errand, plan, call, judge, source)
        return call.latent_image

    def _offer(self, page: Page, place: tuple[str, str, int], judged_by: str) -> Offer | None:
        """Others who run candidates of this call; None where people have not asked for them. judged_by: the text."""
        prompt, (sampler, item) = PROMPTS.executing()
        crew = None if prompt is None else CREWS.crew(prompt.settings)
        if prompt is None or crew is None:
            return None
        graph = DynamicPrompt(dict(prompt.nodes))
        is_queued = graph.has_node(sampler) and graph.has_node(self.plan.node)
        before = upstream(graph, [sampler]) if is_queued else []
        because = self._here_because(prompt, page, place, before)
        nodes = {node: prompt.nodes[node] for node in before}
        if not because:
            nodes = self._given(nodes, sampler, judged_by)
        job = Job(nodes, sampler, self.plan.node, item, self.plan.title)
        return Offer(Nobody(f"All candidates ran on this GPU, because {because}.") if because else crew, job)

    def _given(self, nodes: dict[str, Any], sampler: str, judged_by: str) -> dict[str, Any]:
        """With values in place of nodes, where those are not read for the text that candidates are judged by."""
        if judged_by != self.prompt:
            if has_choices(judged_by):
                return nodes
            search = nodes[self.plan.node]
            nodes = {**nodes, self.plan.node: {**search, "inputs": {**search["inputs"], "prompt": judged_by}}}
        return by_value.given(nodes, sampler, outputs.made)

    def _here_because(self, prompt: Prompt, page: Page, place: tuple[str, str, int], before: Sequence[str]) -> str:
        """Why nobody else can make this sampler call; empty where others can."""
        if not before:
            return "the sampler is a part of another node"
        if page.path is None:
            return "something before the sampler may give something else each time"
        if any(run.place == place for run in self.search.runs):
            return "its node calls the sampler several times"
        if any(known.queued in before and known.queued != place[1] for known in prompt.found):
            return "another search comes before the sampler"
        return ""

    def _check_batch(self, call: SamplerCall) -> None:
        """Raises ValueError when the images of the batch are the frames of one video: each would get its own winner."""
        if isinstance(call.guider.model_patcher.model, comfy.model_base.SVD_img2vid) and len(call.noise) > 1:
            raise ValueError(
                f"{self.plan.title}: this model makes the whole batch into one video, but a search picks each image of "
                "a batch by itself. Put Search Loop Open and Search Loop Close around the sampler instead."
            )

    def _check_prediction(self, level: float, call: SamplerCall) -> None:
        """Raises ValueError when the prediction that the verifier compares with is not one on the way."""
        if self.plan.method.races:
            raise ValueError(
                f"{self.plan.title}: {self.verifier.name} compares an image with what was predicted on the way to it, "
                "so it can not judge candidates that are still on the way. Use Random Search without pruning."
            )
        begins = float(thin(call.sigmas, self.plan.limits.search_steps or call.steps)[-2])
        last = Levels(call.guider.model_patcher.get_model_object("model_sampling")).level(begins)
        if level <= last:
            raise ValueError(
                f"{self.plan.title}: {self.verifier.name} compares an image with what was predicted at noise level "
                f"{level:g}, but the last step begins at {last:.2g}: both would be the same. Use more steps, or a "
                "higher level."
            )

    def _passes_through(self, call: SamplerCall) -> bool:
        """True, with a line in the log, for a sampler that is given no noise, as one that continues another's work is.

        Raises ValueError when there is nothing to sample.
        """
        if call.steps < 1:
            logging.info("%s: this sampler has no steps, so there is nothing to search.", self.plan.title)
            return True
        if torch.count_nonzero(call.noise):
            return False
        if torch.count_nonzero(call.latent_image) or not _starts_from_pure_noise(call):
            logging.info(
                "%s: this sampler is given no noise (a second stage, or a latent that has noise in it), so it runs "
                "without a search.",
                self.plan.title,
            )
        else:
            logging.warning(
                "%s: this sampler is given no noise and an empty latent, so it runs without a search. To search, "
                "enable add_noise, or connect a noise other than Disable Noise.",
                self.plan.title,
            )
        return True


def _starts_from_pure_noise(call: SamplerCall) -> bool:
    sampling: Any = call.guider.model_patcher.get_model_object("model_sampling")
    top = float(sampling.sigma_max)
    first = float(call.sigmas[0])
    return first > top or math.isclose(first, top, rel_tol=1e-5)
