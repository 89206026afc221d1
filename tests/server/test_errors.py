"""What goes wrong on a real server: every message says which node, what, and what to do; the next prompt works."""

from __future__ import annotations

import time

import pytest

import tiny_files
from comfy_client import Client, Event, NodeError, Result
from comfy_graph import Node
from comfy_server import Server
from shapes_graph import SEED, ShapesGraph, difference, pictures, reports


def failed(client: Client, graph: ShapesGraph, status: str = "error") -> NodeError:
    """How the prompt failed, after a look that the server still works."""
    result = client.run(graph)
    assert result.status == status
    graph = ShapesGraph(side=16, steps=1)
    graph.saved(graph.ksampler(graph.search(candidates=2)))
    client.run(graph).check()
    return result.error


def test_an_empty_prompt_where_the_sampler_draws_no_text(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search(prompt="")
    empty = graph.node("ConditioningZeroOut", conditioning=graph.positive)
    sampled = graph.ksampler(search, positive=empty)
    graph.saved(sampled)
    error = failed(client, graph)
    assert (error.node_type, error.node_id) == ("KSampler", sampled.id)
    assert f"Random Search (node {search.id}): shapes" in error.exception_message
    assert "the prompt is empty" in error.exception_message
    assert "There is none on the sampler's positive side. Write the text" in error.exception_message


def test_an_empty_prompt_where_the_sampler_draws_two_texts(client: Client) -> None:
    graph = ShapesGraph()
    other = graph.node("CLIPTextEncode", clip=graph.loader.out(1), text="a star")
    both = graph.node("ConditioningCombine", conditioning_1=graph.positive, conditioning_2=other)
    graph.saved(graph.ksampler(graph.search(prompt=""), positive=both))
    message = failed(client, graph).exception_message
    assert f"'a red circle left of a blue square' (node {graph.positive.id} (CLIPTextEncode))" in message
    assert f"'a star' (node {other.id} (CLIPTextEncode))" in message


def test_choices_in_the_prompt_that_the_sampler_does_not_draw(client: Client) -> None:
    graph = ShapesGraph("a red circle")
    graph.saved(graph.ksampler(graph.search(prompt="a {green|blue} circle")))
    message = failed(client, graph).exception_message
    assert "the prompt has choices in braces" in message
    assert "the sampler draws 'a red circle'" in message
    assert "Leave the prompt empty" in message


@pytest.mark.parametrize("candidates", [0, 10_001])
def test_too_few_or_too_many_candidates(client: Client, candidates: int) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(candidates=candidates)))
    error = failed(client, graph, status="rejected")
    assert error.node_type == "RandomSearch"
    assert "candidates" in error.exception_message
    assert str(candidates) in error.exception_message


def test_candidates_from_a_link_that_is_0(client: Client) -> None:
    """The server does not check the bounds of what comes through a wire."""
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(candidates=graph.node("PrimitiveInt", value=0))))
    error = failed(client, graph)
    assert "candidates is 0" in error.exception_message
    assert "at least 1" in error.exception_message


def test_a_model_where_a_verifier_belongs(client: Client) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(verifier=graph.loader)))
    error = failed(client, graph, status="rejected")
    assert "VERIFIER" in error.exception_message


def test_a_vae_of_another_model(odd_client: Client) -> None:
    graph = ShapesGraph()
    vae = graph.node("VAELoader", vae_name=tiny_files.VAE_NAME)
    graph.saved(graph.ksampler(graph.search(vae=vae)))
    error = failed(odd_client, graph)
    assert error.node_type == "KSampler"
    assert "The VAE does not fit the latent" in error.exception_message
    assert "Connect the VAE that belongs to the model" in error.exception_message


@pytest.mark.parametrize("node", ["KSamplerAdvanced", "SamplerCustomAdvanced"])
def test_a_sampler_that_adds_no_noise_runs_as_without_a_search(client: Client, node: str) -> None:
    graph = ShapesGraph()
    search = graph.search()
    if node == "KSamplerAdvanced":
        sampled = graph.advanced(search, add_noise="disable")
    else:
        sampled = graph.guided(graph.basic_guider(search), graph.node("DisableNoise"))
    graph.saved(sampled)
    client.run(graph).check()


def no_steps(graph: ShapesGraph, model: Node, kind: str) -> Node:
    if kind == "denoise 0":
        return graph.ksampler(model, denoise=0.0)
    if kind == "starts when it has ended":
        return graph.advanced(model, start_at_step=9)
    if kind == "ends before it starts":
        return graph.advanced(model, start_at_step=3, end_at_step=2)
    sigmas = graph.node("BasicScheduler", model=model, scheduler="simple", steps=4, denoise=1.0)
    parts = graph.node("SplitSigmas", sigmas=sigmas, step=0 if kind == "split at 0" else 4)
    split = parts.out(0 if kind == "split at 0" else 1)
    return graph.guided(graph.basic_guider(model), sigmas=split)


@pytest.mark.parametrize(
    "kind", ["denoise 0", "starts when it has ended", "ends before it starts", "split at 0", "split at the end"]
)
def test_a_sampler_without_a_step_gives_what_it_gives_without_search(client: Client, kind: str) -> None:
    graph = ShapesGraph()
    search = graph.search()
    sampled = no_steps(graph, search, kind)
    report = graph.node("SearchReport", latent=sampled, search=search.out(1))
    shown = graph.node("PreviewAny", source=report.out(6))
    saved, stock = graph.saved(report), graph.saved(no_steps(graph, graph.loader, kind))
    drawn = graph.node("SaveImage", images=report.out(1), filename_prefix="plot")
    result = client.run(graph).check()
    assert difference(pictures(client, result, saved), pictures(client, result, stock)) == 0
    (told,) = reports(result, shown)
    assert "run at least one step (check add_noise, denoise" in told["note"]
    assert len(client.images(result, drawn)) == 1


def test_a_report_tells_nothing_of_an_earlier_prompt(client: Client) -> None:
    """One search node, which ComfyUI keeps: first with a sampler that samples, then with one that does not."""
    graph = ShapesGraph()
    search = graph.search()
    graph.report(graph.ksampler(search), search)
    client.run(graph).check()
    graph = ShapesGraph()
    search = graph.search()
    shown = graph.report(graph.ksampler(search, denoise=0.0), search)
    (told,) = reports(client.run(graph).check(), shown)
    assert told.keys() == {"note"}


def test_a_report_where_the_search_is_bypassed(client: Client) -> None:
    """The front end then puts the loader's MODEL into the sampler, and leaves out the link from `search`."""
    graph = ShapesGraph()
    sampled = graph.ksampler(graph.loader)
    report = graph.node("SearchReport", latent=sampled)
    saved, stock = graph.saved(report), graph.saved(sampled)
    shown = [graph.node("PreviewAny", source=report.out(at)) for at in (3, 4, 5, 6)]
    drawn = [graph.node("SaveImage", images=report.out(at), filename_prefix="drawn") for at in (1, 2)]
    result = client.run(graph).check()
    assert difference(pictures(client, result, saved), pictures(client, result, stock)) == 0
    assert [result.text(node) for node in (shown[0], shown[2])] == ["nan", "0"]
    assert "No search" in result.text(shown[1])
    assert "Nothing is connected to `search`" in reports(result, shown[3])[0]["note"]
    assert [len(client.images(result, node)) for node in drawn] == [1, 1]


def test_a_search_on_a_search(client: Client) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(model=graph.search())))
    assert "already has a search" in failed(client, graph).exception_message


def test_a_report_of_a_sampler_without_search(client: Client) -> None:
    graph = ShapesGraph()
    shown = graph.report(graph.ksampler(graph.loader), graph.search(candidates=7))
    (report,) = reports(client.run(graph).check(), shown)
    assert "has not searched here. Its MODEL has to go into the sampler" in report["note"]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("raises", "odd (raises) failed on candidate 0 to candidate 3: FileNotFoundError: weights.safetensors is gone"),
        ("nan", "odd (nan) returned nan for candidate 3, which is not a score"),
        ("too few", "odd (too few) returned 3 scores for 4 images"),
    ],
)
def test_a_verifier_that_goes_wrong(odd_client: Client, behaviour: str, message: str) -> None:
    graph = ShapesGraph()
    verifier = graph.node("TestOddVerifier", behaviour=behaviour)
    search = graph.search(candidates=4, verifier=verifier, batch_size=4)
    graph.saved(graph.ksampler(search))
    error = failed(odd_client, graph)
    assert error.node_type == "KSampler"
    assert error.exception_message.startswith(f"Random Search (node {search.id}): {message}")


def test_a_verifier_that_goes_wrong_in_the_explicit_form(odd_client: Client) -> None:
    graph = ShapesGraph()
    seeds = graph.node("NoiseCandidates", seed=SEED, count=3)
    images = graph.decoded(graph.ksampler(graph.loader, seeds.out(1)))
    verifier = graph.node("TestOddVerifier", behaviour="nan")
    judged = graph.node("VerifierScore", images=images, verifier=verifier, prompt="")
    graph.node("PreviewAny", source=judged)
    assert "odd (nan) returned nan for image 2" in failed(odd_client, graph).exception_message


def test_a_place_that_no_candidate_has(client: Client) -> None:
    graph = ShapesGraph()
    seeds = graph.node("NoiseCandidates", seed=SEED, count=3)
    graph.node("PreviewAny", source=graph.node("SelectCandidate", candidates=seeds.out(1), index=3))
    assert "no candidate 3; the list holds 3" in failed(client, graph).exception_message


def test_an_interruption_ends_a_long_search_and_the_next_prompt_works(client: Client) -> None:
    graph = ShapesGraph()
    sampled = graph.ksampler(graph.search(candidates=5000))
    graph.saved(sampled)
    asked: list[float] = []

    def interrupt(event: Event) -> None:
        if event.type == "progress" and not asked:
            asked.append(time.monotonic())
            client.interrupt()

    result = client.run(graph, on_event=interrupt)
    waited = time.monotonic() - asked[0]
    assert result.status == "interrupted"
    assert result.of("execution_interrupted")[0]["node_id"] == sampled.id
    assert waited < 30, "a search of 5000 would take minutes"
    following = ShapesGraph()
    search = following.search(candidates=3)
    shown = following.report(following.ksampler(search), search)
    assert len(reports(client.run(following).check(), shown)[0]["candidates"]) == 3


def test_a_time_limit_ends_a_long_search_with_a_picture(client: Client) -> None:
    graph = ShapesGraph()
    search = graph.search(candidates=5000, max_seconds=0.1)
    sampled = graph.ksampler(search)
    saved, shown = graph.saved(sampled), graph.report(sampled, search)
    result: Result = client.run(graph).check()
    (report,) = reports(result, shown)
    assert report["stopped"] == "time"
    assert 1 <= len(report["candidates"]) < 5000
    assert len(client.images(result, saved)) == 1


def test_an_error_has_no_path_of_modules_in_front(client: Client) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.node("ReplayNoise", model=graph.loader, recipe=" ").out(1)))
    error = failed(client, graph)
    assert error.exception_type == "RecipeError"
    assert "the recipe is empty. Connect the recipe of a Search Report, or paste one." in error.exception_message


def test_the_console_says_what_was_kept(client: Client, server: Server) -> None:
    graph = ShapesGraph(steps=2)
    graph.saved(graph.ksampler(search := graph.search(candidates=8)))
    client.run(graph).check()
    assert f"Random Search (node {search.id}): kept the best of 8: candidate " in server.log_text()
