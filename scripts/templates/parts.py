"""Parts that most templates have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .builder import Node, Out, Template
from .kits import Kit, Loaded

TEXT = 130  # height of a node with a text to type
PICTURE = 380


@dataclass(frozen=True)
class Start:
    """The first columns of a template: what a sampler and a search take."""

    kit: Kit
    loaded: Loaded
    verifier: Out
    prompt: Out
    positive: Out
    negative: Out

    @property
    def searching(self) -> dict[str, Out]:
        """The inputs that every search node has."""
        return {"model": self.loaded.model, "vae": self.loaded.vae, "verifier": self.verifier, "prompt": self.prompt}

    @property
    def sampling(self) -> dict[str, Any]:
        """The inputs and settings of a KSampler, but for its model, seed and latent image."""
        return {"positive": self.positive, "negative": self.negative} | self.kit.sampler | {"denoise": 1.0}


def begin(t: Template, kit: Kit) -> Start:
    """A column with the prompt and the loaders, and one with the conditioning."""
    t.column(360)
    text = t.node("PrimitiveStringMultiline", "Prompt", tall=TEXT, value=kit.prompt)["STRING"]
    loaded = kit.load(t)
    judge = kit.judge(t, loaded)
    t.column(300)
    positive = t.node("CLIPTextEncode", "Positive", tall=100, clip=loaded.clip, text=text)["CONDITIONING"]
    if kit.negative is None:
        negative = t.node("ConditioningZeroOut", "No negative", conditioning=positive)["CONDITIONING"]
    else:
        encode = t.node("CLIPTextEncode", "Negative", tall=100, clip=loaded.clip, text=kit.negative)
        negative = encode["CONDITIONING"]
    return Start(kit, loaded, judge, text, positive, negative)


def empty(t: Template, kit: Kit, batch: int = 1) -> Out:
    settings = {"width": kit.size, "height": kit.size} | kit.shape | {"batch_size": batch}
    return t.node(kit.latent, **settings)["LATENT"]


def ksampler(t: Template, start: Start, model: Out, latent: Out, title: str = "", **other: Any) -> Node:
    """A KSampler with the kit's settings; its seed is 0 and stays so, unless `other` says otherwise."""
    settings = {"seed": 0, "control_after_generate": "fixed"} | start.sampling | other
    return t.node("KSampler", title, model=model, latent_image=latent, **settings)


def decoded(t: Template, start: Start, samples: Out) -> Out:
    """Images large enough to look at."""
    images = t.node("VAEDecode", samples=samples, vae=start.loaded.vae)["IMAGE"]
    return enlarged(t, images, 6) if start.kit.enlarge else images


def enlarged(t: Template, images: Out, times: int) -> Out:
    how = {"upscale_method": "nearest-exact", "scale_by": float(times)}
    return t.node("ImageScaleBy", f"{times} x, to see it", image=images, **how)["IMAGE"]
