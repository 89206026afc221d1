"""Which images are cheaper than the VAE's, and that the tiny VAE's are those of ComfyUI's previews."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

pytestmark = pytest.mark.usefixtures("comfy")


def small_images(vae: Any, model: Any, *shapes: Any) -> Any:
    return importlib.import_module("noise_search.search.judging.small_images").small_images(vae, model, shapes)


def vae_of(scale: Any) -> Any:
    return SimpleNamespace(spacial_compression_decode=lambda: scale, decode=lambda latents: latents.movedim(1, -1))


@pytest.fixture
def model() -> Any:
    latent_format = importlib.import_module("comfy.latent_formats").SD15()
    return SimpleNamespace(latent_format=latent_format, process_latent_in=latent_format.process_in)


@pytest.fixture
def tiny(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny VAE of these latents with random weights, in models/vae_approx."""
    network = importlib.import_module("comfy.taesd.taesd").TAESD()
    draw = torch.Generator().manual_seed(0)
    weights = network.taesd_decoder.state_dict()
    random = {
        name: torch.randn(value.shape, generator=draw) * value[0].numel() ** -0.5 for name, value in weights.items()
    }
    network.taesd_decoder.load_state_dict(random)
    save_file(random, tmp_path / f"{model.latent_format.taesd_decoder_name}.safetensors")
    folders = importlib.import_module("folder_paths")
    monkeypatch.setitem(folders.folder_names_and_paths, "vae_approx", ([str(tmp_path)], {".safetensors"}))
    monkeypatch.setattr(folders, "filename_list_cache", {})
    return network


def test_half_the_size_where_that_is_enough_for_a_verifier(model: Any) -> None:
    half = small_images(vae_of(8), model, (1, 4, 64, 96))
    latents = torch.rand(2, 4, 64, 96)
    small = half.vae.decode(latents)
    assert small.shape == (2, 32, 48, 4)
    assert torch.allclose(small[0, 0, 0], latents[0, :, :2, :2].mean((1, 2)))
    assert small_images(vae_of(8), model, (1, 4, 62, 96)) is None  # 248 pixels


@pytest.mark.parametrize(
    "vae, shapes",
    [
        (vae_of(1), [(1, 4, 1024, 1024)]),  # pixels: nothing to decode
        (SimpleNamespace(decode=None), [(1, 4, 128, 128)]),  # of a pack that does not tell
        (vae_of(lambda side: side), [(1, 4, 128, 128)]),
        (vae_of(8), [(1, 16, 9, 128, 128)]),  # a video
        (vae_of(8), [(1, 4, 128, 128), (1, 4, 8)]),  # with audio
    ],
)
def test_elsewhere_there_are_none(model: Any, vae: Any, shapes: Any) -> None:
    assert small_images(vae, model, *shapes) is None


def test_the_tiny_vae_draws_what_previews_show(model: Any, tiny: Any) -> None:
    found = small_images(vae_of(8), model, (1, 4, 16, 16))
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    images = found.vae.decode(latents)
    assert images.shape == (2, 128, 128, 3) and 0 <= float(images.min()) < float(images.max()) <= 1
    preview = importlib.import_module("latent_preview").TAESDPreviewerImpl(tiny)
    shown = preview.decode_latent_to_preview(model.process_latent_in(latents))
    assert np.allclose(np.asarray(shown), images[0].numpy() * 255, atol=1)
    assert "tiny VAE" in found.name


def test_the_tiny_vae_of_a_video_model_is_not_asked(model: Any, tiny: Any) -> None:
    model.latent_format.taesd_decoder_name = "taehv"
    assert small_images(vae_of(8), model, (1, 4, 16, 16)) is None
