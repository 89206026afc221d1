"""Verifiers on a real server: a judge from another pack, one of ours from its file, and both as an ensemble."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch
from PIL import Image

from comfy_client import Client
from comfy_graph import Graph, Node
from comfy_server import Server, serve
from layout import ROOT, custom_nodes
from reference_inputs import draw_all, images
from shapes_graph import ShapesGraph, reports
from small_clip import clip_shapes
from small_inception import inception_weights

REFERENCES = "references"
OWN_JUDGE = ROOT / "tests" / "fixtures" / "own_judge"
CODE = (OWN_JUDGE / "__init__.py").read_text()


@pytest.fixture(scope="module")
def judges(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With weights of a CLIP and of an Inception network, and a folder of images of two sizes."""
    base = tmp_path_factory.mktemp("judges")
    weights = base / "models" / "verifiers"
    weights.mkdir(parents=True)
    safetensors.torch.save_file(draw_all(clip_shapes()), weights / "small.safetensors")
    torch.save(inception_weights(thinner=16), weights / "thin.pth")
    (base / "input" / REFERENCES).mkdir(parents=True)
    for number, image in enumerate(images()[:2]):
        for part, levels in enumerate(image[:200, :240].split(100)):
            Image.fromarray(levels.numpy()).save(base / "input" / REFERENCES / f"{number}{part}.png")
    with serve(comfyui, base, packs=custom_nodes() | {"own-judge": OWN_JUDGE}) as server:
        yield server


@pytest.fixture
def client(judges: Server) -> Client:
    return Client(judges.url)


def colours(graph: Graph) -> list[Node]:
    """Red, green, blue."""
    values = (0xFF0000, 0x00FF00, 0x0000FF)
    return [graph.node("EmptyImage", width=80, height=64, batch_size=1, color=color) for color in values]


def judged(client: Client, graph: Graph, verifier: Node) -> tuple[list[str], int]:
    """The scores as text, and the best image's number."""
    images = graph.node("CreateList", **{f"inputs.input{at}": image for at, image in enumerate(colours(graph))})
    score = graph.node("VerifierScore", images=images, verifier=verifier, prompt="a cat")
    scores, best = (graph.node("PreviewAny", source=score.out(slot)) for slot in (0, 2))
    result = client.run(graph).check()
    return list(result.output(scores)["text"]), int(result.text(best))


def test_the_example_is_short_and_the_documentation_s() -> None:
    assert len(CODE.splitlines()) == 15
    readme = (ROOT / "verifiers" / "README.md").read_text()
    assert re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1] == CODE


def test_a_judge_of_another_pack(client: Client) -> None:
    graph = Graph()
    scores, best = judged(client, graph, graph.node("WarmthVerifier"))
    assert [float(score) for score in scores] == [1.0, 0.0, -1.0]
    assert best == 0


def test_a_file_of_models_verifiers(client: Client) -> None:
    graph = Graph()
    scores, best = judged(client, graph, graph.node("CLIPScoreVerifier", model="small.safetensors"))
    values = [float(score) for score in scores]
    assert len(set(values)) == 3
    assert best == values.index(max(values))


def test_an_ensemble_of_both(client: Client) -> None:
    graph = Graph()
    judges = {"verifiers.verifier0": graph.node("WarmthVerifier"), "verifiers.verifier1": graph.node("WarmthVerifier")}
    ensemble = graph.node("EnsembleVerifier", **judges, combine="rank mean", weights="1, 3")
    scores, best = judged(client, graph, ensemble)
    assert [float(score) for score in scores] == [1.0, 0.5, 0.0]
    assert best == 0


def test_a_file_that_is_not_there_is_refused_with_address_and_folder(client: Client) -> None:
    graph = Graph()
    verifier = graph.node("PickScoreVerifier", model="PickScore_v1/model.safetensors")
    image = colours(graph)[0]
    graph.node("PreviewAny", source=graph.node("VerifierScore", images=image, verifier=verifier, prompt="x"))
    result = client.run(graph)
    assert result.status == "rejected"
    assert result.error.node_type == "PickScoreVerifier"
    assert "https://huggingface.co/yuvalkirstain/PickScore_v1" in result.error.exception_message
    assert "models/verifiers/PickScore_v1/model.safetensors" in result.error.exception_message.replace("\\", "/")


def folder(graph: Graph) -> Node:
    """ComfyUI's own "Load Image (from Folder)", which gives a list."""
    return graph.node("LoadImageDataSetFromFolder", folder=REFERENCES)


def searched(client: Client, graph: ShapesGraph, verifier: Node) -> list[float]:
    """The candidates' scores of the one search there is."""
    found = graph.search(candidates=2, verifier=verifier)
    told = graph.report(graph.ksampler(found), found)
    (report,) = reports(client.run(graph).check(), told)
    return [candidate["score"] for candidate in report["candidates"]]


def test_references_that_come_as_a_list_make_one_verifier(client: Client) -> None:
    graph = ShapesGraph(steps=1)
    verifier = graph.node("ReferenceVerifier", model="small.safetensors", references=folder(graph))
    assert len(searched(client, graph, verifier)) == 2


def test_a_reference_folder_is_the_same_as_its_images(client: Client) -> None:
    scores = []
    for wired in (False, True):
        graph = ShapesGraph(steps=1)
        reference = {"reference_images": folder(graph)} if wired else {"reference_folder": REFERENCES}
        settings = {"model": "thin.pth", "measure": "FID", "images": folder(graph)} | reference
        scores.append(searched(client, graph, graph.node("DistributionVerifier", **settings)))
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


def fid_of(base: Path, saved: Path) -> float:
    """Of the images of a folder to the references."""
    distribution, pictures = (
        importlib.import_module(f"noise_search.verifiers.{name}") for name in ("distribution", "pictures")
    )
    weights, references = base / "models" / "verifiers" / "thin.pth", base / "input" / REFERENCES
    look = distribution.Looker(distribution.load_network(weights))
    seen = look.all(pictures.batches(pictures.listed(saved), 8))
    return distribution.frechet_distance(seen.features, distribution.folder_statistics(weights, references, "tests"))


class Growing(ShapesGraph):
    """A search whose winner is saved into the folder of the set that it is judged by."""

    def __init__(self, seed: int) -> None:
        super().__init__(steps=2)
        self.judge = self.node(
            "DistributionVerifier", model="thin.pth", measure="FID", reference_folder=REFERENCES, set_folder="grown"
        )
        found = self.search(candidates=3, verifier=self.judge)
        self.sampler = self.ksampler(found, seed=seed)
        self.told = self.report(self.sampler, found)
        self.node("SaveImage", images=self.decoded(self.sampler), filename_prefix="grown/image")


def test_winners_that_are_saved_join_the_set(client: Client, judges: Server) -> None:
    grown = judges.base / "output" / "grown"
    for made, seed in enumerate((5, 100, 100), 1):
        before = fid_of(judges.base, grown) if made > 1 else 0.0
        graph = Growing(seed)
        result = client.run(graph).check()
        assert {graph.judge.id, graph.sampler.id} <= set(result.executed), "the same seed too: the set has changed"
        assert len(list(grown.iterdir())) == made
        best = reports(result, graph.told)[0]["best"]["score"]
        assert best == pytest.approx(before - fid_of(judges.base, grown), abs=0.02 * fid_of(judges.base, grown))
    assert judges.log_text().count("the set is empty") == 1
    assert "the set has 2 images" in judges.log_text()


def test_a_set_that_stays_the_same_is_not_searched_for_again(client: Client) -> None:
    graph = Growing(7)
    last = graph.prompt.popitem()[1]  # Save Image
    graph.node("PreviewImage", images=last["inputs"]["images"])
    client.run(graph).check()
    again = client.run(graph).check()
    assert {graph.judge.id, graph.sampler.id} <= again.cached
