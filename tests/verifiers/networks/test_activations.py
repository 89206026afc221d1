"""Which activation a CLIP without a config is taken to have, and that the log says so, whichever loader takes it."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from layout import ROOT
from reference_inputs import PROMPTS, draw_all, images
from small_clip import clip_shapes

pytestmark = pytest.mark.usefixtures("comfy")
REFERENCES = json.loads((ROOT / "tests" / "fixtures" / "references.json").read_text())
NODES = {  # each with `activation`; its vectors, or the network's activation, are looked at
    "CLIP score": lambda path, **more: module("clip_score").load(path, **more).model,
    "PickScore": lambda path, **more: module("pickscore").load(path, **more).model,
    "Class verifier": lambda path, **more: module("classes").load(path, ["a"], ["b"], [], **more).model,
}


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def openai_named() -> dict[str, Tensor]:
    return draw_all(REFERENCES["open_clip"]["shapes"])


def saved(folder: Path, weights: dict[str, Tensor], name: str = "tuned.safetensors") -> Path:
    safetensors.torch.save_file(weights, folder / name)
    return folder / name


def activation_of(model: Any) -> set[str]:
    network = model.managed.network
    blocks = [*network.image.blocks, *(network.text.blocks if network.text is not None else [])]
    return {block.mlp.activation.__name__ for block in blocks}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "activation" in record.getMessage()]


def loaded(load: Callable[[Path], Any], path: Path, caplog: pytest.LogCaptureFixture) -> tuple[str, list[str]]:
    with caplog.at_level(logging.INFO):
        (activation,) = activation_of(load(path))
    return activation, told(caplog)


@pytest.mark.parametrize("node", NODES)
def test_openai_s_names_tell_nothing_and_the_log_says_what_was_taken(
    node: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, openai_named())
    activation, said = loaded(NODES[node], path, caplog)
    assert activation == "gelu"
    assert len(said) == 1
    assert said[0].startswith(f"{node}: nothing in tuned.safetensors or beside it tells which activation")
    assert "Taking gelu: most models in OpenCLIP's names" in said[0]
    assert activation_of(NODES[node](path, activation="quick_gelu")) == {"quick_gelu"}


def test_so_do_transformers_names_without_a_config(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    activation, said = loaded(NODES["CLIP score"], saved(tmp_path, draw_all(clip_shapes())), caplog)
    assert activation == "quick_gelu"
    assert "Taking quick_gelu: most models of its size in these names are OpenAI's" in said[0]


@pytest.mark.parametrize("names", ["openai", "transformers"])
def test_an_aesthetic_head_wants_openai_s(names: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = openai_named() if names == "openai" else draw_all(clip_shapes())
    tower, head = saved(tmp_path, weights), tmp_path / "head.pth"
    torch.save(draw_all({"weight": [1, 48], "bias": [1]}), head)
    activation, said = loaded(lambda path: module("aesthetic").load(head, path).model, tower, caplog)
    assert activation == "quick_gelu"
    assert "Taking quick_gelu: what it is for was trained with OpenAI's" in said[0]
    assert activation_of(module("aesthetic").load(head, tower, "gelu").model) == {"gelu"}


def entries(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As in the state of OpenAI's own archives."""
    sizes = {"input_resolution": 56, "context_length": 77, "vocab_size": 49408}
    return weights | {name: torch.tensor(size) for name, size in sizes.items()}


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As OpenAI's own code leaves a model that it has loaded: matrices of its blocks in half precision."""
    low = ("in_proj_weight", "in_proj_bias", "proj.weight", "proj.bias", "fc.weight", "fc.bias", "conv1.weight", "proj")
    return {key: value.half() if key.endswith(low) else value for key, value in weights.items()}


@pytest.mark.parametrize("sign, why", [(entries, "it has input_resolution"), (half, "matrices are in half precision")])
def test_what_openai_s_own_code_leaves_in_a_file_is_taken_for_a_sign(
    sign: Any, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    activation, said = loaded(NODES["CLIP score"], saved(tmp_path, sign(openai_named())), caplog)
    assert activation == "quick_gelu"
    assert len(said) == 1
    assert f"activation quick_gelu for tuned.safetensors, because {why}" in said[0].replace("its matrices", "matrices")


def test_with_a_sign_scores_are_those_of_the_published_code(tmp_path: Path) -> None:
    weights = draw_all(REFERENCES["open_clip_quick_gelu"]["shapes"])
    verifier = module("clip_score").load(saved(tmp_path, entries(weights)))
    picture = images()[0].float().div(255).expand(len(PROMPTS), -1, -1, -1)
    expected = torch.tensor(REFERENCES["open_clip_quick_gelu"]["scores"])[0]
    torch.testing.assert_close(verifier.score(picture, list(PROMPTS)), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("quick", [True, False])
def test_a_config_of_openclip_tells_and_nothing_is_said(
    quick: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": quick}}))
    found = loaded(NODES["CLIP score"], saved(tmp_path, openai_named()), caplog)
    assert found == ("quick_gelu" if quick else "gelu", [])


def test_a_config_of_transformers_tells_of_openai_s_names_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    halves = {f"{half}_config": {"hidden_act": "quick_gelu", "num_attention_heads": 2} for half in ("text", "vision")}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip", **halves}))
    assert loaded(NODES["CLIP score"], saved(tmp_path, openai_named()), caplog) == ("quick_gelu", [])


def test_a_model_that_is_larger_than_openai_s_is_not_theirs(caplog: pytest.LogCaptureFixture) -> None:
    weights = {"image.norm_post.weight": torch.ones(1280)}
    activations = module("networks.activations")
    assert activations.choose(Path("big.pt"), "test", weights, "open_clip", {}, openai=True) == "gelu"
    assert "larger than any of OpenAI's" in told(caplog)[0]


@pytest.mark.parametrize("wrapper", ["module.", "model.", "module.clip_model."])
def test_names_that_training_code_has_wrapped(wrapper: str, tmp_path: Path) -> None:
    path = saved(tmp_path, {f"{wrapper}{key}": value for key, value in openai_named().items()})
    plain = module("clip_score").load(saved(tmp_path, openai_named(), "plain.safetensors"))
    picture = images()[0][None].float() / 255
    torch.testing.assert_close(module("clip_score").load(path).score(picture, ["a"]), plain.score(picture, ["a"]))


@pytest.mark.parametrize("node", ["ReferenceVerifier", "FeatureConsistencyVerifier"])
def test_nodes_that_look_at_features_take_the_activation(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    features = importlib.import_module("noise_search.nodes.verifiers.features")
    path = saved(tmp_path, openai_named())
    monkeypatch.setattr(module("files"), "locate", lambda *_: path)
    given = {"references": [torch.rand(1, 20, 30, 3)]} if node == "ReferenceVerifier" else {}

    def of(**more: Any) -> set[str]:
        values = {"model": path.name, **more}
        if node == "ReferenceVerifier":
            values = {name: [value] for name, value in values.items()}
        made = getattr(features, node).execute(**values, **given).args[0]
        return activation_of(made.model)

    assert of() == {"gelu"}
    assert len(told(caplog)) == 1
    assert of(activation="quick_gelu") == {"quick_gelu"}
    assert len(told(caplog)) == 1
