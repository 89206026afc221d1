"""Scores equal those of the published code on the same weights (tests/fixtures/make_references.py; transformers)."""

from __future__ import annotations

import importlib
import json
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest
import safetensors.torch
import torch
from PIL import Image

from reference_inputs import PROMPTS, draw_all, images

pytestmark = pytest.mark.usefixtures("comfy")
REFERENCES = json.loads((Path(__file__).parents[1] / "fixtures" / "references.json").read_text())


def module(name: str) -> ModuleType:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def table(verifier: Any) -> torch.Tensor:
    """Scores [image][prompt], each image alone with all prompts as a batch."""
    rows = [image.float().div(255).expand(len(PROMPTS), -1, -1, -1) for image in images()]
    return torch.stack([verifier.score(row, list(PROMPTS)) for row in rows])


def assert_same(verifier: Any, expected: Any) -> None:
    """Each score is within 1e-3 of the largest; a score alone and one of a batch are the same."""
    expected, scores = torch.as_tensor(expected), table(verifier)
    worst = (scores - expected).abs().max() / expected.abs().max()
    print(f"worst relative difference {worst:.1e}")
    assert worst < 1e-3
    alone = verifier.score(images()[1][None].float() / 255, [PROMPTS[2]])
    assert alone.shape == (1,)
    torch.testing.assert_close(alone[0], scores[1, 2], rtol=1e-4, atol=1e-5)


def save(folder: Path, name: str, weights: dict[str, torch.Tensor]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({key: value.contiguous() for key, value in weights.items()}, path)
    else:
        torch.save(weights, path)
    return path


def reference_file(folder: Path, name: str, file: str = "model.safetensors") -> Path:
    return save(folder, file, draw_all(REFERENCES[name]["shapes"]))


@pytest.mark.parametrize("name, activation", [("open_clip", "auto"), ("open_clip_quick_gelu", "quick_gelu")])
def test_clip_score_of_an_open_clip_checkpoint(tmp_path: Path, name: str, activation: str) -> None:
    verifier = module("clip_score").load(reference_file(tmp_path, name), activation)
    assert_same(verifier, REFERENCES[name]["scores"])


def test_open_clip_config_beside_the_weights_tells_the_activation(tmp_path: Path) -> None:
    path = reference_file(tmp_path, "open_clip_quick_gelu", "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True}}))
    assert_same(module("clip_score").load(path), REFERENCES["open_clip_quick_gelu"]["scores"])


def test_clip_score_of_an_open_clip_siglip_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, tokens = REFERENCES["open_clip_siglip"], module("networks.tokens")
    ids = dict(zip(PROMPTS, torch.tensor(reference["ids"])))

    class Given(tokens.Tokenizer):
        def __call__(self, texts: list[str]) -> Any:
            rows = torch.stack([ids[text] for text in texts])
            return tokens.Tokens(rows, torch.ones_like(rows).bool(), torch.zeros(len(rows), dtype=torch.long))

    monkeypatch.setattr(module("networks.clip"), "Tokenizer", Given)
    monkeypatch.setattr(module("networks.clip"), "folder_tokenizer", lambda folder, title: None)
    verifier = module("clip_score").load(reference_file(tmp_path, "open_clip_siglip"))
    assert_same(verifier, reference["scores"])


def test_hps(tmp_path: Path) -> None:
    checkpoint = {"state_dict": draw_all(REFERENCES["hps"]["shapes"]), "epoch": 1, "name": "published like this"}
    torch.save(checkpoint, tmp_path / "HPS_v2.1_compressed.pt")
    assert_same(module("hps").load(tmp_path / "HPS_v2.1_compressed.pt"), REFERENCES["hps"]["scores"])


@pytest.mark.parametrize("name", ["aesthetic_linear", "aesthetic_mlp", "aesthetic_relu"])
def test_aesthetic(tmp_path: Path, name: str) -> None:
    weights = draw_all(REFERENCES[name]["shapes"])
    tower = {key: value for key, value in weights.items() if key.startswith("vis")}
    head = {key: value for key, value in weights.items() if key not in tower}
    if name == "aesthetic_linear":
        head = {key.removeprefix("predictor."): value for key, value in head.items()}
    verifier = module("aesthetic").load(save(tmp_path, "head.pth", head), save(tmp_path, "clip.safetensors", tower))
    assert_same(verifier, REFERENCES[name]["scores"])


def test_image_reward(tmp_path: Path) -> None:
    path = reference_file(tmp_path, "image_reward", "ImageReward.pt")
    (tmp_path / "vocab.txt").write_text("\n".join(REFERENCES["image_reward"]["vocabulary"]))
    assert_same(module("image_reward").load(path), REFERENCES["image_reward"]["scores"])


VISION = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
TEXT = {"hidden_size": 96, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 3}


def image_processor(family: str) -> Any:
    """The published one, which resizes with Pillow. What transformers 5 puts in its place resizes with torchvision,
    which is off by one level in a pixel of 300."""
    import transformers

    name = f"{family}ImageProcessor"
    return getattr(transformers, f"{name}Pil", None) or getattr(transformers, name)


def transformers_folder(folder: Path, model: Any, *others: Any) -> Path:
    """A model with drawn weights and its processors, as save_pretrained leaves them."""
    model.load_state_dict(draw_all({key: list(value.shape) for key, value in model.state_dict().items()}))
    model.eval().save_pretrained(folder)
    for other in others:
        other.save_pretrained(folder)
    return folder / "model.safetensors"


def published_scores(model: Any, processor: Any, texts: Any, scale: float = 1.0) -> torch.Tensor:
    """[image][prompt] of a transformers CLIP-like model, in its own way from Pillow images."""
    pictures = [Image.fromarray(numpy.asarray(image)) for image in images()]
    with torch.inference_mode():
        rows = [model(**texts, **processor(images=one, return_tensors="pt")) for one in pictures]
    cosines = [torch.nn.functional.normalize(row.image_embeds) @ torch.nn.functional.normalize(row.text_embeds).T
               for row in rows]  # fmt: skip
    return scale * torch.cat(cosines)


def clip_folder(folder: Path, activation: str) -> tuple[Path, torch.Tensor, float]:
    """The file, the cosines of transformers' own code, and the scale."""
    import transformers

    tokenizer = module("networks.tokens").clip_tokenizer()
    config = transformers.CLIPConfig(
        text_config=TEXT | {"hidden_act": activation, "eos_token_id": 2},
        vision_config=VISION | {"hidden_act": activation},
        projection_dim=40,
    )
    model = transformers.CLIPModel(config)
    processor = image_processor("CLIP")(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    path = transformers_folder(folder, model, processor, tokenizer)
    texts = tokenizer(list(PROMPTS), padding=True, truncation=True, max_length=77, return_tensors="pt")
    return path, published_scores(model, processor, texts), model.logit_scale.exp().item()


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_clip_score_of_a_transformers_folder(tmp_path: Path, activation: str) -> None:
    path, cosines, _ = clip_folder(tmp_path, activation)
    assert_same(module("clip_score").load(path), cosines)


def test_clip_score_of_a_folder_in_several_files(tmp_path: Path) -> None:
    path, cosines, _ = clip_folder(tmp_path, "gelu")
    weights = safetensors.torch.load_file(path)
    path.unlink()
    half = len(weights) // 2
    for number, names in enumerate((list(weights)[:half], list(weights)[half:]), 1):
        part = tmp_path / f"model-{number:05d}-of-00002.safetensors"
        safetensors.torch.save_file({name: weights[name] for name in names}, part)
    assert_same(module("clip_score").load(tmp_path / "model-00001-of-00002.safetensors"), cosines)


def test_pickscore(tmp_path: Path) -> None:
    path, cosines, scale = clip_folder(tmp_path, "gelu")
    assert_same(module("pickscore").load(path), scale * cosines)


def test_half_precision_weights_stay_half_and_score_the_same(tmp_path: Path) -> None:
    path, cosines, _ = clip_folder(tmp_path, "gelu")
    weights = {name: value.half() for name, value in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(weights, path)
    verifier = module("clip_score").load(path)
    assert {value.dtype for value in verifier.model.managed.patcher.model.parameters()} == {torch.float16}
    assert (table(verifier) - cosines).abs().max() < 2e-3


def published_text(text: str) -> str:
    """As SigLIP's own tokenizer prepares it."""
    siglip = importlib.import_module("transformers.models.siglip.tokenization_siglip").SiglipTokenizer
    settings = SimpleNamespace(do_lower_case=True, remove_punctuation=partial(siglip.remove_punctuation, None))
    return siglip.canonicalize_text(settings, text.lower())


def word_tokenizer(texts: list[str]) -> Any:
    """A tokenizer of whole words, in the form transformers saves."""
    import tokenizers
    import transformers

    words = ["<pad>", "</s>", "<unk>", *sorted({word for text in texts for word in text.split()})]
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def name_siglip_s_class(folder: Path) -> None:
    """Its tokenizer's class as published, which needs a library that ComfyUI does not bring."""
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": "SiglipTokenizer"}))
    (folder / "spiece.model").write_bytes(b"")


@pytest.mark.parametrize("version", [1, 2])
def test_clip_score_of_siglip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    import transformers

    told = [published_text(prompt) if version == 1 else prompt.lower() for prompt in PROMPTS]
    tokenizer = word_tokenizer(told)
    if version == 2:
        monkeypatch.setattr(module("networks.clip"), "GEMMA_WORDS", len(tokenizer))
    config = transformers.SiglipConfig(
        text_config=TEXT | {"projection_size": 128, "max_position_embeddings": 16, "vocab_size": len(tokenizer)},
        vision_config=VISION,
    )
    model = transformers.SiglipModel(config)
    processor = image_processor("Siglip")(size={"height": 56, "width": 56})
    path = transformers_folder(tmp_path, model, processor, tokenizer)
    name_siglip_s_class(tmp_path)
    ids = tokenizer(told, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
    texts = {"input_ids": ids["input_ids"]}
    assert_same(module("clip_score").load(path), published_scores(model, processor, texts))


@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters"])
def test_features_of_dino(tmp_path: Path, kind: str) -> None:
    import transformers

    config = getattr(transformers, f"{kind}Config")(**{**VISION, "image_size": 70}, mlp_ratio=2)
    model = getattr(transformers, f"{kind}Model")(config)
    processor = image_processor("Bit")(
        size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225], resample=3,
    )  # fmt: skip
    path = transformers_folder(tmp_path, model, processor)
    ours = module("networks.clip").load(path, "test", text=False)
    for image in images():
        pixels = processor(images=Image.fromarray(numpy.asarray(image)), return_tensors="pt")
        with torch.inference_mode():
            expected = torch.nn.functional.normalize(model(**pixels).pooler_output)
        assert (ours.images(image[None].float() / 255) - expected).abs().max() < 1e-3 * expected.abs().max()
