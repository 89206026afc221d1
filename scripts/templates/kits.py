"""The models that templates are made for: how each is loaded, judged and sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reading_files import DETECTOR, READER

from . import files
from .builder import Node, Out, Template


class Loaded(NamedTuple):
    model: Out
    clip: Out
    vae: Out


@dataclass(frozen=True)
class Kit:
    """load: the model's own nodes. judge: its verifier. latent: the node that makes an empty latent, of side `size`.

    sampler: what a KSampler is set to. negative: the negative prompt; None for a model that has none (cfg 1).
    enlarge: whether images are too small to look at. shape: settings of the latent's node besides its side.
    """

    load: Callable[[Template], Loaded]
    judge: Callable[[Template, Loaded], Out]
    latent: str
    size: int
    sampler: dict[str, Any]
    prompt: str
    negative: str | None = None
    enlarge: bool = False
    shape: dict[str, int] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.sampler["steps"]


def _sampler(steps: int, cfg: float, sampler_name: str, scheduler: str) -> dict[str, Any]:
    return {"steps": steps, "cfg": cfg, "sampler_name": sampler_name, "scheduler": scheduler}


def _loaded(loader: Node) -> Loaded:
    return Loaded(loader["MODEL"], loader["CLIP"], loader["VAE"])


def _shapes(t: Template) -> Loaded:
    return _loaded(t.node("LoadShapesModel"))


def _checkpoint(file: files.Model) -> Callable[[Template], Loaded]:
    return lambda t: _loaded(t.node("CheckpointLoaderSimple", models=(file,), ckpt_name=file.name))


def _parts(model: files.Model, text: files.Model, kind: str, vae: files.Model) -> Callable[[Template], Loaded]:
    """A model whose three parts are three files, with one text encoder."""

    def load(t: Template) -> Loaded:
        unet = t.node("UNETLoader", models=(model,), unet_name=model.name, weight_dtype="default")
        clip = t.node("CLIPLoader", models=(text,), clip_name=text.name, type=kind)
        decoder = t.node("VAELoader", models=(vae,), vae_name=vae.name)
        return Loaded(unet["MODEL"], clip["CLIP"], decoder["VAE"])

    return load


def _flux(t: Template) -> Loaded:
    unet = t.node("UNETLoader", models=(files.FLUX,), unet_name=files.FLUX.name, weight_dtype="default")
    texts = {"clip_name1": files.CLIP_L.name, "clip_name2": files.T5.name, "type": "flux"}
    clip = t.node("DualCLIPLoader", models=(files.CLIP_L, files.T5), **texts)
    vae = t.node("VAELoader", models=(files.FLUX_VAE,), vae_name=files.FLUX_VAE.name)
    return Loaded(unet["MODEL"], clip["CLIP"], vae["VAE"])


def _z_image(t: Template) -> Loaded:
    loaded = _parts(files.Z_IMAGE, files.QWEN3_4B, "lumina2", files.FLUX_VAE)(t)
    return loaded._replace(model=t.node("ModelSamplingAuraFlow", model=loaded.model, shift=3.0)["MODEL"])


def _wan(t: Template) -> Loaded:
    loaded = _parts(files.WAN, files.UMT5, "wan", files.WAN_VAE)(t)
    return loaded._replace(model=t.node("ModelSamplingSD3", model=loaded.model, shift=8.0)["MODEL"])


def _qwen_image(t: Template) -> Loaded:
    loaded = _parts(files.QWEN_IMAGE, files.QWEN25_VL, "qwen_image", files.QWEN_VAE)(t)
    lora = files.QWEN_IMAGE_LIGHTNING
    fast = t.node("LoraLoaderModelOnly", models=(lora,), model=loaded.model, lora_name=lora.name, strength_model=1.0)
    return loaded._replace(model=t.node("ModelSamplingAuraFlow", model=fast["MODEL"], shift=3.1)["MODEL"])


def _by_shapes(t: Template, loaded: Loaded) -> Out:
    return t.node("LoadShapesVerifier")["VERIFIER"]


def by_image_reward(t: Template, loaded: Loaded) -> Out:
    file = files.IMAGE_REWARD
    return t.node("ImageRewardVerifier", models=(file,), model=file.name)["verifier"]


def _by_its_text_encoder(t: Template, loaded: Loaded) -> Out:
    return t.node("VLMVerifier", clip=loaded.clip, ask="probability of yes")["verifier"]


def by_reading(t: Template, loaded: Loaded) -> Out:
    """By what the prompt has in quotes."""
    return t.node("TextVerifier", text="", detector=DETECTOR, reader=READER)["verifier"]


WORKS = "a small blue circle above a small orange cross"  # of the demo: Auto Search, 8 images, seed 0
FAILS = "a purple star above an orange triangle"
HIRES = "a small blue triangle right of a small blue square right of a small black square"
PHOTO = "a red fox reading a newspaper on a park bench in autumn, a blue umbrella beside it, photograph"

DEMO = Kit(
    load=_shapes,
    judge=_by_shapes,
    latent="EmptyLatentImage",
    size=64,
    sampler=_sampler(20, 3.0, "euler", "simple"),
    prompt=WORKS,
    negative="",
    enlarge=True,
)
SIGNS = Kit(
    load=lambda t: _loaded(t.node("LoadWordsModel")),
    judge=by_reading,
    latent="EmptyLatentImage",
    size=64,
    sampler=_sampler(20, 2.0, "euler", "simple"),
    prompt='a sign that says "OPEN LATE"',
    negative="",
    enlarge=True,
    shape={"width": 96, "height": 64},
)
SD15 = Kit(
    load=_checkpoint(files.SD15),
    judge=by_image_reward,
    latent="EmptyLatentImage",
    size=512,
    sampler=_sampler(20, 8.0, "euler", "normal"),
    prompt=PHOTO,
    negative="text, watermark",
)
SDXL = Kit(
    load=_checkpoint(files.SDXL),
    judge=by_image_reward,
    latent="EmptyLatentImage",
    size=1024,
    sampler=_sampler(25, 8.0, "euler", "normal"),
    prompt=PHOTO,
    negative="text, watermark",
)
FLUX = Kit(
    load=_flux,
    judge=by_image_reward,
    latent="EmptySD3LatentImage",
    size=1024,
    sampler=_sampler(20, 1.0, "euler", "simple"),
    prompt=PHOTO,
)
Z_IMAGE = Kit(
    load=_z_image,
    judge=by_image_reward,
    latent="EmptySD3LatentImage",
    size=1024,
    sampler=_sampler(8, 1.0, "res_multistep", "simple"),
    prompt=PHOTO,
)
QWEN_IMAGE = Kit(
    load=_qwen_image,
    judge=by_image_reward,
    latent="EmptySD3LatentImage",
    size=1328,
    sampler=_sampler(4, 1.0, "euler", "simple"),
    prompt=PHOTO,
)
KREA2 = Kit(
    load=_parts(files.KREA2, files.QWEN3_VL, "krea2", files.QWEN_VAE),
    judge=_by_its_text_encoder,
    latent="EmptyLatentImage",
    size=1024,
    sampler=_sampler(8, 1.0, "euler", "simple"),
    prompt=PHOTO,
)
WAN = Kit(
    load=_wan,
    judge=by_image_reward,
    latent="EmptyHunyuanLatentVideo",
    size=480,
    shape={"width": 832, "length": 33},
    sampler=_sampler(30, 6.0, "uni_pc", "simple"),
    prompt="a red fox runs through fresh snow towards the camera, a forest in the morning light",
    negative="blurry, static, watermark, text",
)
