"""Verifiers on a real server: a judge from another pack, one of ours from its file, and both as an ensemble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch

from comfy_client import Client
from comfy_graph import Graph, Node
from comfy_server import serve
from layout import ROOT, custom_nodes
from reference_inputs import draw_all
from small_clip import clip_shapes

OWN_JUDGE = ROOT / "tests" / "fixtures" / "own_judge"
CODE = (OWN_JUDGE / "__init__.py").read_text()


@pytest.fixture(scope="module")
def client(comfyui: Path, comfy: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    base = tmp_path_factory.mktemp("judges")
    (base / "models" / "verifiers").mkdir(parents=True)
    safetensors.torch.save_file(draw_all(clip_shapes()), base / "models" / "verifiers" / "small.safetensors")
    with serve(comfyui, base, packs=custom_nodes() | {"own-judge": OWN_JUDGE}) as server:
        yield Client(server.url)


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


def test_a_file_that_is_not_there_is_an_error_with_address_and_folder(client: Client) -> None:
    graph = Graph()
    verifier = graph.node("PickScoreVerifier", model="PickScore_v1/model.safetensors")
    image = colours(graph)[0]
    graph.node("PreviewAny", source=graph.node("VerifierScore", images=image, verifier=verifier, prompt="x"))
    result = client.run(graph)
    assert result.status == "error"
    assert result.error.node_type == "PickScoreVerifier"
    assert "https://huggingface.co/yuvalkirstain/PickScore_v1" in result.error.exception_message
    assert "models/verifiers/PickScore_v1/model.safetensors" in result.error.exception_message.replace("\\", "/")
