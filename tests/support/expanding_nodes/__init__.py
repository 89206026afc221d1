"""Custom nodes for tests: nodes that expand into others, and changes that packs make to a prompt before it runs."""

import uuid

import nodes as stock
import server
from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder, is_link

SETTINGS = {"steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
SAMPLED = {
    "model": ("MODEL",),
    "positive": ("CONDITIONING",),
    "negative": ("CONDITIONING",),
    "latent_image": ("LATENT",),
    "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1}),
}


class Expanding:
    RETURN_TYPES = ("LATENT",)
    FUNCTION = "expand"
    CATEGORY = "noise search tests"
    ALSO = {}

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": SAMPLED | cls.ALSO}

    def expand(self, **given):
        graph = GraphBuilder(f"{uuid.uuid4().hex}.")  # other ids each time
        return {"result": (self.made(graph, **given).out(0),), "expand": graph.finalize()}


class OneSampler(Expanding):
    """Hands its objects to one sampler."""

    def made(self, graph, **given):
        return graph.node("KSampler", **given, **SETTINGS)


class TwoSamplers(Expanding):
    """Two samplers that differ in nothing but an object: the conditioning is the other way round in the second."""

    def made(self, graph, positive, negative, **given):
        first = graph.node("KSampler", **given, positive=positive, negative=negative, **SETTINGS)
        second = graph.node("KSampler", **given, positive=negative, negative=positive, **SETTINGS)
        return graph.node("LatentBatch", samples1=first.out(0), samples2=second.out(0))


class Nested(Expanding):
    """An expander in an expander."""

    def made(self, graph, **given):
        return graph.node("TestOneSampler", **given)


class Times(Expanding):
    """Samples and puts itself in its own place for the other times, with what was sampled."""

    ALSO = {"times": ("INT", {"default": 2})}

    def made(self, graph, times, **given):
        sampled = graph.node("KSampler", **given, **SETTINGS)
        if times < 2:
            return sampled
        again = given | {"latent_image": sampled.out(0), "seed": given["seed"] + 100}
        return graph.node("TestTimes", **again, times=times - 1)


class WhileOpen:
    RETURN_TYPES = ("FLOW", "INT", "LATENT")
    FUNCTION = "begin"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"times": ("INT", {}), "latent": ("LATENT",)}}

    def begin(self, times, latent):
        return "", times, latent


class WhileClose:
    """Runs copies of the nodes between, with what came out, until it has done so the given times."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "end"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls):
        flow = ("FLOW", {"rawLink": True})
        hidden = {"prompt": "DYNPROMPT", "own": "UNIQUE_ID"}
        return {"required": {"flow": flow, "times": ("INT", {}), "latent": ("LATENT",)}, "hidden": hidden}

    def end(self, flow, times, latent, prompt, own):
        if times < 2:
            return (latent,)
        body = self._between(prompt, flow[0], own)
        graph = GraphBuilder(f"{uuid.uuid4().hex}.")
        copies = {node: graph.node(prompt.get_node(node)["class_type"], str(at)) for at, node in enumerate(body)}
        for node, copy in copies.items():
            copy.set_override_display_id(prompt.get_display_node_id(node))
            for name, value in prompt.get_node(node)["inputs"].items():
                is_inside = is_link(value) and value[0] in copies
                copy.set_input(name, copies[value[0]].out(value[1]) if is_inside else value)
        copies[flow[0]].set_input("times", times - 1)
        copies[flow[0]].set_input("latent", latent)
        return {"result": (copies[own].out(0),), "expand": graph.finalize()}

    def _between(self, prompt, first, last):
        def above(node):
            return [value[0] for value in prompt.get_node(node)["inputs"].values() if is_link(value)]

        def reaches(node):
            return node == first or any(map(reaches, above(node)))

        found, waiting = [], [last]
        while waiting:
            node = waiting.pop()
            if node not in found and reaches(node):
                found.append(node)
                waiting += above(node) if node != first else []
        return found


class Many:
    """Takes a value of each type that ComfyUI converts."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "give"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls):
        kinds = {"whole": "INT", "number": "FLOAT", "text": "STRING", "flag": "BOOLEAN"}
        return {"required": {"latent": ("LATENT",)}, "optional": {name: (kind, {}) for name, kind in kinds.items()}}

    def give(self, latent, **_):
        return (latent,)


class NewSampler(stock.KSampler):
    """In place of a node that is gone."""


NODE_CLASS_MAPPINGS = {
    "TestOneSampler": OneSampler,
    "TestTwoSamplers": TwoSamplers,
    "TestNested": Nested,
    "TestTimes": Times,
    "TestWhileOpen": WhileOpen,
    "TestWhileClose": WhileClose,
    "TestMany": Many,
    "TestNewSampler": NewSampler,
}


def expand_names(body):
    """As packs do that write their own values into the prompt before it is queued."""
    for node in body.get("prompt", {}).values():
        if node["inputs"].get("text") == "%caption%":
            node["inputs"]["text"] = CAPTIONS[0]
    return body


CAPTIONS = ["a red circle"]
if getattr(server.PromptServer, "instance", None) is not None:
    names = ("model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image")
    mapping = [{"new_id": name, "old_id": name} for name in names] + [{"new_id": "denoise", "set_value": 1.0}]
    server.PromptServer.instance.add_on_prompt_handler(expand_names)
    server.PromptServer.instance.node_replace_manager.register(
        io.NodeReplace(
            new_node_id="TestNewSampler",
            old_node_id="TestOldSampler",
            input_mapping=mapping,
            output_mapping=[{"new_idx": 0, "old_idx": 0}],
        )
    )
