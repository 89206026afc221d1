"""One GPU: a ComfyUI without a server in a process of its own, which runs the prompts that it is given.

This module is sent to the worker as it is, so it needs nothing of the pack but what ComfyUI has loaded there.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import platform
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

SEAM = ".search.crew.seam"
SCRATCH = "noise_search_worker_"
OWN = ("--cuda-device", "--default-device", "--listen", "--port", "--enable-manager", "--multi-user")  # of a server
WITHOUT_VALUE = ("--enable-manager", "--multi-user")


class Worker:
    """Its state is ComfyUI's own: the models and what the nodes before the sampler have given, in its cache."""

    def __init__(self, comfy: str, arguments: list[str]):
        self.comfy = comfy
        self.arguments = arguments
        self.host: Headless | None = None
        self.count = itertools.count()
        self.token: str | None = None  # of what is running
        self.errand: Any = None

    def about(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """What a prompt finds here; ComfyUI starts when this is asked for first."""
        if self.host is None:
            self.host = Headless(self.comfy, self.arguments)
        return {**told(nodes), "where": platform.node(), "pid": os.getpid()}

    def score(
        self, nodes: dict[str, Any], sampler: str, search: str, item: int, piece: dict[str, Any], token: str
    ) -> dict[str, Any]:
        """Run the prompt up to the sampler, where the search node scores these candidates instead of its own."""
        import ray

        seam = loaded("search.crew.seam")
        self.errand = errand = loaded("search.crew.errands").received(sampler, search, item, piece)
        seam.CREWS.errand, self.token = errand, token
        try:
            fresh = {node: {**values, "inputs": dict(values["inputs"])} for node, values in nodes.items()}
            fresh[search]["inputs"]["noise_search_piece"] = next(
                self.count
            )  # the node ignores it, ComfyUI's cache does not
            self._host.run(fresh, [sampler])
        finally:
            seam.CREWS.errand = self.token = None
        if not errand.is_done:
            raise RuntimeError("the sampler did not search here.")
        results = {place: ray.put([part.numpy() for part in result[:2]]) for place, result in errand.results.items()}
        ends = {place: ray.put(end.numpy()) for place, end in errand.ends.items()}
        return {"lines": errand.lines, "results": results, "ends": ends, "beside": errand.beside}

    def run(self, nodes: dict[str, Any], token: str) -> dict[str, Any]:
        """Run a whole prompt: what its output nodes have shown, with the pictures they have saved as bytes."""
        self.token = token
        try:
            entry = self._host.run(nodes)
        finally:
            self.token = None
        return {"shown": [_with_bytes(shown) for shown in entry["outputs"].values()], "pid": os.getpid()}

    def interrupt(self, token: str) -> list[int]:
        """Cancel this, in ComfyUI's own way, if it is still running. What it has cost, in predictions of each image."""
        spent = self.spent()
        if self.token == token:
            import nodes

            nodes.interrupt_processing(True)
        return spent

    def spent(self) -> list[int]:
        return list(self.errand.spent()) if self.errand is not None and self.token is not None else []

    @property
    def _host(self) -> Headless:
        if self.host is None:
            raise RuntimeError("ComfyUI has not started here.")
        return self.host


class Headless:
    """ComfyUI's own start and queue, without a port. comfy: its folder. arguments: those that the user's was given."""

    def __init__(self, comfy: str, arguments: list[str]):
        folder = comfy if Path(comfy, "main.py").is_file() else str(Path.cwd())
        if not Path(folder, "main.py").is_file():
            raise FileNotFoundError(f"there is no ComfyUI in {comfy}, nor in {folder}, where `ray start` was run.")
        scratch = tempfile.mkdtemp(prefix=SCRATCH)
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

        self.loop, self.server, _ = main.start_comfyui()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, nodes: dict[str, Any], targets: list[str] | None = None) -> dict[str, Any]:
        """Execute a prompt in API format, up to these nodes or all its outputs. Returns the entry in the history.

        Raises RuntimeError when it fails, which names the node.
        """
        import execution

        prompt_id = uuid.uuid4().hex
        nodes = self.server.trigger_on_prompt({"prompt": nodes, "prompt_id": prompt_id, "extra_data": {}})["prompt"]
        if targets is None:
            checked = execution.validate_prompt(prompt_id, nodes, None)
            is_valid, error, targets, node_errors = asyncio.run_coroutine_threadsafe(checked, self.loop).result()
            if not is_valid:
                raise RuntimeError(f"{error['message']}: {error['details']} {_first(node_errors)}".strip())
        queue = self.server.prompt_queue
        queue.put((0, prompt_id, nodes, {}, list(targets or []), {}))
        while prompt_id not in queue.history:
            time.sleep(0.005)
        entry = queue.history.pop(prompt_id)
        if entry["status"]["status_str"] != "success":
            for kind, data in entry["status"]["messages"]:
                if kind == "execution_error":
                    raise RuntimeError(f"{data['node_type']} (node {data['node_id']}): {data['exception_message']}")
            raise RuntimeError("interrupted")
        return entry


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


def _first(node_errors: dict[str, Any]) -> str:
    for node, problems in (node_errors or {}).items():
        for error in problems["errors"]:
            return f"{problems['class_type']} (node {node}): {error['message']}: {error['details']}"
    return ""


def _with_bytes(shown: dict[str, Any]) -> dict[str, Any]:
    import folder_paths

    pictures = []
    for file in shown.get("images", []):
        path = Path(folder_paths.get_directory_by_type(file["type"]), file["subfolder"], file["filename"])
        pictures.append(path.read_bytes())
        path.unlink()
    return {"text": list(shown.get("text", [])), "pictures": pictures}
