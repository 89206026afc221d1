"""A search for what fills a masked part of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from . import kits
from .builder import BOARD, Out, Template
from .kits import Kit
from .parts import PICTURE, Start, begin, decoded, empty, ksampler

NOTE = """
## Inpaint, best of {candidates}

Only the masked part is drawn anew, from {candidates} different seeds; the verifier judges the whole image each
time. The sampler does that through **Set Latent Noise Mask**, as always; **Random Search** on its MODEL wire
needs to know nothing of it.

{how}

### Cost

{candidates} candidates x {steps} steps = **{nfe} NFE** (denoiser predictions; a CFG pair counts as one).

### Try

{tries}
"""

FIRST, FIRST_SEED = "a blue cross right of two red circles", 12
DEMO_HOW = (
    "*First image* is drawn by the demo model. The mask is its right half. *Prompt* says what the whole image should "
    "show then."
)
DEMO_TRIES = """
- Another end of the prompt: *a large yellow cross right of two red circles*.
- Other numbers in the second *Create Solid Mask* and in *Combine Masks*: another rectangle.
"""


class Masked(NamedTuple):
    """What is sampled, and for putting it back into a picture, that and the mask."""

    latent: Out
    picture: tuple[Out, Out] | None


def inpaint(
    name: str,
    kit: Kit,
    candidates: int,
    masked: Callable[[Template, Start], Masked],
    how: str,
    tries: str,
    denoise: float,
) -> Template:
    facts = {"candidates": candidates, "steps": kit.steps, "nfe": candidates * kit.steps}
    t = Template(name, NOTE, how=how, tries=tries, **facts)
    start = begin(t, kit)
    latent, picture = masked(t, start)
    t.column(340)
    search = t.node("RandomSearch", room=BOARD, **start.searching, candidates=candidates)
    t.column(280)
    sampled = ksampler(t, start, search["model"], latent, denoise=denoise)
    t.column(260)
    report = t.node("SearchReport", latent=sampled["LATENT"], search=search["search"])
    result = decoded(t, start, report["latent"])
    if picture:
        image, mask = picture
        where = {"x": 0, "y": 0, "resize_source": False}
        result = t.node("ImageCompositeMasked", destination=image, source=result, mask=mask, **where)["IMAGE"]
    t.column(460)
    t.node("SaveImage", f"Best of {candidates}", tall=480, images=result, filename_prefix="noise_search")
    t.node("PreviewImage", "Best score against cost", tall=PICTURE, images=report["plot"])
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=480, images=report["candidates"])
    return t


def drawn(t: Template, start: Start) -> Masked:
    """A picture by the model itself, and its right half as the mask."""
    first = t.node("CLIPTextEncode", "First prompt", tall=100, clip=start.loaded.clip, text=FIRST)["CONDITIONING"]
    latent = empty(t, start.kit)
    t.column(280)
    sampled = ksampler(t, start, start.loaded.model, latent, "KSampler, first image", positive=first, seed=FIRST_SEED)
    side = start.kit.size
    nothing = t.node("SolidMask", value=0.0, width=side, height=side)["MASK"]
    half = t.node("SolidMask", value=1.0, width=side // 2, height=side)["MASK"]
    right = {"x": side // 2, "y": 0, "operation": "add"}
    mask = t.node("MaskComposite", destination=nothing, source=half, **right)["MASK"]
    masked = t.node("SetLatentNoiseMask", samples=sampled["LATENT"], mask=mask)["LATENT"]
    t.column(300)
    t.node("PreviewImage", "First image", tall=340, images=decoded(t, start, sampled["LATENT"]))
    t.node("MaskPreview", "Mask", tall=300, mask=mask)
    return Masked(masked, None)


def templates() -> list[Template]:
    shapes = replace(kits.DEMO, prompt="a green star right of two red circles")
    return [inpaint("demo_inpaint", shapes, 16, drawn, DEMO_HOW, DEMO_TRIES, 1.0)]
