"""A batch: each image of it is a search of its own."""

from __future__ import annotations

from . import kits
from .builder import BOARD, Template
from .kits import Kit
from .parts import PICTURE, begin, decoded, empty, ksampler

IMAGES = 4
NOTE = """
## Four winners at once

The latent is a batch of {images}. Each image of it is a search of its own, side by side with the others, so
{images} different winners come out: image *b* begins with the noise that it would have had without search.

### Cost

{images} images x {candidates} candidates x {steps} steps = **{nfe} NFE** (denoiser predictions; a CFG pair
counts as one).

### Try

- Another *batch_size* in the latent: the cost grows with it.
- *parallel* of Random Search is something else: how many candidates run side by side on your GPU. It changes
the speed and never the images.
- *Recipes* has one for each image. **Replay Noise** takes the list, and so makes all {images} again.
"""


def batch(name: str, kit: Kit, candidates: int) -> Template:
    nfe = IMAGES * candidates * kit.steps
    t = Template(name, NOTE, images=IMAGES, candidates=candidates, steps=kit.steps, nfe=nfe)
    start, latent = begin(t, kit), empty(t, kit, IMAGES)
    t.column(340)
    search = t.node("RandomSearch", room=BOARD, **start.searching, candidates=candidates)
    t.column(280)
    searching = ksampler(t, start, search["model"], latent, "KSampler, searching")
    without = ksampler(t, start, start.loaded.model, latent, "KSampler, without search")
    t.column(260)
    report = t.node("SearchReport", latent=searching["LATENT"], search=search["search"])
    found, plain = decoded(t, start, report["latent"]), decoded(t, start, without["LATENT"])
    t.column(460)
    t.node("SaveImage", "Four winners", tall=500, images=found, filename_prefix="noise_search")
    t.node("PreviewImage", "Without search", tall=460, images=plain)
    t.column(560)
    t.node("PreviewImage", "Candidates of each", tall=500, images=report["candidates"])
    t.node("PreviewImage", "Best score against cost, of each", tall=PICTURE, images=report["plot"])
    t.node("PreviewAny", "Recipes", tall=200, source=report["recipe"])
    return t


def templates() -> list[Template]:
    return [batch("demo_batch", kits.DEMO, 8)]
