"""Zero-order search around an image that one likes."""

from __future__ import annotations

from . import kits
from .builder import BOARD, Template
from .kits import Kit
from .parts import begin, decoded, empty, ksampler

NOTE = """
## Refine an image you like

**Zero-Order Search** begins with the noise of *Seed*, tries noises near it, moves to the best one and goes on
from there. So the image stays much the same and gets better by the verifier, where Random Search would show you
another one.

1. Type the seed of an image that you like into *Seed*: of a run without search, or of a Random Search's winner
(its recipe names it). Prompt, model and settings have to be those of that run.
2. Press **Run** and compare *Before* with *Refined*.

### Cost

(1 + {iterations} iterations x {neighbors} neighbors) x {steps} steps = **{nfe} NFE** (denoiser predictions; a
CFG pair counts as one), and {steps} for *Before*.

### Try

- *cosine* nearer to 1 for smaller changes, lower for larger ones: 0.95 is close, 0 is unrelated.
- More *iterations* rather than more *neighbors*; *patience* stops when nothing better comes.
- The refined noise is no plain seed: the *Recipe* remakes it, with **Replay Noise**.
"""


def refine(name: str, kit: Kit, iterations: int, neighbors: int, seed: int = 0) -> Template:
    nfe = (1 + iterations * neighbors) * kit.steps
    t = Template(name, NOTE, iterations=iterations, neighbors=neighbors, steps=kit.steps, nfe=nfe)
    start, latent = begin(t, kit), empty(t, kit)
    chosen = t.node("PrimitiveInt", "Seed", value=seed)["INT"]
    t.column(340)
    around = {"iterations": iterations, "neighbors": neighbors, "cosine": 0.95}
    search = t.node("ZeroOrderSearch", room=BOARD, **start.searching, **around)
    t.column(280)
    refined = ksampler(t, start, search["model"], latent, "KSampler, refining", seed=chosen)
    before = ksampler(t, start, start.loaded.model, latent, "KSampler, as it was", seed=chosen)
    t.column(260)
    report = t.node("SearchReport", latent=refined["LATENT"], search=search["search"])
    after, plain = decoded(t, start, report["latent"]), decoded(t, start, before["LATENT"])
    t.column(420)
    t.node("SaveImage", "Refined", tall=460, images=after, filename_prefix="noise_search")
    t.node("PreviewImage", "Before", tall=460, images=plain)
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=460, images=report["candidates"])
    t.node("PreviewImage", "Best score against cost", tall=380, images=report["plot"])
    t.node("PreviewAny", "Recipe", tall=170, source=report["recipe"])
    return t


def templates() -> list[Template]:
    return [refine("demo_refine", kits.DEMO, 5, 4, seed=2), refine("sdxl_refine", kits.SDXL, 4, 4)]
