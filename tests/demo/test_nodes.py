"""The demo's nodes in ComfyUI: its stock nodes must work with them unchanged."""

import logging
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch

from noise_search.demo.benchmark import benchmark_captions
from noise_search.demo.flow import euler
from noise_search.demo.scene import Placed, Scene, draw
from noise_search.demo.text_encoder import TextEncoder
from noise_search.demo.tokens import token_ids
from noise_search.demo.unet import UNet
from noise_search.demo.weights import MODEL_FILE, load_weights

CAPTION = "a red circle left of a blue square"


class Loaded(NamedTuple):
    nodes: ModuleType
    model: Any
    clip: Any
    vae: Any

    def encode(self, text: str) -> list:
        return self.nodes.CLIPTextEncode().encode(self.clip, text)[0]

    def empty(self, batch: int, width: int = 64, height: int = 64) -> dict:
        return self.nodes.EmptyLatentImage().generate(width, height, batch)[0]

    def sample(self, latent: dict, seed: int = 1, steps: int = 2, denoise: float = 1.0, text: str = CAPTION) -> dict:
        settings = {"sampler_name": "euler", "scheduler": "simple", "denoise": denoise}
        positive, negative = self.encode(text), self.encode("")
        return self.nodes.KSampler().sample(
            self.model, seed, steps, 3.0, positive=positive, negative=negative, latent_image=latent, **settings
        )[0]

    def decode(self, latent: dict) -> torch.Tensor:
        return self.nodes.VAEDecode().decode(self.vae, latent)[0]


@pytest.fixture(scope="module")
def loaded(comfy: ModuleType) -> Loaded:
    import nodes

    from noise_search.demo.loaders import LoadShapesModel

    return Loaded(nodes, *LoadShapesModel.execute().args)


@pytest.fixture(scope="module")
def verifier(comfy: ModuleType) -> Any:
    from noise_search.demo.loaders import LoadShapesVerifier

    return LoadShapesVerifier.execute().args[0]


@pytest.mark.parametrize("batch", [1, 4])
def test_text_to_image(loaded: Loaded, batch: int) -> None:
    images = loaded.decode(loaded.sample(loaded.empty(batch)))
    assert images.shape == (batch, 64, 64, 3)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.01


def test_row_of_a_batch_equals_the_noise_alone(loaded: Loaded) -> None:
    batch = loaded.sample(loaded.empty(4))["samples"]
    assert torch.allclose(loaded.sample(loaded.empty(1))["samples"], batch[:1], atol=1e-4)


def test_the_host_samples_as_the_training_code_does(loaded: Loaded) -> None:
    import comfy.sample

    unet, text = UNet(), TextEncoder()
    unet.load_state_dict(load_weights(MODEL_FILE, prefix="unet."))
    text.load_state_dict(load_weights(MODEL_FILE, prefix="text."))
    latent = loaded.empty(2)
    noise = comfy.sample.prepare_noise(torch.zeros(2, 3, 64, 64), 5)
    ours = euler(unet, text, noise, torch.tensor([token_ids(CAPTION)] * 2), steps=5)
    assert torch.allclose(loaded.sample(latent, seed=5, steps=5)["samples"], ours, atol=1e-4)


def test_caption_matters(loaded: Loaded) -> None:
    first, second = (loaded.sample(loaded.empty(1), text=text)["samples"] for text in (CAPTION, "a black star"))
    assert not torch.allclose(first, second, atol=1e-2)


def test_image_to_image_and_mask(loaded: Loaded) -> None:
    pixels = torch.full((1, 64, 64, 3), 0.25)
    latent = loaded.nodes.VAEEncode().encode(loaded.vae, pixels)[0]
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1.0
    masked = loaded.nodes.SetLatentNoiseMask().set_mask(latent, mask)[0]
    image = loaded.decode(loaded.sample(masked, denoise=0.8, steps=3))
    assert torch.allclose(image[:, :, :32], pixels[:, :, :32], atol=1e-4)
    assert not torch.allclose(image[:, :, 32:], pixels[:, :, 32:], atol=0.05)


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 128), (72, 80)])
def test_other_sizes(loaded: Loaded, width: int, height: int) -> None:
    assert loaded.decode(loaded.sample(loaded.empty(1, width, height))).shape == (1, height, width, 3)


@pytest.mark.parametrize("text", ["", "a (red:1.3) circle", "((star))", "(a red circle:0.5)", "red " * 50])
def test_prompts_of_all_kinds(loaded: Loaded, text: str) -> None:
    assert torch.isfinite(loaded.sample(loaded.empty(1), text=text)["samples"]).all()


def test_weights_change_the_conditioning(loaded: Loaded) -> None:
    plain, one, heavy = (loaded.encode(text)[0][0] for text in ("a red star", "a (red:1.0) star", "a (red:1.5) star"))
    assert torch.equal(plain, one)
    assert not torch.equal(plain, heavy)


def test_unknown_words_are_ignored_and_logged(loaded: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    plain = loaded.encode("a red circle")[0][0]
    with caplog.at_level(logging.WARNING):
        other = loaded.encode("a fluffy red circle, masterpiece")[0][0]
    assert torch.equal(plain, other)
    assert "fluffy, masterpiece" in caplog.text


def test_verifier_follows_the_protocol(verifier: Any) -> None:
    scores = verifier.score(torch.rand(3, 64, 64, 3), [CAPTION] * 3)
    assert scores.shape == (3,)
    assert scores.dtype == torch.float32
    assert verifier.name
    assert verifier.needs_prompt is True


def test_verifier_scores_do_not_depend_on_the_batch(verifier: Any) -> None:
    images = torch.rand(70, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    prompts = [str(caption) for caption in benchmark_captions(70)]
    together = verifier.score(images, prompts)
    alone = torch.cat([verifier.score(images[i : i + 1], prompts[i : i + 1]) for i in (0, 33, 69)])
    assert torch.allclose(together[[0, 33, 69]], alone, atol=1e-4)


def test_verifier_takes_other_sizes(verifier: Any) -> None:
    assert verifier.score(torch.rand(1, 96, 128, 3), [CAPTION]).shape == (1,)


def test_colorfulness_likes_color_and_reads_no_prompt(comfy: ModuleType) -> None:
    from noise_search.demo.loaders import ColorfulnessVerifier

    judge = ColorfulnessVerifier.execute().args[0]
    gray, color = torch.full((64, 64, 3), 0.5), torch.zeros(64, 64, 3)
    color[:32, :, 0], color[32:, :, 2] = 1.0, 1.0
    scores = judge.score(torch.stack([gray, color]), ["", ""])
    assert scores[0] == 0
    assert scores[1] > 0.5
    assert judge.needs_prompt is False


def test_the_oracle_scores_the_share_of_the_caption_that_holds(comfy: ModuleType) -> None:
    from noise_search.demo.loaders import ShapesOracle

    picture = draw(Scene((245, 245, 245), (Placed("circle", "red", 16, 30, 7), Placed("square", "blue", 46, 34, 10))))
    images = torch.from_numpy(picture / 255.0).float().expand(3, -1, -1, -1)
    captions = [CAPTION, "a green circle left of a blue square", "a green star right of a yellow cross"]
    right, one_wrong, most_wrong = ShapesOracle.execute().args[0].score(images, captions)
    assert right == 1
    assert right > one_wrong > most_wrong
