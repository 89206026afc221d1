"""ComfyUI's own validation and executor in this process, with small models as nodes."""

from __future__ import annotations

import asyncio
import importlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from comfy_client import NodeError, rejection
from small_models import Brightness, SmallVAE, conditioning, small_model

KINDS = ("EPS", "V_PREDICTION", "FLOW")
KEPT = 8  # inputs of a TestKeep
LONGEST = 300.0  # seconds; a prompt of a test takes less than one
Prompt = dict[str, dict[str, Any]]


class Darkness(Brightness):
    """Likes what Brightness does not."""

    name = "darkness"

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        return -super().score(images, prompts)


class Needy(Brightness):
    """Judges by a prompt, it says."""

    name, needs_prompt = "needy", True


JUDGES = {judge.name: judge() for judge in (Brightness, Darkness, Needy)}


class Ended(NamedTuple):
    """How a prompt ended.

    error: where it went wrong, and what. frames: of the code that raised it, with their files. kept: what each TestKeep
    was given, by node and input, a list each. rows: predictions that each node has asked a network for, a CFG pair as
    one.
    """

    error: NodeError | None
    frames: list[str]
    kept: dict[str, dict[str, list[Any]]]
    rows: Counter[str]


class Host:
    """Runs prompts as the server does, with nothing in its cache."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)  # where no event loop runs
        self.models = {kind: self._counted(small_model(kind)) for kind in KINDS}
        self.kept: dict[str, dict[str, list[Any]]] = {}
        self.rows: Counter[str] = Counter()

    def run(self, prompt: Prompt) -> Ended:
        """prompt: in API format. Raises TimeoutError for one that does not end, after it was interrupted."""
        self.kept, self.rows = {}, Counter()
        running = self.thread.submit(asyncio.run, self._run(json.loads(json.dumps(prompt))))
        try:
            error, frames = running.result(LONGEST)
        except TimeoutError:
            importlib.import_module("comfy.model_management").interrupt_current_processing()
            raise
        return Ended(error, frames, self.kept, self.rows)

    async def _run(self, prompt: Prompt) -> tuple[NodeError | None, list[str]]:
        execution = importlib.import_module("execution")
        prompt_id = str(uuid.uuid4())
        is_valid, error, outputs, node_errors = await execution.validate_prompt(prompt_id, prompt, None)
        if not is_valid:
            return rejection({"error": error, "node_errors": node_errors}, prompt), []
        server = SimpleNamespace(client_id=None, last_node_id=None, send_sync=lambda *_: None)
        executor = execution.PromptExecutor(server, cache_args={"lru": 0, "ram": 0, "ram_inactive": 0})
        await executor.execute_async(prompt, prompt_id, {}, outputs)
        failed = dict(executor.status_messages).get("execution_error")
        if failed is None:
            return None, []
        keys = ("node_id", "node_type", "exception_type", "exception_message")
        return NodeError(*(failed[key] for key in keys)), failed["traceback"]

    def _counted(self, model: Any) -> Any:
        context = importlib.import_module("comfy_execution.utils").get_executing_context

        def count(_network: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            parts = named["transformer_options"]["cond_or_uncond"]
            self.rows[context().node_id] += len(given[0]) // len(parts) * parts.count(0)

        model.model.diffusion_model.register_forward_pre_hook(count, with_kwargs=True)
        return model

    def nodes(self) -> dict[str, Any]:
        """The tests' own nodes."""
        io = importlib.import_module("comfy_api.latest").io
        verifier = io.Custom("VERIFIER")
        host = self

        def node(name: str, inputs: list[Any], output: Any, make: Any, **settings: Any) -> Any:
            class Made(io.ComfyNode):
                @classmethod
                def define_schema(cls) -> Any:
                    return io.Schema(
                        node_id=name,
                        category="noise search tests",
                        inputs=inputs,
                        outputs=[] if output is None else [output.Output()],
                        hidden=[io.Hidden.unique_id],
                        **settings,
                    )

                @classmethod
                def execute(cls, **given: Any) -> Any:
                    return io.NodeOutput(make(cls.hidden.unique_id, **given))

            return Made

        def keep(node_id: str, **values: list[Any]) -> None:
            host.kept[node_id] = values

        anything = [io.AnyType.Input(f"value{at}", optional=True) for at in range(KEPT)]
        return {
            "TestModel": node(
                "TestModel", [io.Combo.Input("kind", KINDS)], io.Model, lambda _, kind: host.models[kind]
            ),
            "TestVAE": node("TestVAE", [], io.Vae, lambda _: SmallVAE()),
            "TestVerifier": node(
                "TestVerifier", [io.Combo.Input("kind", list(JUDGES))], verifier, lambda _, kind: JUDGES[kind]
            ),
            "TestConditioning": node(
                "TestConditioning", [io.Int.Input("seed")], io.Conditioning, lambda _, seed: conditioning(seed)
            ),
            "TestValue": node(
                "TestValue", [io.String.Input("json")], io.AnyType, lambda _, **given: json.loads(given["json"])
            ),
            "TestKeep": node("TestKeep", anything, None, keep, is_output_node=True, is_input_list=True),
        }


@contextmanager
def host(user: Path) -> Iterator[Host]:
    """A host with the pack, the stock samplers and the tests' own nodes. user: its folder for what it keeps."""
    folder_paths, stock = importlib.import_module("folder_paths"), importlib.import_module("nodes")
    utils = importlib.import_module("comfy.utils")
    importlib.import_module("noise_search.verifiers.files").register()
    made = Host()
    custom = importlib.import_module("comfy_extras.nodes_custom_sampler").CustomSamplersExtension()
    more = importlib.import_module("noise_search.nodes").NODES
    more = [*more, *made.thread.submit(asyncio.run, custom.get_node_list()).result()]
    known = {node.GET_SCHEMA().node_id: node for node in [*more, *made.nodes().values()]}
    before = folder_paths.get_user_directory()
    with patch.dict(stock.NODE_CLASS_MAPPINGS, known), patch.object(utils, "PROGRESS_BAR_ENABLED", False):
        folder_paths.set_user_directory(str(user))
        try:
            yield made
        finally:
            folder_paths.set_user_directory(before)
            made.thread.shutdown()
