"""Workers that answer at once, each a process of its own as Ray starts it; and a command that uses them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

NODES = {"1": {"class_type": "Stub", "inputs": {"number": 0, "does": "", "once": ""}}}
VERSIONS = {"ComfyUI": "1", "torch": "2", "Noise Search": "3"}


class Stub:
    """`does`: `end` ends the process, `end once` where the file `once` is not there yet, `fail` fails, `wait` waits,
    `wait until` waits for the file `once`."""

    def check(self, nodes: dict[str, Any]) -> dict[str, Any]:
        return {**VERSIONS, "nodes": ["Stub"], "files": {}, "where": "here", "pid": os.getpid(), "problem": ""}

    def about(self, nodes: dict[str, Any]) -> dict[str, Any]:
        return self.check(nodes)

    def run(self, nodes: dict[str, Any], token: str) -> dict[str, Any]:
        inputs = nodes["1"]["inputs"]
        if inputs["does"] == "end" or (inputs["does"] == "end once" and not Path(inputs["once"]).exists()):
            Path(inputs["once"]).touch()
            os._exit(1)
        if inputs["does"] == "fail":
            raise RuntimeError("Stub (node 1): it fails")
        time.sleep(0.05 if inputs["does"] == "wait" else 0)
        while inputs["does"] == "wait until" and not Path(inputs["once"]).exists():
            time.sleep(0.01)
        return {"reports": [], "files": [("1", ".png", str(inputs["number"]).encode())], "seconds": 0.05}

    def interrupt(self, token: str) -> list[int]:
        return []


def members(count: int) -> list[Any]:
    """Ray has to be there."""
    import ray

    from noise_search.cluster.machines import CONTROL, Member

    ray.cloudpickle.register_pickle_by_value(sys.modules[Stub.__module__])
    remote = ray.remote(max_restarts=-1, max_task_retries=0, num_cpus=0, concurrency_groups={CONTROL: 1})(Stub)
    return [Member(remote.remote(), f"worker {at + 1}") for at in range(count)]


def command(address: str, folder: str) -> None:
    """`map` over the table in a folder, with two of them."""
    import ray

    import pack_alias

    pack_alias.register()
    import cluster_run
    from cluster_results import Results
    from cluster_table import Table

    ray.init(address=address, log_to_driver=False, configure_logging=False)
    results = Results(Path(folder, "run"), Table(Path(folder, "table.csv"), NODES))
    cluster_run.run(results, lambda: members(2))
