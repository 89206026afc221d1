"""The demo: a search beside the same sampler without one, and the same search with every wire visible."""

from __future__ import annotations

from .builder import Template
from .kits import DEMO
from .parts import PICTURE, begin, decoded, empty, enlarged, ksampler

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
    return [explicit()]
