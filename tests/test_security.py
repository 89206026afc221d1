"""Files and texts from strangers: they are read, and nothing in them runs or leads anywhere else."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import safetensors.torch
import torch
from PIL import Image

import no_network
from layout import ROOT
from node_calls import NODE_ID, call
from noise_search.search.history.ledger import Ledger
from noise_search.search.records.candidate import Candidate
from noise_search.search.records.recipe import Recipe
from noise_search.search.records.recipe_text import RecipeError, parse_recipes

SCRIPTS = sorted((ROOT / "web").glob("*.js"))
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|DOMParser|createContextualFragment|srcdoc|v-html"
    r"|javascript:|setAttribute\(\s*[\"'`]on"
)
IMAGES = [torch.rand(2, 20, 30, 3)]
LOADERS = {  # a node's inputs, with the file that is tried
    "CLIPScoreVerifier": {"model": "{}"},
    "PickScoreVerifier": {"model": "{}"},
    "HPSVerifier": {"model": "{}"},
    "TextVerifier": {"text": "x", "detector": "{}", "reader": "{}"},
    "ImageRewardVerifier": {"model": "{}"},
    "AestheticVerifier": {"head": "{}", "clip": "clip.safetensors"},
    "AestheticVerifier's tower": {"head": "head.safetensors", "clip": "{}"},
    "ReferenceVerifier": {"model": ["{}"], "references": IMAGES},
    "FeatureConsistencyVerifier": {"model": "{}"},
    "ClassVerifier": {"model": "{}", "wanted": "dog", "others": "cat"},
    "DistributionVerifier": {"model": ["{}"], "measure": ["FID"], "images": IMAGES},
}
DEEP = 100_000


def errors() -> type[Exception]:
    return importlib.import_module("noise_search.verifiers.files").WeightsError


@pytest.fixture
def models(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """models/verifiers, in a folder of this test, with a head and a tower that are good."""
    folder_paths = importlib.import_module("folder_paths")
    importlib.import_module("noise_search.verifiers.files").register()
    extensions = folder_paths.folder_names_and_paths["verifiers"][1]
    folder = tmp_path / "models" / "verifiers"
    folder.mkdir(parents=True)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "verifiers", ([str(folder)], extensions))
    monkeypatch.delitem(folder_paths.filename_list_cache, "verifiers", raising=False)
    head = {"0.weight": torch.zeros(1, 4), "0.bias": torch.zeros(1)}
    safetensors.torch.save_file(head, folder / "head.safetensors")
    safetensors.torch.save_file({"x": torch.zeros(1)}, folder / "clip.safetensors")
    return folder


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def load(loader: str, file: str) -> Any:
    """What the node makes of this file."""
    given = {
        name: [file] if value == ["{}"] else file if value == "{}" else value for name, value in LOADERS[loader].items()
    }
    return call(loader.partition("'")[0], **given)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("file", ["trap.pt", "trap.pth", "trap.bin", "trap.ckpt"])
def test_a_file_of_weights_runs_no_code(models: Path, loader: str, file: str) -> None:
    torch.save({"visual.conv1.weight": torch.zeros(1), "more": Code(models / "ran")}, models / file)
    with pytest.raises(errors(), match=rf"{file}.*files that hold code are refused"):
        load(loader, file)
    assert not (models / "ran").exists()


@pytest.mark.parametrize("kind", ["old", "plain"])
def test_nor_does_one_in_an_older_format(models: Path, kind: str) -> None:
    trap, path = {"more": Code(models / "ran")}, models / "trap.pt"
    if kind == "old":
        torch.save(trap, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(trap))
    with pytest.raises(errors(), match=r"trap\.pt.*files that hold code are refused"):
        load("HPSVerifier", "trap.pt")
    assert not (models / "ran").exists()


@pytest.mark.parametrize("holds", [[torch.zeros(2)] * 3, torch.zeros(2), {"state_dict": torch.zeros(2)}, 7])
def test_a_file_of_something_else_than_weights_is_named(models: Path, holds: Any) -> None:
    torch.save(holds, models / "odd.pt")
    with pytest.raises(errors(), match=r"odd\.pt"):
        load("HPSVerifier", "odd.pt")


@pytest.mark.parametrize("kind", ["npz", "npy", "pickle", "numbers", "texts"])
def test_statistics_run_no_code_and_are_named(models: Path, kind: str) -> None:
    path, trap = models / "trap.npz", numpy.array([Code(models / "ran")], dtype=object)
    with path.open("wb") as file:
        if kind == "npz":
            numpy.savez(file, mu=trap, sigma=trap)
        elif kind == "npy":
            numpy.save(file, trap)
        elif kind == "pickle":
            file.write(pickle.dumps(trap))
        elif kind == "numbers":
            numpy.save(file, numpy.zeros(3))
        else:
            numpy.savez(file, mu=numpy.array(["a"]), sigma=numpy.array(["b"]))
    read = importlib.import_module("noise_search.verifiers.distribution").read_statistics
    with pytest.raises(errors(), match=r"trap\.npz holds no FID statistics"):
        read(path)
    assert not (models / "ran").exists()


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("up", ["../", "../../models/../", "/", "sub/../../"])
def test_the_name_of_a_file_leads_nowhere_else(models: Path, loader: str, up: str) -> None:
    """The file outside is a good one, so whoever reads it gets further than this."""
    outside = models.parent / "outside.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, outside)
    name = f"{outside}" if up == "/" else f"{up}outside.safetensors"
    with pytest.raises(errors(), match=r"outside\.safetensors is not installed"):
        load(loader, name)
    node = importlib.import_module("noise_search.nodes.verifiers.scores").HPSVerifier
    assert "is not installed" in node.validate_inputs(name)


@pytest.mark.parametrize("name", [5, 1.5, True, ["a.pt"], {"a": "b"}, "", "a\0b", "\ud800", "ü" * 5000])
def test_what_is_no_name_of_a_file_is_refused_before_anything_runs(models: Path, name: Any) -> None:
    node = importlib.import_module("noise_search.nodes.verifiers.scores").HPSVerifier
    assert "is not installed" in node.validate_inputs(name)


@pytest.mark.parametrize("folder", ["..", "../outside", "/etc", "sub/../../outside"])
def test_the_name_of_a_folder_leads_nowhere_else(models: Path, folder: str) -> None:
    outside = models.parent / "outside"
    outside.mkdir()
    for place in (outside, models.parent):
        (place / "config.json").write_text("{}")
    with pytest.raises(errors(), match="is not installed"):
        call("VLMVerifier", ask="grade", folder=folder)


@pytest.mark.parametrize("text", ["[]", "7", "null", '"text"', "{", "[" * DEEP, '{"a": ' + "9" * 5000 + "}", "\x00"])
def test_a_config_that_is_none_is_named(models: Path, text: str) -> None:
    (models / "config.json").write_text(text)
    read = importlib.import_module("noise_search.verifiers.files").config
    with pytest.raises(errors(), match=r"config\.json is not valid"):
        read(models / "model.safetensors")


@pytest.fixture
def offline() -> Iterator[None]:
    with no_network.watched():
        yield


@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_that_is_missing_is_not_looked_for_elsewhere(models: Path, offline: None, loader: str) -> None:
    with pytest.raises(errors(), match="is not installed"):
        load(loader, "openai/clip-vit-base-patch32")


def test_a_folder_of_transformers_is_not_looked_for_elsewhere(models: Path, offline: None) -> None:
    with pytest.raises(errors(), match="is not installed"):
        call("VLMVerifier", ask="grade", folder="llava-hf/llava-1.5-7b-hf")


@pytest.fixture
def llava(models: Path) -> Path:
    """A folder with the configuration of a small LLaVA, and nothing else."""
    import transformers

    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    eyes = transformers.CLIPVisionConfig(**small, image_size=28, patch_size=14)
    config = transformers.LlavaConfig(vision_config=eyes, text_config=transformers.LlamaConfig(**small, vocab_size=8))
    config.save_pretrained(models / "llava")
    return models / "llava"


def test_what_is_missing_in_a_folder_of_transformers_is_not_fetched(llava: Path, offline: None) -> None:
    with pytest.raises(errors(), match="llava can not be loaded as a vision-language model"):
        call("VLMVerifier", ask="grade", folder="llava")


def test_a_folder_of_transformers_runs_no_pickle(llava: Path, offline: None) -> None:
    torch.save({"lm_head.weight": Code(llava / "ran")}, llava / "pytorch_model.bin")
    with pytest.raises(errors(), match="llava can not be loaded as a vision-language model"):
        call("VLMVerifier", ask="grade", folder="llava")
    assert not (llava / "ran").exists()


def test_a_folder_of_transformers_runs_no_python(llava: Path, offline: None) -> None:
    code = f"import os\nos.mkdir({str(llava / 'ran')!r})\nclass Config: pass\nclass Model: pass\n"
    (llava / "modeling.py").write_text(code)
    mapped = {"AutoConfig": "modeling.Config", "AutoModelForImageTextToText": "modeling.Model"}
    (llava / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": mapped}))
    with pytest.raises(errors(), match="llava can not be loaded as a vision-language model"):
        call("VLMVerifier", ask="grade", folder="llava")
    assert not (llava / "ran").exists()


def test_a_picture_is_one_of_the_kinds_it_is_called(pack: Any, tmp_path: Path) -> None:
    """Others, such as EPS, are read by programs of their own."""
    Image.new("RGB", (8, 8)).save(tmp_path / "drawing.png", "EPS")
    read = importlib.import_module("noise_search.verifiers.pictures").read
    with pytest.raises(ValueError, match=r"drawing\.png can not be read as an image \(cannot identify"):
        read(tmp_path / "drawing.png")


def test_a_picture_that_is_too_large_to_be_true_is_named(
    pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (80, 80)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    read = importlib.import_module("noise_search.verifiers.pictures").read
    with pytest.raises(ValueError, match=r"bomb\.png can not be read as an image"):
        read(tmp_path / "bomb.png")


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


HOSTILE_RECIPES = {
    "nothing": "",
    "code": "__import__('os').mkdir('ran')",
    "markup": '"<img src=x onerror=alert(1)>"',
    "open brackets": "[" * DEEP,
    "deep": nested(DEEP),
    "deep in the seed": f'{{"seed": {nested(DEEP)}, "moves": []}}',
    "deep in the moves": f'{{"seed": 1, "moves": {nested(500)}}}',
    "a number of 5,000 digits": f'{{"seed": {"9" * 5000}, "moves": []}}',
    "a seed too large": f'{{"seed": {2**64}, "moves": []}}',
    "a negative seed": '{"seed": -1, "moves": []}',
    "not a number": '{"seed": NaN, "moves": []}',
    "infinity": '{"seed": 1, "moves": [{"seed": 1, "cosine": Infinity}]}',
    "more than infinity": '{"seed": 1, "moves": [{"seed": 1, "cosine": 1e999}]}',
    "a cosine that is none": '{"seed": 1, "moves": [{"seed": 1, "cosine": NaN}]}',
    "a level that is none": '{"seed": 1, "moves": [], "path": {"start": NaN, "turns": []}}',
    "true": '{"seed": true, "moves": []}',
    "a text": '{"seed": "7", "moves": []}',
    "moves of another kind": '{"seed": 7, "moves": {"0": {"seed": 1, "cosine": 0.5}}}',
    "more than a recipe": '{"seed": 7, "moves": [], "__class__": "Recipe"}',
    "a zero byte": "\x00",
    "half a character": '{"seed": "\ud800", "moves": []}',
}


@pytest.mark.parametrize("text", HOSTILE_RECIPES.values(), ids=HOSTILE_RECIPES)
def test_a_recipe_is_parsed_and_checked(comfy: Any, text: str) -> None:
    with pytest.raises(RecipeError, match=rf"Replay Noise \(node {NODE_ID}\): ") as error:
        call("ReplayNoise", recipe=text)
    assert len(str(error.value)) < 400


def test_a_recipe_nested_as_deep_as_json_may_be_is_refused_too() -> None:
    for depth in range(800, 1000, 3):
        with pytest.raises(RecipeError):
            parse_recipes(f'{{"seed": {nested(depth)}, "moves": []}}')


KNOWN = {"name": "[[1, [], null], null]", "scores": {"score": 1.0}, "nfe": 4, "thumbnail": "", "stopped_at_step": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": []},
        {"name": {}},
        {"scores": {}},
        {"scores": {"score": float("nan")}},
        {"scores": {"score": float("inf")}},
        {"scores": {"score": 10**400}},
        {"scores": {"score": []}},
        {"scores": [1.0]},
        {"nfe": "4"},
        {"nfe": None},
        {"nfe": 1.5},
        {"stopped_at_step": "1"},
        {"thumbnail": 7},
        {"thumbnail": "%%%%"},
        {"thumbnail": "PHNjcmlwdD4="},
    ],
)
def test_a_line_of_scores_that_was_changed_is_skipped(tmp_path: Path, changed: dict[str, Any]) -> None:
    page = written(tmp_path, json.dumps(KNOWN | changed).encode())
    assert [page.find(Recipe(seed)) is not None for seed in (1, 2)] == [False, True]


@pytest.mark.parametrize(
    "line",
    [b"[" * DEEP, b"7" * 5000, b'"' + b"x" * 20_000_000, b'{"a":' * DEEP, b"\x00" * 1_000_000, b"\xed\xa0\x80"],
    ids=["deep", "a long number", "20 MB", "deep objects", "zeros", "half a character"],
)
def test_a_line_of_scores_that_makes_no_sense_is_skipped(tmp_path: Path, line: bytes) -> None:
    assert written(tmp_path, line).find(Recipe(2)) is not None


def written(folder: Path, line: bytes) -> Any:
    """The page of a graph where somebody has put this line between two good ones; the last is of seed 2."""
    ledger = Ledger(folder / "ledger")
    ledger.page("a graph").add(Candidate({"score": 1.0}, Recipe(3), 4, b"", None))
    (file,) = ledger.folder.iterdir()
    file.write_bytes(file.read_bytes() + b"\n" + line)
    ledger.page("a graph").add(Candidate({"score": 1.0}, Recipe(2), 4, b"", None))
    return ledger.page("a graph")


def test_a_line_of_scores_as_it_should_be_is_read(tmp_path: Path) -> None:
    assert written(tmp_path, json.dumps(KNOWN).encode()).find(Recipe(1)).scores == {"score": 1.0}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_puts_texts_into_the_page_as_texts(script: Path) -> None:
    assert MARKUP.findall(script.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source", ["box.innerHTML = text", "box.setAttribute('onclick', text)", "a.href='javascript:x'"]
)
def test_a_script_that_does_not_would_be_found(source: str) -> None:
    assert MARKUP.findall(source)
