"""A search against several verifiers at once, and one that only watches."""

from __future__ import annotations

from dataclasses import replace

from . import kits
from .builder import BOARD, Out, Template
from .kits import Kit, Loaded
from .parts import PICTURE, begin, decoded, empty, ksampler

NOTE = """
## Several verifiers at once

A search pleases its judge, whatever the judge does not see. **Ensemble Verifier** joins several: a candidate is
ranked by each, and the mean of the ranks counts, so that raw scores of any scale mix. *held_out* is asked and
reported for every candidate but does not count: when the scores rise and the held-out one does not, the search
only pleases its judges.

{judges}

### Cost

{candidates} candidates x {steps} steps = **{nfe} NFE** (denoiser predictions; a CFG pair counts as one), and
every verifier looks at every candidate once.

### Try

- In *Report*, compare each verifier's scores of the best candidate with those of candidate 0, the image without
search.
- Take one of the two judges away, and see what the other one likes alone.
- *weights*: how much each counts, such as *1, 0.5*. *combine: weighted z-score* lets a great lead count more.
"""

DEMO_JUDGES = (
    "Here *shapes* judges whether the picture fits the caption, *colorfulness* how colorful it is, whatever it shows. "
    "The *oracle*, a program that checks the picture against the caption exactly, is held out."
)


def ensemble(name: str, kit: Kit, candidates: int, judges: str) -> Template:
    nfe = candidates * kit.steps
    t = Template(name, NOTE, judges=judges, candidates=candidates, steps=kit.steps, nfe=nfe)
    start, latent = begin(t, kit), empty(t, kit)
    t.column(340)
    search = t.node("RandomSearch", room=BOARD, **start.searching, candidates=candidates)
    t.column(280)
    sampled = ksampler(t, start, search["model"], latent)
    t.column(260)
    report = t.node("SearchReport", latent=sampled["LATENT"], search=search["search"])
    images = decoded(t, start, report["latent"])
    t.column(460)
    t.node("SaveImage", f"Best of {candidates}", tall=500, images=images, filename_prefix="noise_search")
    t.node("PreviewImage", "Best score against cost", tall=PICTURE, images=report["plot"])
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=500, images=report["candidates"])
    t.node("PreviewAny", "Report", tall=PICTURE, source=report["report"])
    return t


def by_shapes_and_colors(t: Template, loaded: Loaded) -> Out:
    shapes = t.node("LoadShapesVerifier")["VERIFIER"]
    colors = t.node("ColorfulnessVerifier")["VERIFIER"]
    oracle = t.node("ShapesOracle")["VERIFIER"]
    return joined(t, shapes, colors, oracle)


def joined(t: Template, one: Out, other: Out, held_out: Out) -> Out:
    verifiers = {"verifiers.verifier0": one, "verifiers.verifier1": other}
    return t.node("EnsembleVerifier", **verifiers, held_out=held_out)["verifier"]


def templates() -> list[Template]:
    return [ensemble("demo_ensemble", replace(kits.DEMO, judge=by_shapes_and_colors), 16, DEMO_JUDGES)]
