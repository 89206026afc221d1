"""Text to image with Random Search, on the models that people use."""

from __future__ import annotations

from . import kits
from .builder import BOARD, Template
from .kits import Kit
from .parts import PICTURE, begin, decoded, empty, ksampler

NOTE = """
## Best of {candidates}

**Random Search** makes the sampler after it draw {candidates} images from different seeds. The verifier scores
each, and the best one comes out. Nothing else of the workflow changes; take the node away and you have plain
text to image.

### Cost

{candidates} candidates x {steps} steps = **{nfe} NFE** (denoiser predictions; a CFG pair counts as one): the
time of {candidates} images. The board below Random Search fills while it runs, and **Keep best** there stops it
with the best so far.

### Try

- Fewer or more *candidates*. Most of the gain comes from the first 8 to 16.
- *pruning: progressive*: the same NFE on 1.5 to 1.9 times as many starts, the weaker ones stopped on the way.
- *max_seconds* as a limit of time.
- The winner's seed is in the report: typed into the KSampler, without Random Search, it gives the same image.
- {more}
"""
OTHER_JUDGES = (
    "Another verifier: ImageReward, PickScore, CLIP Score, or several of them in an **Ensemble**. HPS v2.1 judges what "
    "people prefer; look at the candidates and see whether you agree."
)


def text_to_image(name: str, kit: Kit, candidates: int, more: str = OTHER_JUDGES) -> Template:
    t = Template(name, NOTE, candidates=candidates, steps=kit.steps, nfe=candidates * kit.steps, more=more)
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


FLUX_MORE = f"*weight_dtype: fp8_e4m3fn* in the loader: half the memory.\n- {OTHER_JUDGES}"
Z_IMAGE_MORE = (
    f"Images of a turbo model differ less from seed to seed than others: there is less to find.\n- {OTHER_JUDGES}"
)
QWEN_MORE = (
    "With the Lightning LoRA 4 steps are enough, which makes a search cheap. Without it: 50 steps, cfg 4.\n"
    f"- {OTHER_JUDGES}"
)
KREA2_MORE = (
    "The judge is Krea 2's own text encoder, a Qwen3-VL: **VLM Verifier** asks it whether each image shows the prompt, "
    "and takes its probability of *yes*. So no further file is needed. It sees counts, positions and writing that "
    "smaller judges miss; for beauty, add an **HPS Verifier** and join both in an **Ensemble**."
)


def templates() -> list[Template]:
    return [
        text_to_image("sd15_search", kits.SD15, 16),
        text_to_image("sdxl_search", kits.SDXL, 8),
        text_to_image("flux_search", kits.FLUX, 8, FLUX_MORE),
        text_to_image("z_image_search", kits.Z_IMAGE, 8, Z_IMAGE_MORE),
        text_to_image("qwen_image_search", kits.QWEN_IMAGE, 8, QWEN_MORE),
        text_to_image("krea2_search", kits.KREA2, 8, KREA2_MORE),
    ]
