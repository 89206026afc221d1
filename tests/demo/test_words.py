"""The words model: what a sign may say, how signs are drawn, its training, and its node in ComfyUI."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from noise_search.demo import train_words
from noise_search.demo.flow import euler
from noise_search.demo.lettering import HEIGHT, LENGTH, WIDTH, layout, read_sign
from noise_search.demo.sign_pictures import draw_sign, paint, random_words
from noise_search.demo.sign_unet import PLACE, LetterEncoder, SignUNet, numbers, spread
from noise_search.demo.weights import WORDS_FILE, load_weights, training_metadata

PROMPT = 'a sign that says "OPEN LATE"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PROMPT, ("OPEN", "LATE")),
        ("open late", ("OPEN", "LATE")),
        ("a sign: “Ice Cream”, lit", ("ICE", "CREAM")),
        ('"ICE" and "CREAM"', ("ICE", "CREAM")),
        ("", ()),
        ('a sign that says ""', ()),
    ],
)
def test_a_sign_says_what_is_in_quotes(text: str, words: tuple[str, ...]) -> None:
    assert read_sign(text) == words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"OPEN 24"', "A to Z only; '24' has '24'"),
        ('"CAFÉ"', "'CAFÉ' has 'É'"),
        ('"早安"', "A to Z only"),
        ('"BREAKFAST"', "up to 6 letters; 'BREAKFAST' has 9"),
        ('"ONE TWO THREE FOUR"', "up to 3 words, and this has 4"),
        ("a sign in a street", "up to 3 words, and this has 5: 'A SIGN IN A STREET'. Put what the sign says in quotes"),
    ],
)
def test_what_the_model_can_not_draw_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="The words model draws") as refused:
        read_sign(text)
    assert told in str(refused.value)


@pytest.mark.parametrize("words", [("I",), ("WMWMWM",), ("OPEN", "LATE"), ("WMWMWM", "WMWMWM", "WMWMWM")])
def test_letters_stand_in_the_picture_in_reading_order(words: tuple[str, ...]) -> None:
    glyphs = layout(words)
    assert "".join(one.letter for one in glyphs) == "".join(words)
    assert [(one.y, one.x) for one in glyphs] == sorted((one.y, one.x) for one in glyphs)
    assert min(one.x - one.width / 2 for one in glyphs) > 0 < min(one.y - one.height / 2 for one in glyphs)
    assert max(one.x + one.width / 2 for one in glyphs) < WIDTH
    assert max(one.y + one.height / 2 for one in glyphs) < HEIGHT
    assert np.mean([one.y for one in glyphs if one.letter]) == pytest.approx(HEIGHT / 2, abs=9)


def test_a_letter_is_told_to_the_patches_around_its_place() -> None:
    rows = torch.tensor([numbers(layout(("A",))), numbers([])])
    assert rows.shape == (2, LENGTH, 1 + PLACE)
    there, nowhere = spread(LetterEncoder()(rows), 16, 24)
    assert not nowhere.any()
    assert there[:, 8, 12].any()
    assert not there[:, :2].any() and not there[:, :, :6].any() and not there[:, :, -6:].any()


def test_drawn_signs_are_the_same_for_a_seed_and_hold_ink_and_words() -> None:
    one, same, other = (draw_sign(("OPEN",), np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.ink, same.ink) and not np.array_equal(one.ink, other.ink)
    assert one.ink.shape == (HEIGHT, WIDTH) and one.ink.max() > 200 and 0.05 < (one.ink > 127).mean() < 0.5
    for words in (random_words(np.random.default_rng(seed)) for seed in range(50)):
        assert read_sign(" ".join(words)) == words
    pictures = paint(torch.from_numpy(np.stack([one.ink, other.ink])), torch.Generator().manual_seed(0))
    assert pictures.shape == (2, 3, HEIGHT, WIDTH)
    assert -1 <= pictures.min() < -0.3 and 0.3 < pictures.max() <= 1


def training(steps: int, seed: int = 1) -> train_words.SignTraining:
    return train_words.SignTraining(
        steps=steps, seed=seed, threads=1, batch=2, pool=6, first=4, fresh=1, warmup_steps=2
    )


def same(a: Path, b: Path) -> bool:
    first, second = load_weights(a), load_weights(b)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_training_is_fixed_by_its_seed_and_resumable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, other, parts = (tmp_path / f"{name}.safetensors" for name in ("whole", "other", "parts"))
    train_words.train_words(training(6), whole, snapshot_every=100, resume=False)
    train_words.train_words(training(6, seed=2), other, snapshot_every=100, resume=False)
    assert not same(whole, other)
    rate = train_words.learning_rate

    def interrupted(step: int, chosen: train_words.SignTraining) -> float:
        if step == 4:
            raise KeyboardInterrupt
        return rate(step, chosen)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(train_words, "learning_rate", interrupted)
        train_words.train_words(training(6), parts, snapshot_every=2, resume=False)
    train_words.train_words(training(6), parts, snapshot_every=2, resume=True)
    assert same(whole, parts)
    assert training_metadata(parts)["steps_done"] == 6


class Loaded:
    def __init__(self, nodes: ModuleType, model: Any, clip: Any, vae: Any):
        self.nodes, self.model, self.clip, self.vae = nodes, model, clip, vae

    def encode(self, text: str) -> list:
        return self.nodes.CLIPTextEncode().encode(self.clip, text)[0]

    def sample(self, text: str = PROMPT, batch: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> torch.Tensor:
        latent = self.nodes.EmptyLatentImage().generate(*size, batch)[0]
        positive, negative = self.encode(text), self.encode("")
        samples = self.nodes.KSampler().sample(
            self.model, 5, 2, 2.0, "euler", "simple", positive=positive, negative=negative, latent_image=latent
        )[0]
        return self.nodes.VAEDecode().decode(self.vae, samples)[0]


@pytest.fixture(scope="module")
def loaded(comfy: ModuleType) -> Loaded:
    import nodes

    from noise_search.demo.loaders import LoadWordsModel

    return Loaded(nodes, *LoadWordsModel.execute().args)


def test_a_sign_has_its_size_and_a_row_is_what_its_noise_gives_alone(loaded: Loaded) -> None:
    images = loaded.sample(batch=3)
    assert images.shape == (3, HEIGHT, WIDTH, 3)
    assert 0 <= images.min() < images.max() <= 1
    assert torch.allclose(loaded.sample(batch=1), images[:1], atol=1e-4)


def test_the_host_samples_signs_as_the_training_code_does(loaded: Loaded) -> None:
    import comfy.sample

    unet, text = SignUNet(), LetterEncoder()
    unet.load_state_dict(load_weights(WORDS_FILE, prefix="unet."))
    text.load_state_dict(load_weights(WORDS_FILE, prefix="text."))
    noise = comfy.sample.prepare_noise(torch.zeros(1, 3, HEIGHT, WIDTH), 5)
    rows = torch.tensor([numbers(layout(("OPEN", "LATE")))])
    ours = euler(unet, text, noise, rows, steps=2, cfg=2.0) / 2 + 0.5
    assert torch.allclose(loaded.sample(), ours.clamp(0, 1).movedim(1, -1), atol=1e-4)


def test_words_matter_and_weights_do_not(loaded: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    plain, same_words, other = (loaded.encode(text)[0][0] for text in (PROMPT, 'a "(open:1.2) late"', '"EVER LATE"'))
    assert torch.equal(plain, same_words)
    assert "ignores the weights" in caplog.text
    assert not torch.equal(plain, other)
    assert loaded.clip.tokenizer.untokenize([(0, 1.0), (25, 1.0)]) == [((0, 1.0), "A"), ((25, 1.0), "Z")]


def test_what_can_not_be_drawn_is_an_error_in_the_text_encoder(loaded: Loaded) -> None:
    with pytest.raises(ValueError, match="draws words of up to 6 letters"):
        loaded.encode('"BREAKFAST"')


@pytest.mark.parametrize("size", [(64, 64), (128, 72), (100, 80)])
def test_other_sizes(loaded: Loaded, size: tuple[int, int]) -> None:
    width, height = (side // 8 * 8 for side in size)
    assert loaded.sample(size=size).shape == (1, height, width, 3)
