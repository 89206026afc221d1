"""Lists beside lists of batches: the winner's seed, noise, prompt or conditioning is what its image was made with."""

from __future__ import annotations

import pytest

from comfy_client import Client
from comfy_graph import Link, Node
from shapes_graph import ROUNDING, SEED, ShapesGraph, difference, pictures


def scored(graph: ShapesGraph, sampled: Node) -> Node:
    images = graph.decoded(sampled)
    return graph.node("VerifierScore", images=images, verifier=graph.verifier, prompt="a red circle")


def picked(graph: ShapesGraph, candidates: Node | Link, score: Node) -> Node:
    return graph.node("SelectCandidate", candidates=candidates, index=score.out(2))


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("kind", ["seed", "noise"])
def test_the_seed_or_noise_of_the_best_image_makes_it_again(client: Client, images: int, kind: str) -> None:
    graph = ShapesGraph("a red circle", images=images)
    made = graph.node("NoiseCandidates", seed=SEED, count=4, cosine=0.95)

    def sampled(given: Node | Link) -> Node:
        if kind == "seed":
            return graph.ksampler(graph.loader, given)
        return graph.guided(graph.basic_guider(graph.loader), given)

    outputs = {"seed": made.out(1), "noise": made.out(0)}
    score = scored(graph, sampled(outputs[kind]))
    again = graph.saved(sampled(picked(graph, outputs[kind], score).out(0)))
    index = graph.node("PreviewAny", source=score.out(2))
    best = graph.node("SaveImage", images=score.out(1), filename_prefix="best")
    result = client.run(graph).check()
    place = int(result.output(index)["text"][0]) % images
    assert difference(pictures(client, result, again)[place], pictures(client, result, best)[0]) <= ROUNDING


def test_the_prompt_and_the_conditioning_of_the_best_image_make_it_again(client: Client) -> None:
    graph = ShapesGraph("two blue squares", "a red circle", "a green star", images=2)
    score = scored(graph, graph.ksampler(graph.loader))
    text = picked(graph, graph.caption if isinstance(graph.caption, Node) else graph.positive, score)
    shown = graph.node("PreviewAny", source=text)
    again = graph.saved(graph.ksampler(graph.loader, positive=picked(graph, graph.positive, score)))
    index = graph.node("PreviewAny", source=score.out(2))
    best = graph.node("SaveImage", images=score.out(1), filename_prefix="best")
    result = client.run(graph).check()
    place = int(result.output(index)["text"][0])
    wanted = ["two blue squares", "a red circle", "a green star"][place // 2]
    assert result.output(shown)["text"] == [wanted]
    assert difference(pictures(client, result, again)[place % 2], pictures(client, result, best)[0]) <= ROUNDING


def test_an_index_that_is_typed_needs_to_know_what_it_counts(client: Client) -> None:
    graph = ShapesGraph("a red circle", images=2)
    seeds = graph.node("NoiseCandidates", seed=SEED, count=3, cosine=0.95)
    images = graph.decoded(graph.ksampler(graph.loader, seeds.out(1)))
    chosen = [
        graph.node("SelectCandidate", candidates=seeds.out(1), index=index, counted_in=images) for index in range(6)
    ]
    shown = [graph.node("PreviewAny", source=node) for node in chosen]
    result = client.run(graph).check()
    assert [int(result.output(node)["text"][0]) - SEED for node in shown] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("node", "lists", "said"),
    [
        ("VerifierScore", {"verifier": 2}, "verifier holds a list of 2"),
        ("VerifierScore", {"prompt": 2}, "2 prompts for 3 images in a list of 1"),
        ("SelectCandidate", {"index": 3}, "index holds a list of 3"),
    ],
)
def test_lists_where_one_is_meant_are_refused_by_name(
    client: Client, node: str, lists: dict[str, int], said: str
) -> None:
    graph = ShapesGraph("a red circle", images=3)
    images = graph.decoded(graph.ksampler(graph.loader))
    single = {
        "VerifierScore": {"images": images, "verifier": graph.verifier, "prompt": "a red circle"},
        "SelectCandidate": {"candidates": images, "index": graph.node("PrimitiveInt", value=1)},
    }[node]
    text = graph.node("PrimitiveString", value="a red circle")
    for name, count in lists.items():
        entry = text if name == "prompt" else single[name]
        entries = {f"inputs.input{at}": entry for at in range(count)}
        single[name] = graph.node("CreateList", **entries)
    graph.node("PreviewAny", source=graph.node(node, **single))
    error = client.run(graph).error
    assert error.node_type == node
    assert said in error.exception_message
