"""Verifier nodes and their files: what combos offer, what works, and what is said when something is wrong."""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from layout import ROOT
from reference_inputs import draw_all, images
from small_clip import clip_shapes

pytestmark = pytest.mark.usefixtures("pack")
FIXTURES = ROOT / "tests" / "fixtures"


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.{name}")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """models/verifiers, in a folder of this test."""
    folder_paths = importlib.import_module("folder_paths")
    module("verifiers.files").register()
    extensions = folder_paths.folder_names_and_paths["verifiers"][1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "verifiers", ([str(tmp_path)], extensions))
    monkeypatch.delitem(folder_paths.filename_list_cache, "verifiers", raising=False)
    return tmp_path


def save(path: Path, shapes: dict[str, list[int]] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(draw_all(clip_shapes() if shapes is None else shapes), path)
    return path


def references() -> dict[str, Any]:
    return json.loads((FIXTURES / "references.json").read_text())


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(module("verifiers.files").WeightsError) as error:
        call(*arguments)
    return str(error.value)


def score_nodes() -> Any:
    return module("nodes.verifiers.scores")


def picture() -> torch.Tensor:
    return images()[0][None].float() / 255


def options(node: Any, name: str) -> list[str]:
    return next(entry.options for entry in node.define_schema().inputs if entry.id == name)


def test_the_folder_is_the_host_s_and_keeps_what_extra_model_paths_added(monkeypatch: pytest.MonkeyPatch) -> None:
    folder_paths = importlib.import_module("folder_paths")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "verifiers", (["/elsewhere/verifiers"], set()))
    module("verifiers.files").register()
    paths, extensions = folder_paths.folder_names_and_paths["verifiers"]
    assert paths == ["/elsewhere/verifiers", str(Path(folder_paths.models_dir) / "verifiers")]
    assert ".safetensors" in extensions


def test_combos_offer_what_is_there_and_tell_where_to_get_what_is_known(models: Path) -> None:
    """A file that a combo offers is one that the front end takes for installed, and never offers to download."""
    save(models / "mine.safetensors", {"x.weight": [2]})
    save(models / "big-00001-of-00002.safetensors", {"x.weight": [2]})
    save(models / "big-00002-of-00002.safetensors", {"y.weight": [2]})
    node = score_nodes().HPSVerifier
    assert options(node, "model") == ["big-00001-of-00002.safetensors", "mine.safetensors"]
    address = "https://huggingface.co/xswu/HPSv2"
    tooltip = node.define_schema().inputs[0].tooltip
    assert f"Not installed: HPS_v2.1_compressed.pt ({address}), HPS_v2_compressed.pt ({address})." in tooltip


def test_combos_begin_with_a_known_file_that_is_there(models: Path) -> None:
    """Not with another verifier's that comes earlier in the alphabet."""

    def chosen() -> str:
        return score_nodes().HPSVerifier.define_schema().inputs[0].default

    save(models / "A.safetensors", {"x.weight": [2]})
    assert chosen() == "HPS_v2.1_compressed.pt"
    torch.save({"x.weight": torch.zeros(2)}, models / "HPS_v2_compressed.pt")
    importlib.import_module("folder_paths").filename_list_cache.clear()
    assert chosen() == "HPS_v2_compressed.pt"


def test_a_known_file_that_is_missing_is_named_with_address_and_folder(models: Path) -> None:
    message = refused(score_nodes().ImageRewardVerifier.execute, "ImageReward/ImageReward.pt")
    assert message.startswith("ImageReward/ImageReward.pt is not installed. Download it from https://huggingface.co/")
    assert f"save it as {models / 'ImageReward' / 'ImageReward.pt'}" in message
    assert "Put vocab.txt" in message


def test_a_missing_file_is_refused_before_anything_runs(models: Path) -> None:
    check = score_nodes().HPSVerifier.validate_inputs
    assert str(models / "HPS_v2.1_compressed.pt") in check("HPS_v2.1_compressed.pt")
    assert check(None) is True  # from another node, which has not run yet
    save(models / "mine.safetensors", {"x.weight": [2]})
    assert check("mine.safetensors") is True


def test_each_of_two_missing_files_is_named(models: Path) -> None:
    check = score_nodes().AestheticVerifier.validate_inputs
    save(models / "head.safetensors", {"x.weight": [2]})
    assert check("no head.pth", "no clip.safetensors").startswith("no head.pth is not installed.")
    assert check("head.safetensors", "no clip.safetensors").startswith("no clip.safetensors is not installed.")


def test_another_file_that_is_missing_is_named_with_where_it_was_looked_for(models: Path) -> None:
    message = refused(score_nodes().CLIPScoreVerifier.execute, "gone.safetensors")
    assert message == f"gone.safetensors is not installed. Looked in: {models}."


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_a_truncated_file_is_named_as_such(models: Path, name: str) -> None:
    path = models / name
    weights = draw_all({"a.weight": [64, 64], "b.weight": [64, 64]})
    safetensors.torch.save_file(weights, path) if name.endswith("safetensors") else torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:9000])
    message = refused(score_nodes().PickScoreVerifier.execute, name)
    assert str(path) in message
    assert "incomplete" in message
    assert "Download it again" in message


class Code:
    def __reduce__(self) -> Any:
        return print, ("code in a file of weights was run",)


def test_a_pickle_with_code_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"visual.conv1.weight": torch.zeros(1), "more": Code()}, models / "evil.pt")
    message = refused(score_nodes().HPSVerifier.execute, "evil.pt")
    assert "files that hold code are refused" in message
    assert "was run" not in capsys.readouterr().out


def test_a_web_page_saved_under_the_name_of_a_model_is_refused(models: Path) -> None:
    (models / "page.pt").write_text("<html>Sign in</html>")
    assert "can not be read as a file of weights" in refused(score_nodes().HPSVerifier.execute, "page.pt")


@pytest.mark.parametrize("node", ["CLIPScoreVerifier", "PickScoreVerifier", "HPSVerifier", "ImageRewardVerifier"])
def test_another_kind_of_model_is_named_as_such(models: Path, node: str) -> None:
    save(models / "lora.safetensors", {"lora_unet_down.weight": [4, 4]})
    message = refused(getattr(score_nodes(), node).execute, "lora.safetensors")
    assert "lora.safetensors is not " in message
    assert "lora_unet_down.weight [4, 4]" in message


def test_a_file_that_is_no_head_is_named_as_such(models: Path) -> None:
    save(models / "clip.safetensors")
    message = refused(score_nodes().AestheticVerifier.execute, "clip.safetensors", "clip.safetensors")
    assert "clip.safetensors is not an aesthetic predictor's head. It holds" in message


def test_a_dino_without_a_linear_head_has_no_classes(models: Path) -> None:
    (models / "config.json").write_text(json.dumps({"model_type": "dinov2", "num_attention_heads": 2}))
    state = {"embeddings.cls_token": [1, 1, 8], "embeddings.position_embeddings": [1, 5, 8], "layernorm.weight": [8]}
    state |= {
        "embeddings.patch_embeddings.projection.weight": [8, 3, 2, 2],
        "encoder.layer.0.layer_scale1.lambda1": [8],
    }
    save(models / "dino.safetensors", state)
    classes = module("nodes.verifiers.features").ClassVerifier
    message = refused(lambda: classes.execute("dino.safetensors", wanted="dog", others=""))
    assert "is not a DINOv2 model with a linear head (classifier.weight)" in message


def test_weights_beside_what_training_saved_with_them(models: Path) -> None:
    weights = draw_all(clip_shapes())
    training = {"optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []}, "epoch": 3}
    torch.save({"model": {"state_dict": weights}, **training}, models / "epoch_3.pt")
    save(models / "plain.safetensors")
    one, other = (score_nodes().CLIPScoreVerifier.execute(name).args[0] for name in ("epoch_3.pt", "plain.safetensors"))
    torch.testing.assert_close(one.score(picture(), ["a cat"]), other.score(picture(), ["a cat"]))
    torch.save({"model": weights, "ema": weights, **training}, models / "two.pt")
    message = refused(score_nodes().CLIPScoreVerifier.execute, "two.pt")
    assert message.startswith(f"{models / 'two.pt'} holds several sets of weights: model, ema.")


@pytest.mark.filterwarnings("ignore:.*torch.load.* received a zip file:UserWarning", "ignore::DeprecationWarning")
def test_an_archive_with_code_as_openai_publishes_is_named(models: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(models / "ViT-L-14.pt"))
    message = refused(score_nodes().CLIPScoreVerifier.execute, "ViT-L-14.pt")
    assert message.startswith(f"{models / 'ViT-L-14.pt'} is a TorchScript archive, as OpenAI's own files are")
    assert "https://huggingface.co/openai" in message


def test_a_file_without_tensors_is_named_as_such(models: Path) -> None:
    torch.save({"epoch": 3}, models / "log.pt")
    assert "log.pt holds no tensors" in refused(score_nodes().HPSVerifier.execute, "log.pt")


def test_a_model_without_some_of_its_weights_is_named_as_such(models: Path) -> None:
    shapes = clip_shapes()
    del shapes["text_model.encoder.layers.1.mlp.fc2.weight"]
    save(models / "holes.safetensors", shapes)
    message = refused(score_nodes().CLIPScoreVerifier.execute, "holes.safetensors")
    assert "lacks the weight blocks.1.mlp.fc2.weight" in message


def test_a_model_with_more_than_we_know_is_refused(models: Path) -> None:
    save(models / "odd.safetensors", clip_shapes() | {"vision_model.encoder.layers.0.self_attn.gate.weight": [4, 4]})
    message = refused(score_nodes().CLIPScoreVerifier.execute, "odd.safetensors")
    assert "is of a kind that is not supported: it has image.blocks.0.self_attn.gate.weight" in message


def test_a_resnet_is_refused(models: Path) -> None:
    shapes = {"visual.conv1.weight": [32, 3, 3, 3], "visual.layer1.0.conv1.weight": [32, 32, 1, 1]}
    save(models / "rn50.safetensors", shapes | {"token_embedding.weight": [9, 8], "logit_scale": []})
    assert "ResNets are not supported" in refused(score_nodes().CLIPScoreVerifier.execute, "rn50.safetensors")


def test_half_a_model_is_named_as_such(models: Path) -> None:
    shapes = clip_shapes()
    save(models / "image.safetensors", {key: shape for key, shape in shapes.items() if key.startswith("vis")})
    save(models / "text.safetensors", {key: shape for key, shape in shapes.items() if key.startswith("text")})
    assert "image half of a model only" in refused(score_nodes().CLIPScoreVerifier.execute, "image.safetensors")
    assert "text half of a CLIP model only" in refused(score_nodes().CLIPScoreVerifier.execute, "text.safetensors")


def test_a_missing_part_of_a_split_model_is_named(models: Path) -> None:
    save(models / "m-00001-of-00002.safetensors")
    message = refused(score_nodes().CLIPScoreVerifier.execute, "m-00001-of-00002.safetensors")
    assert "m-00002-of-00002.safetensors is not beside it" in message


def test_a_missing_vocabulary_says_where_it_goes(models: Path) -> None:
    save(models / "ImageReward.safetensors", references()["image_reward"]["shapes"])
    message = refused(score_nodes().ImageRewardVerifier.execute, "ImageReward.safetensors")
    assert f"{models / 'vocab.txt'} is not there" in message
    assert "https://huggingface.co/google-bert/bert-base-uncased" in message


def test_a_vocabulary_that_is_cut_short_is_named(models: Path) -> None:
    save(models / "ImageReward.safetensors", references()["image_reward"]["shapes"])
    words = references()["image_reward"]["vocabulary"]
    (models / "vocab.txt").write_text("\n".join(words[:-2]))
    message = refused(score_nodes().ImageRewardVerifier.execute, "ImageReward.safetensors")
    assert (
        f"{models / 'vocab.txt'} has {len(words) - 2} words, but ImageReward needs the {len(words)} of BERT" in message
    )
    assert "Download it again from https://huggingface.co/google-bert" in message


def siglip(models: Path, words: int = 99) -> str:
    """The name of a small one's file, without a tokenizer."""
    shapes = {key: shape for key, shape in clip_shapes(words=words).items() if "class_embedding" not in key}
    position = "vision_model.embeddings.position_embedding.weight"
    save(models / "siglip.safetensors", shapes | {position: [16, 128]})
    return "siglip.safetensors"


def write_tokenizer(models: Path, words: int) -> None:
    """Whole words, w0 to the last one."""
    tokenizers = importlib.import_module("tokenizers")
    numbers = {"<pad>": 0, "<unk>": 1} | {f"w{number}": number for number in range(2, words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(models / "tokenizer.json"))
    (models / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "<pad>"}}))


@pytest.mark.parametrize("there", [(), ("spiece.model",), ("tokenizer.json",), ("tokenizer_config.json",)])
def test_a_siglip_without_its_tokenizer_says_what_is_missing(models: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (models / name).write_text("{}")
    message = refused(score_nodes().CLIPScoreVerifier.execute, siglip(models))
    assert message.startswith("CLIP score needs the tokenizer that the model was published with")
    assert f"Put its tokenizer.json and tokenizer_config.json into {models}" in message


def test_a_broken_tokenizer_is_named(models: Path) -> None:
    write_tokenizer(models, 99)
    text = (models / "tokenizer.json").read_text()
    (models / "tokenizer.json").write_text(text[: len(text) // 2])
    message = refused(score_nodes().CLIPScoreVerifier.execute, siglip(models))
    assert message.startswith(f"{models / 'tokenizer.json'} can not be read as a tokenizer (")
    assert message.endswith("Download it again.")


def test_a_tokenizer_of_another_model_is_named(models: Path) -> None:
    write_tokenizer(models, 120)
    verifier = score_nodes().CLIPScoreVerifier.execute(siglip(models)).args[0]
    assert verifier.score(picture(), ["w98, W2!"]).shape == (1,)
    message = refused(verifier.score, picture(), ["w110"])
    assert "The tokenizer gives token 110, but the model has 99 of them" in message


def test_a_clip_of_another_tokenizer_is_refused(models: Path) -> None:
    save(models / "worldwide.safetensors", clip_shapes(words=50000))
    message = refused(score_nodes().CLIPScoreVerifier.execute, "worldwide.safetensors")
    assert "knows 50000 tokens, and CLIP's tokenizer has 49408: it was trained with another tokenizer" in message


@pytest.mark.parametrize("node", ["CLIPScoreVerifier", "ReferenceVerifier"])
def test_a_clipa_is_refused(models: Path, node: str) -> None:
    """It has no class of its own: only a norm is missing, and the mean of the patches is meant."""
    save(
        models / "clipa.safetensors", {key: shape for key, shape in clip_shapes().items() if "pre_layrnorm" not in key}
    )
    with pytest.raises(module("verifiers.files").WeightsError, match="CLIPA is not supported"):
        if node == "ReferenceVerifier":
            module("nodes.verifiers.features").ReferenceVerifier.execute(["clipa.safetensors"], [picture()])
        else:
            score_nodes().CLIPScoreVerifier.execute("clipa.safetensors")


def test_a_siglip_2_naflex_is_refused(models: Path) -> None:
    patch = "vision_model.embeddings.patch_embedding.weight"
    save(models / "naflex.safetensors", clip_shapes() | {patch: [128, 588]})
    assert "SigLIP 2 NaFlex" in refused(score_nodes().CLIPScoreVerifier.execute, "naflex.safetensors")


def test_a_clip_with_another_image_tower_is_not_taken_for_half_a_model(models: Path) -> None:
    shapes = {"visual.trunk.stem.0.weight": [8, 3, 4, 4], "token_embedding.weight": [9, 8]}
    save(models / "convnext.safetensors", shapes | {"transformer.resblocks.0.attn.in_proj_weight": [24, 8]})
    message = refused(score_nodes().CLIPScoreVerifier.execute, "convnext.safetensors")
    assert "is not a CLIP, OpenCLIP, SigLIP or DINOv2 model" in message


def test_a_head_that_does_not_fit_its_tower_is_refused(models: Path) -> None:
    save(models / "clip.safetensors")
    torch.save(draw_all({"weight": [1, 768], "bias": [1]}), models / "head.pth")
    message = refused(score_nodes().AestheticVerifier.execute, "head.pth", "clip.safetensors")
    assert "judges image vectors of 768 numbers" in message
    assert "some of 48" in message


def test_the_node_takes_what_a_file_does_not_tell_of_head_and_clip(models: Path) -> None:
    save(models / "clip.safetensors")
    head = {"0.weight": [8, 48], "0.bias": [8], "2.weight": [1, 8], "2.bias": [1]}
    save(models / "head.safetensors", head)
    node = score_nodes().AestheticVerifier
    message = refused(node.execute, "head.safetensors", "clip.safetensors")
    assert message.startswith(f"{models / 'head.safetensors'} can not be scored yet: ")
    given = [("quick_gelu", "relu"), ("gelu", "relu"), ("quick_gelu", "none")]
    verifiers = [node.execute("head.safetensors", "clip.safetensors", *each).args[0] for each in given]
    assert len({round(float(verifier.score(picture(), [""])), 5) for verifier in verifiers}) == 3


def test_broken_config_is_named(models: Path) -> None:
    save(models / "clip" / "model.safetensors")
    (models / "clip" / "config.json").write_text("{")
    assert "is not valid JSON" in refused(score_nodes().CLIPScoreVerifier.execute, "clip/model.safetensors")


def clip_score(models: Path) -> Any:
    save(models / "clip.safetensors")
    return score_nodes().CLIPScoreVerifier.execute("clip.safetensors").args[0]


def test_500_words_score_as_their_first_77_tokens_with_one_notice(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = clip_score(models)
    long = " ".join(["castle", "dragon", "sunset", "river", "cloud"] * 100)
    short = " ".join(long.split()[:75])  # one token a word, and the first and last one
    with caplog.at_level(logging.WARNING):
        first, again = (verifier.score(picture(), [long]) for _ in range(2))
        verifier.score(picture(), [long])
    assert torch.equal(first, again)
    torch.testing.assert_close(first, verifier.score(picture(), [short]))
    notices = [record.getMessage() for record in caplog.records if "reads the first" in record.getMessage()]
    assert len(notices) == 1
    assert notices[0].startswith(
        "CLIP score reads the first 77 of this prompt's 502 tokens and ignores the rest: castle"
    )


def test_a_prompt_is_encoded_once_a_search(models: Path) -> None:
    verifier, encoded = clip_score(models), []
    tower = verifier.model.managed.patcher.model.text
    tower.register_forward_pre_hook(lambda _module, arguments: encoded.append(len(arguments[0])))
    for _ in range(3):
        verifier.score(picture().expand(4, -1, -1, -1), ["a cat", "a cat", "a dog", "a cat"])
    assert encoded == [2]


def test_weights_are_in_the_host_s_hands(models: Path) -> None:
    management = importlib.import_module("comfy.model_management")
    patcher = clip_score(models).model.managed.patcher
    assert type(patcher).__name__ == "ModelPatcher"
    assert patcher.load_device == management.get_torch_device()
    assert patcher.model_size() == pytest.approx(4 * sum(p.numel() for p in patcher.model.parameters()))
