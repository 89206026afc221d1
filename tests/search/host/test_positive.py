"""The texts on a sampler's positive side, read from a prompt."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from comfy_graph import Graph, Node

pytestmark = pytest.mark.usefixtures("comfy")


def stand_in(inputs: dict[str, Any], outputs: dict[str, str], **more: Any) -> Any:
    """A node's class with these inputs, and outputs by name."""
    declared = {name: kind if isinstance(kind, tuple) else (kind,) for name, kind in inputs.items()}
    members = {"RETURN_NAMES": tuple(outputs), "RETURN_TYPES": tuple(outputs.values())}
    return type("StandIn", (), members | {"INPUT_TYPES": classmethod(lambda cls: {"required": declared})} | more)


LINES = ("STRING", {"multiline": True})
CONDITIONING = {"conditioning": "CONDITIONING"}
SIDES = {"positive": "CONDITIONING", "negative": "CONDITIONING"}
NODES = {
    "Guider": stand_in({"model": "MODEL", **SIDES}, {"guider": "GUIDER"}),
    "OneSided": stand_in({"model": "MODEL", **CONDITIONING}, {"guider": "GUIDER"}),
    "Guided": stand_in({"noise": "NOISE", "guider": "GUIDER", "latent_image": "LATENT"}, {"latent": "LATENT"}),
    "ToPipe": stand_in({"model": "MODEL", "clip": "CLIP", **SIDES}, {"pipe": "A_PIPE"}),
    "OutOfPipe": stand_in({"pipe": "A_PIPE"}, {"model": "MODEL", **SIDES}),
    "PipeSampler": stand_in({"pipe": "A_PIPE", "seed": "INT"}, {"latent": "LATENT"}),
    "TwoFields": stand_in({"clip": "CLIP", "text_g": LINES, "text_l": LINES}, CONDITIONING),
    "BothSides": stand_in({"clip": "CLIP", "positive": LINES, "negative": LINES}, SIDES),
    "EncodesAndAdds": stand_in({"clip": "CLIP", "text": LINES, **CONDITIONING}, CONDITIONING),
    "Stored": stand_in({"file": "STRING"}, CONDITIONING),
    "PassesOn": stand_in({"value": "*"}, {"value": "*"}),
    "Writes": stand_in({"text": LINES, "seed": "INT"}, {"text": "STRING"}),
}


@pytest.fixture(autouse=True)
def known_nodes(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("nodes").NODE_CLASS_MAPPINGS
    for name, class_ in NODES.items():
        monkeypatch.setitem(known, name, class_)
    for module in ("nodes_primitive", "nodes_string"):
        extra = importlib.import_module(f"comfy_extras.{module}")
        for class_ in vars(extra).values():
            if isinstance(class_, type) and class_.__module__ == extra.__name__ and hasattr(class_, "define_schema"):
                monkeypatch.setattr(class_, "RELATIVE_PYTHON_MODULE", extra.__name__)
                monkeypatch.setitem(known, class_.define_schema().node_id, class_)


class Prompt(Graph):
    """With a text encoder, and a KSampler at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.loader = self.node("CheckpointLoaderSimple", ckpt_name="a")

    def encode(self, text: Any) -> Node:
        return self.node("CLIPTextEncode", clip=self.loader.out(1), text=text)

    def texts(self, positive: Any, negative: Any = None) -> dict[str, str]:
        return self.read(positive, negative).texts

    def read(self, positive: Any, negative: Any = None) -> Any:
        sides = {"positive": positive, "negative": negative or self.encode("ugly")}
        return self.at(self.node("KSampler", model=self.loader, **sides, seed=1))

    def at(self, sampler: Node) -> Any:
        positive = importlib.import_module("noise_search.search.host.positive")
        graph = importlib.import_module("comfy_execution.graph")
        return positive.read_positive(graph.DynamicPrompt(self.prompt), sampler.id)


def test_the_text_and_its_node() -> None:
    prompt = Prompt()
    encoder = prompt.encode("a {red|blue} (circle:1.3)")
    assert prompt.texts(encoder) == {"a {red|blue} (circle:1.3)": f"node {encoder.id} (CLIPTextEncode)"}


def test_what_only_shapes_the_conditioning_is_passed() -> None:
    prompt = Prompt()
    area = prompt.node("ConditioningSetArea", conditioning=prompt.encode("a cat"), width=64, strength=1.0)
    sides = {"positive": area, "negative": prompt.encode("ugly"), "control_net": prompt.node("ControlNetLoader")}
    applied = prompt.node("ControlNetApplyAdvanced", **sides, image=prompt.node("LoadImage", image="a cat.png"))
    assert list(prompt.texts(applied.out(0), applied.out(1))) == ["a cat"]


def test_sides_that_are_connected_the_other_way_round() -> None:
    prompt = Prompt()
    sides = {"positive": prompt.encode("a cat"), "negative": prompt.encode("ugly")}
    applied = prompt.node("ControlNetApplyAdvanced", **sides)
    assert list(prompt.texts(applied.out(1), applied.out(0))) == ["ugly"]


def test_several_texts_are_all_found_and_blank_ones_are_not() -> None:
    prompt = Prompt()
    parts = [prompt.encode(text) for text in ("a cat", "a dog", " ")]
    both = prompt.node("ConditioningCombine", conditioning_1=parts[0], conditioning_2=parts[1])
    joined = prompt.node("ConditioningConcat", conditioning_to=both, conditioning_from=parts[2])
    assert list(prompt.texts(joined)) == ["a cat", "a dog"]


def test_what_is_zeroed_draws_nothing() -> None:
    prompt = Prompt()
    found = prompt.read(prompt.node("ConditioningZeroOut", conditioning=prompt.encode("a cat")))
    assert found == ({}, [])


@pytest.mark.parametrize("guider", ["Guider", "OneSided"])
def test_behind_a_guider(guider: str) -> None:
    prompt = Prompt()
    sides = {"positive": prompt.encode("a cat"), "negative": prompt.encode("ugly")}
    sides = sides if guider == "Guider" else {"conditioning": sides["positive"]}
    made = prompt.node(guider, model=prompt.loader, **sides)
    noise, latent = prompt.node("RandomNoise"), prompt.node("EmptyLatentImage")
    sampler = prompt.node("Guided", noise=noise, guider=made, latent_image=latent)
    assert list(prompt.at(sampler).texts) == ["a cat"]


def test_in_a_pipe_of_another_pack() -> None:
    prompt = Prompt()
    sides = {"positive": prompt.encode("a cat"), "negative": prompt.encode("ugly")}
    pipe = prompt.node("ToPipe", model=prompt.loader, clip=prompt.loader.out(1), **sides)
    assert list(prompt.at(prompt.node("PipeSampler", pipe=pipe, seed=1)).texts) == ["a cat"]
    out = prompt.node("OutOfPipe", pipe=pipe)
    assert list(prompt.texts(out.out(1), out.out(2))) == ["a cat"]
    assert list(prompt.texts(out.out(2), out.out(1))) == ["ugly"]


def test_encoders_with_several_fields() -> None:
    prompt = Prompt()
    clip = prompt.loader.out(1)
    same = prompt.node("TwoFields", clip=clip, text_g="a cat", text_l="a cat")
    assert list(prompt.texts(same)) == ["a cat"]
    other = prompt.node("TwoFields", clip=clip, text_g="a cat", text_l="fur")
    assert list(prompt.texts(other)) == ["a cat", "fur"]
    both = prompt.node("BothSides", clip=clip, positive="a dog", negative="ugly")
    assert list(prompt.texts(both.out(0), both.out(1))) == ["a dog"]


def test_an_encoder_that_adds_to_conditioning() -> None:
    prompt = Prompt()
    added = prompt.node("EncodesAndAdds", clip=prompt.loader.out(1), text="a hat", conditioning=prompt.encode("a cat"))
    assert set(prompt.texts(added)) == {"a cat", "a hat"}


def test_texts_of_comfyuis_own_nodes_are_followed() -> None:
    prompt = Prompt()
    noun = prompt.node("PrimitiveStringMultiline", value="cat")
    assert list(prompt.texts(prompt.encode(noun))) == ["cat"]
    joined = prompt.node("StringConcatenate", string_a="a black", string_b=noun, delimiter=" ")
    changed = prompt.node("StringReplace", string=joined, find="black", replace="white")
    assert list(prompt.texts(prompt.encode(prompt.node("PassesOn", value=changed)))) == ["a white cat"]


def test_what_is_made_while_the_prompt_runs_is_named() -> None:
    prompt = Prompt()
    made = prompt.node("Writes", text="a {red|blue} cat", seed=3)
    assert prompt.read(prompt.encode(made)) == ({}, [f"node {made.id} (Writes)"])
    joined = prompt.node("StringConcatenate", string_a="a", string_b=made, delimiter=" ")
    assert prompt.read(prompt.encode(joined)) == ({}, [f"node {made.id} (Writes)"])
    stored = prompt.node("Stored", file="a cat.cond")
    both = prompt.node("ConditioningCombine", conditioning_1=stored, conditioning_2=prompt.encode("a dog"))
    found = prompt.read(both)
    assert (list(found.texts), found.unread) == (["a dog"], [f"node {stored.id} (Stored)"])


def test_a_node_that_nobody_knows() -> None:
    prompt = Prompt()
    unknown = prompt.node("NoSuchNode", text="a cat")
    assert prompt.read(unknown) == ({}, [f"node {unknown.id} (NoSuchNode)"])


def test_a_sampler_that_another_node_has_put_there() -> None:
    """It has conditioning itself in its inputs, so what led to it is at the node that has made it."""
    prompt = Prompt()
    encoder = prompt.encode("a cat")
    maker = prompt.node("KSampler", positive=encoder, negative=prompt.encode("ugly"))
    dynamic = importlib.import_module("comfy_execution.graph").DynamicPrompt(prompt.prompt)
    inner = {"class_type": "KSampler", "inputs": {"positive": [["a tensor", {}]], "negative": [["another", {}]]}}
    dynamic.add_ephemeral_node("9.0.0.1", inner, maker.id, maker.id)
    positive = importlib.import_module("noise_search.search.host.positive")
    assert list(positive.read_positive(dynamic, "9.0.0.1").texts) == ["a cat"]
    lost = {"class_type": "KSampler", "inputs": {}}
    dynamic.add_ephemeral_node("8.0.0.1", lost, prompt.loader.id, prompt.loader.id)
    assert positive.read_positive(dynamic, "8.0.0.1") == ({}, [f"node {prompt.loader.id} (KSampler)"])
