"""Nodes of other packs that sample in tiles, or expand into other nodes, with a search on their MODEL."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from comfy_client import Client, Result
from comfy_graph import Link, Node
from comfy_server import Server, serve
from layout import custom_nodes
from shapes_graph import ROUNDING, SEED, ShapesGraph, difference, pictures, reports, winning_seed

PACK = '''
import comfy.sample
import nodes as host
import torch
from comfy_execution.graph_utils import GraphBuilder

NODE_CLASS_MAPPINGS = {}


def node(function):
    """Its arguments are the node's inputs: what begins with `seed` is a number."""
    kinds = {"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING", "latent": "LATENT"}
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    seed = ("INT", {"default": 0, "max": 2**64 - 1})
    needed = {name: seed if name.startswith("seed") else (kinds[name],) for name in names}
    NODE_CLASS_MAPPINGS[function.__name__] = type(function.__name__, (), {
        "INPUT_TYPES": classmethod(lambda cls: {"required": needed}),
        "RETURN_TYPES": ("LATENT",), "FUNCTION": "run", "CATEGORY": "strangers",
        "run": lambda self, **given: function(**given),
    })


def sampled(model, seed, positive, negative, samples):
    return host.common_ksampler(model, seed, 4, 1.0, "euler", "simple", positive, negative, {"samples": samples})[0]


@node
def StrangeHalves(model, positive, negative, latent, seed, seed_b):
    """Each half of the picture by itself."""
    halves = zip((seed, seed_b), latent["samples"].chunk(2, -1))
    parts = [sampled(model, seed, positive, negative, half)["samples"] for seed, half in halves]
    return ({"samples": torch.cat(parts, -1)},)


@node
def StrangeSeam(model, positive, negative, latent, seed, seed_b):
    """The whole picture, and then a part of another size over it, whose edges are blended."""
    whole = sampled(model, seed, positive, negative, latent["samples"])["samples"]
    height = whole.shape[-2] // 2
    part = sampled(model, seed_b, positive, negative, torch.zeros_like(whole[..., :height, :]))["samples"]
    return ({"samples": torch.cat([(whole[..., :height, :] + part) / 2, whole[..., height:, :]], -2)},)


def ksampler(graph, model, positive, negative, latent, seed):
    settings = {"steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    links = {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
    return graph.node("KSampler", **links, seed=seed, **settings)


@node
def StrangeExpansion(model, positive, negative, latent, seed):
    """Another node stands for it."""
    graph = GraphBuilder()
    return {"result": (ksampler(graph, model, positive, negative, latent, seed).out(0),), "expand": graph.finalize()}


@node
def StrangeNest(model, positive, negative, latent, seed):
    """A node stands for it that another one stands for."""
    graph = GraphBuilder()
    inner = graph.node("StrangeExpansion", model=model, positive=positive, negative=negative, latent=latent, seed=seed)
    return {"result": (inner.out(0),), "expand": graph.finalize()}


@node
def StrangePair(model, positive, negative, latent, seed, seed_b):
    """Two samplers stand for it, one beside the other; their pictures are a batch."""
    graph = GraphBuilder()
    both = [ksampler(graph, model, positive, negative, latent, one).out(0) for one in (seed, seed_b)]
    batch = graph.node("LatentBatch", samples1=both[0], samples2=both[1])
    return {"result": (batch.out(0),), "expand": graph.finalize()}
'''
SAMPLERS = {"StrangeHalves": 2, "StrangeSeam": 2, "StrangeExpansion": 1, "StrangeNest": 1, "StrangePair": 2}
CANDIDATES, STEPS = 4, 4


@pytest.fixture(scope="module")
def strange(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a pack of such nodes."""
    pack = tmp_path_factory.mktemp("pack")
    (pack / "__init__.py").write_text(PACK, encoding="utf-8")
    with serve(comfyui, tmp_path_factory.mktemp("strange_server"), packs=custom_nodes() | {"strange": pack}) as server:
        yield server


def sampled(graph: ShapesGraph, name: str, model: Node | Link, seeds: list[int]) -> Node:
    given = dict(zip(("seed", "seed_b"), seeds, strict=False))
    wires = {"model": model, "positive": graph.positive, "negative": graph.negative, "latent": graph.latent}
    return graph.node(name, **wires, **given)


def searched(
    client: Client, name: str, candidates: int = CANDIDATES, seed: int = SEED
) -> tuple[Result, Node, list[dict[str, Any]]]:
    """With a search node that no other of these has: what the host has cached of one is not asked again."""
    graph = ShapesGraph(side=64)
    search = graph.search(candidates, patience=100 + list(SAMPLERS).index(name))
    made = sampled(graph, name, search, [seed, seed + 100][: SAMPLERS[name]])
    saved, shown = graph.saved(made), graph.report(made, search)
    workflow = {"extra_data": {"extra_pnginfo": {"workflow": {"id": "some-id", "extra": {}}}}}
    result = client.run(graph, **workflow).check()
    return result, saved, reports(result, shown)


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_sampler_call_is_searched_and_its_winners_seed_gives_its_part(strange: Server, name: str) -> None:
    client = Client(strange.url)
    result, saved, found = searched(client, name)
    assert len(found) == SAMPLERS[name]
    assert {report["seed"] for report in found} == {SEED, SEED + 100} if len(found) == 2 else {SEED}
    assert [len(report["candidates"]) for report in found] == [CANDIDATES] * len(found)
    assert all(report["best"]["score"] >= report["baseline"]["score"] for report in found)
    stock = ShapesGraph(side=64)
    in_order = sorted(found, key=lambda report: report["seed"])
    again = stock.saved(sampled(stock, name, stock.loader, [winning_seed(report) for report in in_order]))
    replay = client.run(stock).check()
    assert difference(pictures(client, result, saved), pictures(client, replay, again)) <= ROUNDING


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_picture_carries_the_recipes_of_what_it_is_made_of(strange: Server, name: str) -> None:
    """Or none. Never those of another part alone."""
    client = Client(strange.url)
    result, saved, found = searched(client, name, CANDIDATES + 1)
    for data in client.images(result, saved):
        text = getattr(Image.open(io.BytesIO(data)), "text", {})
        if "noise_search" not in text:
            continue
        carried = json.loads(text["noise_search"])
        carried = carried if isinstance(carried, list) else [carried]
        assert [one["best"]["recipe"] for one in carried] == [one["best"]["recipe"] for one in found]


@pytest.mark.parametrize("name", ["StrangeHalves", "StrangePair"])
def test_a_report_tells_of_its_own_prompt_alone(strange: Server, name: str) -> None:
    client = Client(strange.url)
    searched(client, name, CANDIDATES + 2)
    _, _, found = searched(client, name, CANDIDATES + 2, seed=SEED + 10)
    assert {report["seed"] for report in found} == {SEED + 10, SEED + 110}


@pytest.mark.parametrize("name", ["StrangeExpansion", "StrangeNest", "StrangeHalves"])
def test_more_candidates_cost_what_is_new(strange: Server, name: str) -> None:
    client = Client(strange.url)
    searched(client, name, 6)
    _, _, found = searched(client, name, 8)
    for report in found:
        assert report["nfe"]["search"] <= (8 - 6 + 1) * STEPS, "the new ones, and perhaps the winner once more"


def test_they_run_without_a_search_as_well(strange: Server) -> None:
    """Guards the tests above: what is compared with is the nodes' own picture, and another for another seed."""
    client = Client(strange.url)
    for name, count in SAMPLERS.items():
        graph = ShapesGraph(side=64)
        one, other = (
            graph.saved(sampled(graph, name, graph.loader, [seed, seed + 100][:count])) for seed in (SEED, SEED + 1)
        )
        result = client.run(graph).check()
        assert difference(pictures(client, result, one), pictures(client, result, other)) > 20
