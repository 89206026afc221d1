"""One GPU: a ComfyUI without a server in a process of its own, which runs the prompts that it is given.

This module is sent to the worker as it is, so it needs nothing of the pack but what ComfyUI has loaded there.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import hashlib
import itertools
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import uuid
import zlib
from pathlib import Path
from typing import Any, ClassVar

SEAM = ".search.crew.seam"
SCRATCH = "noise_search_worker_"
OWN = ("--cuda-device", "--default-device", "--listen", "--port", "--enable-manager", "--multi-user")  # of a server
WITHOUT_VALUE = ("--enable-manager", "--multi-user")
REPORTS_KEPT = 256  # as many as winners of the pack's prompts
LONGEST = 300  # characters of what ComfyUI has against a prompt
VALUE = "NoiseSearchValue"  # as search/crew/by_value.py puts it into prompts


class Worker:
    """Its state is ComfyUI's own: the models and what the nodes before the sampler have given, in its cache."""

    def __init__(self, comfy: str, arguments: list[str]):
        self.comfy = comfy
        self.arguments = arguments
        self.host: Headless | None = None
        self.count = itertools.count()
        self.reports: dict[str, list[dict[str, Any]]] = {}  # of the latest searches, by their boards
        self.token: str | None = None  # of what is running
        self.errand: Any = None

    def about(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """What a prompt finds here; ComfyUI starts when this is asked for first."""
        if self.host is None:
            self.host = Headless(self.comfy, self.arguments)
        return {**told(nodes), "where": platform.node(), "pid": os.getpid()}

    def score(
        self, nodes: dict[str, Any], sampler: str, search: str, item: int, piece: dict[str, Any], token: str
    ) -> dict[str, Any] | None:
        """Run the prompt up to the sampler, where the search node scores these candidates instead of its own. None from
        a process that has begun anew: what it has for a prompt was not asked yet."""
        import ray

        if self.host is None:
            return None
        seam = loaded("search.crew.seam")
        self.errand = errand = loaded("search.crew.errands").received(sampler, search, item, piece)
        seam.CREWS.errand, self.token = errand, token
        try:
            fresh = self._given(nodes)
            fresh[sampler]["inputs"]["noise_search_piece"] = next(
                self.count
            )  # the node ignores it, ComfyUI's cache does not
            self._host.run(fresh, [sampler])
        finally:
            seam.CREWS.errand = self.token = None
        if not errand.is_done:
            raise RuntimeError("the sampler did not search here.")
        results = {place: ray.put([part.numpy() for part in result[:2]]) for place, result in errand.results.items()}
        ends = {place: ray.put(end.numpy()) for place, end in errand.ends.items()}
        lines = [[zlib.compress(line) for line in images] for images in errand.lines]
        return {"lines": lines, "results": results, "ends": ends, "beside": errand.beside}

    def _given(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """The nodes as ComfyUI takes them: values of the user's prompt are held here, and nodes name them."""
        from_wire, held = loaded("search.crew.wire").value_from_wire, Value.held
        sent = {one["inputs"]["key"]: one["inputs"]["value"] for one in nodes.values() if one["class_type"] == VALUE}
        Value.held = {key: held[key] if key in held else from_wire(told) for key, told in sent.items()}
        fresh = {node: {**one, "inputs": dict(one["inputs"])} for node, one in nodes.items()}
        for one in fresh.values():
            if one["class_type"] == VALUE:
                del one["inputs"]["value"]
        return fresh

    def check(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """As `about`; and what ComfyUI has against the whole prompt, empty where it would run it."""
        return {**self.about(nodes), "problem": self._host.problem(nodes)}

    def run(self, nodes: dict[str, Any], token: str) -> dict[str, Any]:
        """Run a whole prompt. Returns the reports of its searches, one for each image, with the text they were judged
        by; the files that its nodes have saved, as (node, ending of the name, bytes); and the seconds it took.

        Raises RuntimeError when it fails, which names the node.
        """
        started = time.monotonic()
        self.token = token
        try:
            entry = self._host.run(self._afresh(nodes), metadata={})
        except Exception:
            end_if_broken()
            raise
        finally:
            self.token = None
        reports = self._reports(entry["prompt"][1])
        return {"reports": reports, "files": taken(entry["outputs"]), "seconds": time.monotonic() - started}

    def _afresh(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """Output nodes run again in any case: what they have saved for another prompt was taken away."""
        import nodes as stock

        outputs = {
            node
            for node, one in nodes.items()
            if getattr(stock.NODE_CLASS_MAPPINGS.get(one["class_type"]), "OUTPUT_NODE", False)
        }
        run = {"noise_search_run": next(self.count)}  # the node ignores it, ComfyUI's cache does not
        return {
            node: {**one, "inputs": {**one["inputs"], **(run if node in outputs else {})}}
            for node, one in nodes.items()
        }

    def _reports(self, prompt_id: str) -> list[dict[str, Any]]:
        """Also of a search whose result ComfyUI has taken from its cache."""
        try:
            prompt, boards = loaded("search.host.prompts").PROMPTS.get(prompt_id), loaded("search.board.boards").BOARDS
        except RuntimeError:  # a workflow of other packs
            return []
        if prompt is None:
            raise RuntimeError("Noise Search was not told of the prompt.")
        found = []
        winners = [one for winners in prompt.found.values() for one in winners]
        for winner in [one for one in winners if one["board"]]:
            name = winner["board"]
            board = boards.get(name)
            if board is not None and name not in self.reports:
                self.reports[name] = [report.to_dict() for report in board.reports]
            told = self.reports.get(name, {})
            report = told[winner["image"]] if told else {**winner, "candidates": []}
            found.append({"prompt": judged_by(prompt.nodes, winner["node"]), **report, "node": winner["sampler"]})
        for name in list(self.reports)[:-REPORTS_KEPT]:
            del self.reports[name]
        return found

    def interrupt(self, token: str) -> list[int]:
        """Cancel this, in ComfyUI's own way, if it is still running. What it has cost, in predictions of each image."""
        spent = self.spent()
        if self.token == token:
            import nodes

            nodes.interrupt_processing(True)
        return spent

    def spent(self) -> list[int]:
        return list(self.errand.spent()) if self.errand is not None and self.token is not None else []

    def progress(self) -> tuple[int, list[int]]:
        """Of what is running: the steps of all its candidates together, and what `spent` tells."""
        steps = self.errand.steps() if self.errand is not None and self.token is not None else 0
        return steps, self.spent()

    @property
    def _host(self) -> Headless:
        if self.host is None:
            raise RuntimeError("ComfyUI has not started here.")
        return self.host


class Value:
    """A node in place of those that have given this value in the user's prompt. held: by key, those of the latest."""

    held: ClassVar[dict[str, Any]] = {}
    RETURN_TYPES = ("*",)
    FUNCTION = "give"
    CATEGORY = "noise search"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"key": ("STRING", {})}}

    def give(self, key: str) -> tuple[Any]:
        from comfy.model_management import intermediate_device

        return (on(self.held[key], intermediate_device()),)


def on(value: Any, device: Any) -> Any:
    """With all its tensors there."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: on(part, device) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(on(part, device) for part in value)
    return value


class Headless:
    """ComfyUI's own start and queue, without a port. comfy: its folder. arguments: those that the user's was given."""

    def __init__(self, comfy: str, arguments: list[str]):
        folder = comfy if Path(comfy, "main.py").is_file() else str(Path.cwd())
        if not Path(folder, "main.py").is_file():
            raise FileNotFoundError(f"there is no ComfyUI in {comfy}, nor in {folder}, where `ray start` was run.")
        scratch = scratch_folder()
        for name in ("output", "user"):
            Path(scratch, name).mkdir()
        sys.argv = [
            *("main.py", *kept(arguments), "--disable-auto-launch"),
            *("--database-url", "sqlite:///:memory:", "--temp-directory", scratch),
            *("--output-directory", f"{scratch}/output", "--user-directory", f"{scratch}/user"),
        ]
        sys.path.insert(0, folder)
        os.chdir(folder)
        # ComfyUI's logger takes the streams' buffers, and Ray closes its own streams
        self.streams = [os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2)]
        sys.stdout, sys.stderr = self.streams
        import main
        from aiohttp import web

        self.loop, self.server, _ = main.start_comfyui()
        import nodes

        nodes.NODE_CLASS_MAPPINGS[VALUE] = Value
        # what packs do when a server starts, such as following its prompts; there is no port
        self.loop.run_until_complete(web.AppRunner(self.server.app).setup())
        gc.collect()
        gc.freeze()  # ComfyUI collects garbage between prompts: not all of torch and its packs every time
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(
        self, nodes: dict[str, Any], targets: list[str] | None = None, metadata: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Execute a prompt in API format, up to these nodes or all its outputs. Returns the entry in the history.

        metadata: that saved pictures carry beside the prompt; the pack adds the recipes of its winners.
        Raises RuntimeError when it fails, which names the node.
        """
        prompt_id = uuid.uuid4().hex
        extra = {} if metadata is None else {"extra_pnginfo": metadata}
        nodes = self.server.trigger_on_prompt({"prompt": nodes, "prompt_id": prompt_id, "extra_data": extra})["prompt"]
        if targets is None:
            problem, targets = self._validated(prompt_id, nodes)
            if problem:
                raise RuntimeError(problem)
        queue = self.server.prompt_queue
        queue.put((0, prompt_id, nodes, extra, list(targets or []), {}))
        while prompt_id not in queue.history:
            time.sleep(0.002)
        entry = queue.history.pop(prompt_id)
        if entry["status"]["status_str"] != "success":
            for kind, data in entry["status"]["messages"]:
                if kind == "execution_error":
                    raise RuntimeError(f"{data['node_type']} (node {data['node_id']}): {data['exception_message']}")
            raise RuntimeError("interrupted")
        return entry

    def problem(self, nodes: dict[str, Any]) -> str:
        """Why a prompt in API format could not run here, in a sentence; empty when it could."""
        return self._validated(uuid.uuid4().hex, nodes)[0]

    def _validated(self, prompt_id: str, nodes: dict[str, Any]) -> tuple[str, list[str]]:
        """What is wrong with the first node that has something wrong; and the output nodes."""
        import execution

        checked = execution.validate_prompt(prompt_id, nodes, None)
        is_valid, error, targets, node_errors = asyncio.run_coroutine_threadsafe(checked, self.loop).result()
        if node_errors:  # ComfyUI would leave out the outputs behind it, and run the others
            return _first(node_errors), targets
        return "" if is_valid else f"{error['message']} {error['details']}".strip(), targets


def scratch_folder() -> str:
    """A folder that goes with this process. Those of processes that have been killed go now."""
    import psutil

    own = f"{SCRATCH}{platform.node()}_"  # a folder may be shared by machines
    for folder in Path(tempfile.gettempdir()).iterdir():
        pid, _, name = folder.name.removeprefix(own).partition("_")
        if folder.name.startswith(own) and name and pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    made = tempfile.mkdtemp(prefix=f"{own}{os.getpid()}_")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def kept(arguments: list[str]) -> list[str]:
    """Those of ComfyUI's arguments that hold for a worker too."""
    found, left = [], iter(arguments)
    for argument in left:
        name, equals, _ = argument.partition("=")
        if name not in OWN:
            found.append(argument)
        elif name not in WITHOUT_VALUE and not equals:
            next(left, None)
    return found


def loaded(module: str) -> Any:
    """A module of the pack, under whatever name ComfyUI has loaded it in this process."""
    packs = [
        name.removesuffix(SEAM) for name, one in sys.modules.items() if name.endswith(SEAM) and hasattr(one, "CREWS")
    ]
    if not packs:
        raise RuntimeError("Noise Search is not installed here.")
    return sys.modules[f"{packs[0]}.{module}"]


def told(nodes: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same on all machines for this prompt: versions, nodes, and files by name and size."""
    import comfyui_version
    import nodes as stock
    import torch

    try:
        root = Path(loaded("search.crew.seam").__file__).parents[2]
    except RuntimeError:
        pack = "not installed"
    else:
        sources = sorted(path for part in ("search", "verifiers", "nodes") for path in (root / part).rglob("*.py"))
        pack = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    classes = {node["class_type"] for node in nodes.values()}
    return {
        "ComfyUI": comfyui_version.__version__,
        "torch": torch.__version__,
        "Noise Search": pack,
        "nodes": sorted(classes & stock.NODE_CLASS_MAPPINGS.keys()),
        "files": files(nodes),
    }


def files(nodes: dict[str, Any]) -> dict[str, int]:
    """The size of each file that the inputs of a prompt name, in any of ComfyUI's folders."""
    import folder_paths

    found: dict[str, int] = {}
    texts = {value for node in nodes.values() for value in node["inputs"].values() if isinstance(value, str) and value}
    for text in texts:
        paths = {kind: folder_paths.get_full_path(kind, text) for kind in sorted(folder_paths.folder_names_and_paths)}
        name, folder = folder_paths.annotated_filepath(text)
        paths["input"] = os.path.join(folder or folder_paths.get_input_directory(), name)
        there = {kind: path for kind, path in paths.items() if path and os.path.isfile(path)}
        found |= {f"{kind}/{text}": os.path.getsize(path) for kind, path in there.items()}
    return found


def taken(outputs: dict[str, Any]) -> list[tuple[str, str, bytes]]:
    """The files that nodes have written, which are gone then: what they have saved; when nothing was saved, previews.
    outputs: what each node has shown. Of each file its node, the ending of its name and its bytes."""
    import folder_paths

    listed = [
        (node, file)
        for node, shown in outputs.items()
        for values in shown.values()
        for file in (values if isinstance(values, (list, tuple)) else [])
        if isinstance(file, dict) and {"filename", "subfolder", "type"} <= file.keys()
    ]
    kind = "output" if any(file["type"] == "output" for _, file in listed) else "temp"
    found = []
    for node, file in listed:
        path = Path(folder_paths.get_directory_by_type(file["type"]), file["subfolder"], file["filename"])
        if file["type"] == kind:
            found.append((node, path.suffix, path.read_bytes()))
        if file["type"] in ("output", "temp"):
            path.unlink()
    return found


def judged_by(nodes: Any, search: str) -> str:
    """The text that is set in a search node, or in the node that is wired to it there; empty where there is none."""
    text = nodes.get(search, {"inputs": {}})["inputs"].get("prompt", "")
    if isinstance(text, list):
        texts = [value for value in nodes.get(text[0], {"inputs": {}})["inputs"].values() if isinstance(value, str)]
        text = texts[0] if len(texts) == 1 else ""
    return text if isinstance(text, str) else ""


def end_if_broken() -> None:
    """End this process when its GPU computes nothing any more, as after a CUDA error. The next one begins anew, and
    what ran here goes to another worker."""
    import torch
    from comfy.model_management import get_torch_device

    try:
        torch.zeros(1, device=get_torch_device()).add(1).item()
    except RuntimeError:
        os._exit(1)


def _first(node_errors: dict[str, Any]) -> str:
    for node, problems in node_errors.items():
        for error in problems["errors"]:
            told = f"{problems['class_type']} (node {node}): {error['message']}: {error['details']}"
            return told if len(told) <= LONGEST else f"{told[:LONGEST]} ..."  # it lists all files that there are
    return ""
