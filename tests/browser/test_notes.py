"""What does not hold of a search with parts of other packs is said on its board, in the real front end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from comfy_server import Server, serve
from frontend import Frontend
from layout import custom_nodes
from shapes_graph import ShapesGraph

PACK = '''
import torch


class Waves:
    """A noise whose seed says nothing."""

    seed = 5

    def generate_noise(self, latent):
        samples = latent["samples"]
        return torch.linspace(-40, 40, samples.numel()).reshape(samples.shape).sin() * 1.4


class StrangeNoise:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("NOISE",), "run", "strangers"

    def run(self):
        return (Waves(),)


class StrangeMean:
    """Predictions lean towards their mean over the batch."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"model": ("MODEL",)}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "run", "strangers"

    def run(self, model):
        model = model.clone()
        model.set_model_sampler_post_cfg_function(lambda args: args["denoised"].lerp(args["denoised"].mean(0), 0.2))
        return (model,)


NODE_CLASS_MAPPINGS = {"StrangeNoise": StrangeNoise, "StrangeMean": StrangeMean}
'''
SHOW = """() => {
    const node = app.rootGraph.nodes.find(node => node.type === "RandomSearch");
    node.pos = [-2000, -2000];
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [2000 + 120, 2000 + 120];
    app.canvas.setDirty(true, true);
}"""
NO_SEED = "No seed gives the images of candidates after number 0 in this workflow"
ALONE = "candidates can only run one by one."


@pytest.fixture(scope="module")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a pack of such parts, for the pages of this module."""
    pack = tmp_path_factory.mktemp("pack")
    (pack / "__init__.py").write_text(PACK, encoding="utf-8")
    with serve(comfyui, tmp_path_factory.mktemp("strange_server"), packs=custom_nodes() | {"strange": pack}) as started:
        yield started


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])
def test_that_no_seed_gives_the_images(page: Frontend, vue: bool) -> None:
    graph = ShapesGraph(steps=4 + vue)
    search = graph.search()
    graph.saved(graph.guided(graph.cfg_guider(search), graph.node("StrangeNoise")))
    says(page, graph, NO_SEED)


def test_that_candidates_run_one_by_one_and_why(page: Frontend) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search(model=graph.node("StrangeMean", model=graph.loader))))
    says(page, graph, ALONE, "strange")


def test_that_nothing_is_said_where_all_holds(page: Frontend) -> None:
    graph = ShapesGraph()
    graph.saved(graph.ksampler(graph.search()))
    board = page.page.get_by_role("region", name="RandomSearch: board")
    says(page, graph)
    for text in (NO_SEED, ALONE):
        expect(board).not_to_contain_text(text)


def says(page: Frontend, graph: ShapesGraph, *texts: str) -> None:
    page.load_prompt(graph.prompt)
    page.load(page.workflow(), "searching")  # as a workflow, with an id of its own
    page.page.evaluate(SHOW)
    run = page.run()
    assert run.status == "success", run.message
    board = page.page.get_by_role("region", name="RandomSearch: board")
    expect(board.locator(".tile")).to_have_count(4)
    for text in texts:
        expect(board).to_contain_text(text)
