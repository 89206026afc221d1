"""The client against a real server."""

from __future__ import annotations

import pytest

from comfy_client import Client, PromptFailed
from comfy_graph import Graph


def picture(graph: Graph, color: int = 0x336699):
    return graph.node("EmptyImage", width=16, height=16, batch_size=2, color=color)


def test_a_prompt_returns_its_images(client: Client):
    graph = Graph()
    preview = graph.node("PreviewImage", images=picture(graph))
    result = client.run(graph).check()
    images = client.images(result, preview)
    assert len(images) == 2
    assert all(data.startswith(b"\x89PNG") for data in images)


def test_text_output(client: Client):
    graph = Graph()
    shown = graph.node("PreviewAny", source=picture(graph, 0x112233))
    assert "tensor" in client.run(graph).check().text(shown)


def test_events_arrive_while_the_prompt_runs(client: Client):
    graph = Graph()
    graph.node("PreviewImage", images=picture(graph, 0x445566))
    seen = []
    result = client.run(graph, on_event=seen.append)
    assert seen == result.events
    assert result.executed == ["1", "2"]


def test_a_second_run_is_served_from_the_cache(client: Client):
    graph = Graph()
    graph.node("PreviewImage", images=picture(graph, 0x778899))
    client.run(graph).check()
    assert client.run(graph).check().cached == {"1", "2"}


def test_a_missing_node_is_named(client: Client):
    graph = Graph()
    graph.node("PreviewImage", images=graph.node("NoSuchNode"))
    result = client.run(graph)
    assert result.status == "rejected"
    assert "NoSuchNode" in str(result.error)
    with pytest.raises(PromptFailed, match="NoSuchNode"):
        result.check()


def test_a_wrong_value_names_the_node_and_the_input(client: Client):
    graph = Graph()
    image = graph.node("EmptyImage", width=-1, height=16, batch_size=1, color=0)
    graph.node("PreviewImage", images=image)
    error = client.run(graph).error
    assert (error.node_id, error.node_type) == ("1", "EmptyImage")
    assert "width" in error.exception_message


def test_an_exception_names_the_node(client: Client):
    graph = Graph()
    wide = graph.node("EmptyImage", width=32, height=16, batch_size=1, color=0)
    broken = graph.node("ImageFromBatch", image=wide, batch_index=0, length=1)
    mask = graph.node("ImageToMask", image=broken, channel="alpha")
    graph.node("MaskPreview", mask=mask)
    result = client.run(graph)
    assert result.status == "error"
    assert result.error.node_type == "ImageToMask"
    assert result.error.exception_message


def test_object_info(client: Client):
    assert "seed" in client.object_info("KSampler")["input"]["required"]
