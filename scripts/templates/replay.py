"""A search, its report, and the winner again from its recipe."""

from __future__ import annotations

from . import kits
from .builder import BOARD, Template
from .kits import Kit
from .parts import PICTURE, begin, decoded, empty, ksampler

NOTE = """
## Report, recipe, replay

**Search Report** tells what a search did: the curve, the candidates, all numbers as JSON, and the winner's
**recipe**, a line of text with the few numbers that remake its noise. **Replay Noise** makes the image again
from that line, without a search.

1. Press **Run**. *Found* and *Replayed* are the same image.
2. Later, in any workflow with the same prompt, model and settings: **Replay Noise** on the MODEL wire, with the
recipe pasted in. The PNG that Save Image writes carries the recipe too: drag it into ComfyUI and look below the
search node.

### Cost

(1 + {iterations} iterations x {neighbors} neighbors) x {steps} steps = **{nfe} NFE** (denoiser predictions; a
CFG pair counts as one) for the search, and {steps} for the replay.

### Try

- Disconnect *recipe* of Replay Noise and paste a recipe of your own.
- Change *cfg* of the last KSampler a little: the same noise, another setting.
- With Random Search the recipe is a plain seed; type it into the KSampler, and this pack is not needed for the image.
"""


def replay(name: str, kit: Kit, iterations: int, neighbors: int) -> Template:
    nfe = (1 + iterations * neighbors) * kit.steps
    t = Template(name, NOTE, iterations=iterations, neighbors=neighbors, steps=kit.steps, nfe=nfe)
    start, latent = begin(t, kit), empty(t, kit)
    t.column(340)
    search = t.node(
        "ZeroOrderSearch", room=BOARD, **start.searching, iterations=iterations, neighbors=neighbors, cosine=0.9
    )
    t.column(280)
    sampled = ksampler(t, start, search["model"], latent, "KSampler, searching")
    t.column(300)
    report = t.node("SearchReport", latent=sampled["LATENT"], search=search["search"])
    found = decoded(t, start, report["latent"])
    t.node("PreviewAny", "Recipe", tall=200, source=report["recipe"])
    again = t.node("ReplayNoise", model=start.loaded.model, recipe=report["recipe"])
    t.column(280)
    sampled = ksampler(t, start, again["model"], latent, "KSampler (its seed is ignored)")
    replayed = decoded(t, start, sampled["LATENT"])
    t.column(420)
    t.node("SaveImage", "Found", tall=460, images=found, filename_prefix="noise_search")
    t.node("PreviewImage", "Replayed", tall=460, images=replayed)
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=460, images=report["candidates"])
    t.node("PreviewImage", "Best score against cost", tall=PICTURE, images=report["plot"])
    t.node("PreviewAny", "Report", tall=300, source=report["report"])
    return t


def templates() -> list[Template]:
    return [replay("demo_replay", kits.DEMO, 4, 4)]
