"""Search loops: around two samplers, and with arithmetic as the judge."""

from __future__ import annotations

from dataclasses import replace

from . import kits
from .builder import BOARD, Out, Template
from .kits import Kit
from .parts import TEXT, begin, empty

JUDGE_NOTE = """
## Any number is a judge

The score of a search loop is whatever number goes into **Search Loop Close**: a verifier, a measure of another
pack, arithmetic on several.

Here each picture is scored for two wordings of the same wish, and **Math Expression** keeps the smaller of both
scores: only a picture that fits either way wins.

The method is **zero-order**: it tries noises near the best one so far. A seed can not describe those, so the loop
has SamplerCustomAdvanced, which takes the **noise** of Search Loop Open.

1. Press **Run**. The board on Search Loop Close shows the candidates as they come.
2. Compare *Candidate 0* (the same nodes without search) with *Best candidate*.

### Cost

(1 + {iterations} iterations x {neighbors} neighbors) x {steps} steps, and {steps} for *Candidate 0*.

### Try

- Other texts and formulas: *a - b* for what a picture shall not show, *(a + b) / 2* for two verifiers on one scale.
- **Replay Noise** makes the winner again from its *Recipe*, without a search.
"""


def judge(name: str, kit: Kit, wording: str, iterations: int, neighbors: int, cosine: float) -> Template:
    """The smaller of two scores, searched around a noise."""
    t = Template(name, JUDGE_NOTE, iterations=iterations, neighbors=neighbors, steps=kit.steps)
    start, latent = begin(t, kit), empty(t, kit)
    other = t.node("PrimitiveStringMultiline", "The same in other words", tall=TEXT, value=wording)["STRING"]
    opened = t.node("SearchLoopOpen", seed=0, run_outputs=False)
    t.column(280)
    same = {"model": start.loaded.model}
    guider = t.node("CFGGuider", **same, positive=start.positive, negative=start.negative, cfg=kit.sampler["cfg"])
    solver = t.node("KSamplerSelect", sampler_name=kit.sampler["sampler_name"])
    sigmas = t.node("BasicScheduler", **same, scheduler=kit.sampler["scheduler"], steps=kit.steps, denoise=1.0)
    t.column(280)
    sampled = t.node(
        "SamplerCustomAdvanced",
        noise=opened["noise"],
        guider=guider["GUIDER"],
        sampler=solver["SAMPLER"],
        sigmas=sigmas["SIGMAS"],
        latent_image=latent,
    )
    image = t.node("VAEDecode", samples=sampled["output"], vae=start.loaded.vae)["IMAGE"]
    judged = {"images": image, "verifier": start.verifier}
    fits = t.node("VerifierScore", "How well it fits the prompt", **judged, prompt=start.prompt)["scores"]
    fits_other = t.node("VerifierScore", "How well it fits the other words", **judged, prompt=other)["scores"]
    t.column(340)
    values = {"values.a": fits, "values.b": fits_other}
    score = t.node("ComfyMathExpression", "The smaller score", tall=TEXT, expression="min(a, b)", **values)["FLOAT"]
    around = {"iterations": iterations, "neighbors": neighbors, "cosine": cosine}
    given = {"method": "zero-order"} | {f"method.{setting}": value for setting, value in around.items()}
    close = t.node("SearchLoopClose", room=BOARD, flow=opened["flow"], score=score, result=image, **given)
    t.column(260)
    report = t.node("SearchReport", latent=close["result"], search=close["search"])
    best, plain = (_large(t, kit, found) for found in (report["latent"], image))
    t.column(380)
    t.node("SaveImage", "Best candidate", tall=420, images=best, filename_prefix="noise_search")
    t.node("PreviewImage", "Candidate 0", tall=420, images=plain)
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=420, images=report["candidates"])
    t.node("PreviewImage", "Best score so far", tall=380, images=report["plot"])
    t.node("PreviewAny", "Recipe", tall=120, source=report["recipe"])
    return t


def templates() -> list[Template]:
    reworded = replace(kits.DEMO, prompt="two red circles left of a blue square")
    other_words = "a blue square right of two red circles"
    return [judge("demo_loop_judge", reworded, other_words, iterations=4, neighbors=3, cosine=0.8)]


def _large(t: Template, kit: Kit, images: Out) -> Out:
    """Large enough to look at."""
    if not kit.enlarge:
        return images
    return t.node("ImageScaleBy", "4 x, to see it", image=images, upscale_method="nearest-exact", scale_by=4.0)["IMAGE"]
