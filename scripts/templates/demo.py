"""The demo: a search beside the same sampler without one, and the same search with every wire visible."""

from __future__ import annotations

from .builder import BOARD, Template
from .kits import DEMO
from .parts import PICTURE, begin, decoded, empty, enlarged, ksampler

SEARCH_NOTE = """
## Search on a KSampler

The KSampler is the stock one. **Random Search** sits on its MODEL wire and makes it draw 16 images from
different seeds; the verifier picks the best. It costs 16 x 20 steps = 320 NFE (denoiser predictions).

1. Press **Run**. The board below Random Search shows the candidates as they come.
2. Compare *Without search* (the same seed, no search) with *With search*.
3. **Search Report** shows the best score against cost, and every candidate with its score.

### Try

Type another caption into *Prompt*: up to three groups of shapes, such as
*two purple squares right of an orange triangle*,
*a small green star above a large yellow circle*.

The winner's seed is in the report: typed into the KSampler below, without Random Search, it gives the same image.

The tiny model and its verifier come with the pack; with your own models, put Random Search in the same place.
"""

EXPLICIT_NOTE = """
## The same search, every wire visible

**Noise Candidates** gives a list. ComfyUI runs the nodes behind it once for each entry, **Verifier Score**
judges all images, **Select Candidate** picks the winner's latent, seed or noise. It costs 8 x 20 steps = 160
NFE (denoiser predictions), once for each half.

*Above:* a list of **seeds** into the stock KSampler.
*Below:* a list of **noises** into SamplerCustomAdvanced.

Both find the same winner. Use this form when you want to see or change what happens between the candidates; use
**Random Search** when you want it fast: it runs candidates in batches and needs no list.

### Try

Replace a VAE Decode and what follows by your own nodes: they too run once for each candidate.
"""


def search() -> Template:
    t = Template("demo_search", SEARCH_NOTE)
    start, latent = begin(t, DEMO), empty(t, DEMO)
    seed = t.node("PrimitiveInt", "Seed", value=0)["INT"]
    t.column(340)
    searching = t.node("RandomSearch", room=BOARD, **start.searching, candidates=16)
    t.column(280)
    with_search = ksampler(t, start, searching["model"], latent, "KSampler, searching", seed=seed)
    without = ksampler(t, start, start.loaded.model, latent, "KSampler, without search", seed=seed)
    t.column(260)
    report = t.node("SearchReport", latent=with_search["LATENT"], search=searching["search"])
    found, plain = decoded(t, start, report["latent"]), decoded(t, start, without["LATENT"])
    t.column(380)
    t.node("SaveImage", "With search", tall=420, images=found, filename_prefix="noise_search")
    t.node("PreviewImage", "Without search", tall=420, images=plain)
    t.column(560)
    t.node("PreviewImage", "Candidates, best first", tall=420, images=report["candidates"])
    t.node("PreviewImage", "Best score against cost", tall=420, images=report["plot"])
    t.node("PreviewAny", "Report", tall=300, source=report["report"])
    return t


def explicit() -> Template:
    t = Template("demo_explicit", EXPLICIT_NOTE)
    start, latent = begin(t, DEMO), empty(t, DEMO)
    candidates = t.node("NoiseCandidates", seed=0, count=8)
    t.column(300)
    sampled = ksampler(t, start, start.loaded.model, latent, "KSampler, once for each seed", seed=candidates["seed"])
    guider = t.node("CFGGuider", model=start.loaded.model, positive=start.positive, negative=start.negative, cfg=3.0)
    solver = t.node("KSamplerSelect", sampler_name="euler")
    sigmas = t.node("BasicScheduler", model=start.loaded.model, scheduler="simple", steps=20, denoise=1.0)
    t.column(300)
    images = t.node("VAEDecode", samples=sampled["LATENT"], vae=start.loaded.vae)["IMAGE"]
    scores = t.node("VerifierScore", images=images, verifier=start.verifier, prompt=start.prompt)
    custom = t.node(
        "SamplerCustomAdvanced",
        "Sampler, once for each noise",
        noise=candidates["noise"],
        guider=guider["GUIDER"],
        sampler=solver["SAMPLER"],
        sigmas=sigmas["SIGMAS"],
        latent_image=latent,
    )
    others = t.node("VAEDecode", samples=custom["output"], vae=start.loaded.vae)["IMAGE"]
    other_scores = t.node("VerifierScore", images=others, verifier=start.verifier, prompt=start.prompt)
    t.column(260)
    best = t.node("SelectCandidate", "Winning latent", candidates=sampled["LATENT"], index=scores["best_index"])
    winner = decoded(t, start, best["candidate"])
    seed = t.node("SelectCandidate", "Winning seed", candidates=candidates["seed"], index=scores["best_index"])
    other = enlarged(t, other_scores["best_image"], 6)
    every = enlarged(t, images, 3)
    t.column(420)
    t.node("SaveImage", "Winner", tall=PICTURE, images=winner, filename_prefix="noise_search")
    t.node("PreviewImage", "Winner of the noises", tall=PICTURE, images=other)
    t.column(560)
    t.node("PreviewImage", "All candidates", tall=PICTURE, images=every)
    t.node("PreviewAny", "Winning seed", tall=170, source=seed["candidate"])
    return t


def templates() -> list[Template]:
    return [search(), explicit()]
