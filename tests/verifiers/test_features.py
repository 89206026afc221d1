"""Reference, consistency and class verifiers on small models with drawn weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
import safetensors.torch
import torch
from PIL import Image

import lite0
from reference_inputs import draw_all, images
from small_clip import VISION, clip_shapes

pytestmark = pytest.mark.usefixtures("comfy")


def module(name: str) -> ModuleType:
    return importlib.import_module(f"noise_search.verifiers.{name}")


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "model.safetensors"
    safetensors.torch.save_file(draw_all(clip_shapes()), path)
    return path


@pytest.fixture
def model(clip_file: Path) -> Any:
    return module("networks.clip").load(clip_file, "test")


def batch() -> torch.Tensor:
    return torch.stack([image[:90, :200] for image in images()]).float() / 255


def test_an_image_is_most_like_itself(model: Any) -> None:
    pictures = batch()
    scores = module("reference").Reference(model, [pictures[1:2]]).score(pictures, [""] * 4)
    assert scores.argmax() == 1
    assert scores[1] == pytest.approx(1.0, abs=1e-5)


def test_several_references_count_by_mean_or_nearest(model: Any) -> None:
    pictures = batch()
    alone = torch.stack(
        [module("reference").Reference(model, [p[None]]).score(pictures, [""] * 4) for p in pictures[:2]]
    )
    references = [pictures[:1], images()[1][None, :90, :200].float() / 255]
    mean = module("reference").Reference(model, references).score(pictures, [""] * 4)
    nearest = module("reference").Reference(model, references, nearest=True).score(pictures, [""] * 4)
    torch.testing.assert_close(mean, alone.mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(nearest, alone.amax(0), atol=1e-5, rtol=1e-4)


def test_consistency_is_one_when_nothing_changed_and_falls_with_change(model: Any) -> None:
    verifier = module("consistency").FeatureConsistency(model)
    pictures = batch()
    changed = (pictures + 0.3 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert isinstance(verifier, importlib.import_module("noise_search.verifiers.base").NeedsPrediction)
    assert verifier.score_with_prediction(pictures, pictures, [""] * 4).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    assert verifier.score_with_prediction(pictures, changed, [""] * 4).max() < 0.999


def test_consistency_of_images_alone_says_where_it_works(model: Any) -> None:
    base = importlib.import_module("noise_search.verifiers.base")
    with pytest.raises(base.VerifierError, match=r"feature consistency failed on image 0.*Use it on a search node"):
        base.ask(module("consistency").FeatureConsistency(model), batch()[:1], [""], lambda index: f"image {index}")


def test_zero_shot_is_a_softmax_over_template_means(model: Any) -> None:
    verifier = module("classes").ZeroShot(model, ["dog", "puppy"], ["cat"], ["a {}.", "art of a {}"])
    pictures = batch()
    words = [
        torch.nn.functional.normalize(model.texts([f"a {word}.", f"art of a {word}"]).mean(0), dim=0)
        for word in ("dog", "puppy", "cat")
    ]
    expected = (model.scale * model.images(pictures) @ torch.stack(words).T).softmax(-1)[:, :2].sum(-1)
    torch.testing.assert_close(verifier.score(pictures, [""] * 4), expected)


def test_many_classes_are_encoded_once(model: Any) -> None:
    encoded: list[int] = []
    model.managed.patcher.model.text.register_forward_pre_hook(lambda _module, given: encoded.append(len(given[0])))
    verifier = module("classes").ZeroShot(model, ["dog"], [f"thing {number}" for number in range(299)], ["a {}."])
    for _ in range(2):
        verifier.score(batch(), [""] * 4)
    assert sum(encoded) == 300
    assert len(model._texts) == module("networks.clip").PROMPTS_KEPT
    some = model.texts(["a dog.", "a thing 298.", "new"])
    torch.testing.assert_close(some[0], model.texts(["a dog."])[0])


@pytest.mark.parametrize(
    "wanted, others, templates, message",
    [
        (["dog"], [], ["a {}"], "one other as well, to tell it from"),
        ([], ["cat"], ["a {}"], "at least one wanted class"),
        (["dog"], ["cat"], ["a photo"], "where the class word goes"),
    ],
)
def test_classes_that_are_refused(model: Any, wanted: Any, others: Any, templates: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module("classes").ZeroShot(model, wanted, others, templates)


def dino_folder(folder: Path, kind: str = "Dinov2") -> tuple[Path, Any, Any]:
    import transformers

    labels = {0: "tench, Tinca tinca", 1: "goldfish", 2: "hen"}
    config = getattr(transformers, f"{kind}Config")(
        **VISION, mlp_ratio=2, id2label=labels, label2id={v: k for k, v in labels.items()}
    )
    model = getattr(transformers, f"{kind}ForImageClassification")(config)
    model.load_state_dict(draw_all({key: list(value.shape) for key, value in model.state_dict().items()}))
    model.eval().save_pretrained(folder)
    bit = getattr(transformers, "BitImageProcessorPil", None) or transformers.BitImageProcessor
    processor = bit(size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}, resample=3)
    processor.save_pretrained(folder)
    return folder / "model.safetensors", model, processor


@pytest.mark.parametrize("wanted, number", [("Tinca tinca", 0), ("hen", 2), ("1", 1)])
def test_the_linear_head_is_transformers_own(tmp_path: Path, wanted: str, number: int) -> None:
    path, published, processor = dino_folder(tmp_path)
    verifier = module("classes").load(path, [wanted], [], [])
    for image in images()[:2]:
        pixels = processor(images=Image.fromarray(numpy.asarray(image)), return_tensors="pt")
        with torch.inference_mode():
            expected = published(**pixels).logits.softmax(-1)[0, number]
        assert verifier.score(image[None].float() / 255, [""])[0] == pytest.approx(expected.item(), abs=2e-3)


def test_the_linear_head_of_a_model_with_registers_sees_the_class_token_and_the_patches(tmp_path: Path) -> None:
    """Not the registers, as published; transformers 4 took them for patches."""
    path, published, processor = dino_folder(tmp_path, "Dinov2WithRegisters")
    pixels = processor(images=Image.fromarray(numpy.asarray(images()[0])), return_tensors="pt")
    with torch.inference_mode():
        tokens = published.dinov2_with_registers(**pixels).last_hidden_state[0]
        head = torch.cat([tokens[0], tokens[1 + published.config.num_register_tokens :].mean(0)])
        expected = published.classifier(head).softmax(-1)[2]
    score = module("classes").load(path, ["hen"], [], []).score(images()[0][None].float() / 255, [""])
    assert score[0] == pytest.approx(expected.item(), abs=2e-3)


@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters"])
def test_a_model_with_a_head_gives_features_too(tmp_path: Path, kind: str) -> None:
    path, published, processor = dino_folder(tmp_path, kind)
    pixels = processor(images=Image.fromarray(numpy.asarray(images()[0])), return_tensors="pt")
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(published.base_model(**pixels).pooler_output)
    ours = module("networks.clip").load(path, "test", text=False).images(images()[0][None].float() / 255)
    assert (ours - expected).abs().max() < 1e-3 * expected.abs().max()


def test_a_class_the_head_does_not_have_is_refused(tmp_path: Path) -> None:
    path, _, _ = dino_folder(tmp_path)
    with pytest.raises(ValueError, match=r"no class 'dragon'\. It has 3, such as tench"):
        module("classes").load(path, ["dragon"], [], [])
    with pytest.raises(ValueError, match="needs at least one wanted class"):
        module("classes").load(path, [], [], [])


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """An officer in uniform, [3, 400, 400, 3]: as it is, shifted and dimmed, and with its patches mixed up."""
    from matplotlib.cbook import get_sample_data

    with get_sample_data("grace_hopper.jpg") as file:
        photo = torch.from_numpy(numpy.array(Image.open(file).convert("RGB"))).float() / 255
    near = 0.8 * photo[30:430, 60:460]
    patches = photo[20:420, 50:450].unfold(0, 50, 50).unfold(1, 50, 50).reshape(64, 3, 50, 50)
    mixed = patches[torch.randperm(64, generator=torch.Generator().manual_seed(0))]
    mixed = mixed.reshape(8, 8, 3, 50, 50).permute(0, 3, 1, 4, 2).reshape(400, 400, 3)
    return torch.stack([photo[20:420, 50:450], near, mixed])


@pytest.fixture(scope="module")
def published(comfy: Any) -> Any:
    return lite0.network()


def test_a_published_classifier_sees_formal_wear(published: Any, photos: torch.Tensor) -> None:
    verifier = module("classes").LinearProbe(published, lite0.pipeline(), lite0.FORMAL)
    scores = verifier.score(photos, [""] * 3)
    assert scores[0] > 0.5 and scores[1] > 0.5, scores
    assert scores[2] < scores[:2].min() - 0.1, scores
    fish = module("classes").LinearProbe(published, lite0.pipeline(), [0])
    assert fish.score(photos[:1], [""])[0] < 0.01


def test_published_features_know_the_same_photo_taken_otherwise(published: Any, photos: torch.Tensor) -> None:
    features = module("networks.clip").Clip(published, lite0.pipeline(), None, 1.0)
    scores = module("reference").Reference(features, [photos[:1]]).score(photos, [""] * 3)
    assert scores[0] == pytest.approx(1.0, abs=1e-5)
    assert scores[0] > scores[1] > scores[2] + 0.1, scores


def test_published_features_fall_with_what_changes_at_the_end(published: Any, photos: torch.Tensor) -> None:
    features = module("networks.clip").Clip(published, lite0.pipeline(), None, 1.0)
    noise = torch.randn(photos[:1].shape, generator=torch.Generator().manual_seed(0))
    predicted = torch.cat([(photos[:1] + much * noise).clamp(0, 1) for much in (0.0, 0.02, 0.1, 0.3)])
    scores = (
        module("consistency")
        .FeatureConsistency(features)
        .score_with_prediction(photos[:1].expand(4, -1, -1, -1), predicted, [""] * 4)
    )
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert scores[0] > 0.999 and scores[3] < scores[1] - 0.1, scores


def test_clip_iqa_is_the_probability_of_a_good_photo(model: Any) -> None:
    """Wang et al. 2022: the softmax between two antonyms, of the cosines times the model's scale."""
    verifier = module("classes").ZeroShot(model, ["Good photo."], ["Bad photo."], ["{}"])
    pictures = batch()
    logits = model.scale * model.images(pictures) @ model.texts(["Good photo.", "Bad photo."]).T
    torch.testing.assert_close(verifier.score(pictures, [""] * 4), logits.softmax(-1)[:, 0], atol=1e-5, rtol=1e-4)
