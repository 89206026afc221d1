"""Who there is: a worker on each GPU of this machine or of a Ray cluster, and what it has for a prompt."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import worker

RESOURCE = "noise_search"  # of a machine without GPUs: `ray start --resources '{"noise_search": 2}'`
CONTROL = "control"
BACK_WITHIN = 180.0  # seconds, for a worker that was lost


class Comfy(NamedTuple):
    """What workers start: ComfyUI's folder, and the arguments of its main.py."""

    folder: str
    arguments: list[str]


@dataclass
class Member:
    """A worker. lost_at: since when nothing was heard of it, in seconds. has: of prompts that it has everything for,
    what has to be the same there."""

    actor: Any
    name: str
    pid: int = 0
    lost_at: float | None = None
    has: set[str] = field(default_factory=set)


def members_here(comfy: Comfy) -> list[Member]:
    """One on each GPU of this machine but the one that this process uses."""
    import ray
    import torch

    own = torch.cuda.current_device() if torch.cuda.is_available() else -1
    others = [at for at in range(torch.cuda.device_count()) if at != own]
    if not others:
        return []
    if not ray.is_initialized():
        start_here(len(others))
    names = [f"GPU-{torch.cuda.get_device_properties(at).uuid}" for at in others]
    return [_member(comfy, f"GPU {at}", {"CUDA_VISIBLE_DEVICES": name}, num_cpus=0) for at, name in zip(others, names)]


def members_alone(comfy: Comfy, count: int = 0) -> list[Member]:
    """For a process that uses no GPU itself: one on each GPU of this machine, or on so many; on a machine without,
    as many on its processor, or one. Raises ValueError when there are fewer GPUs."""
    import ray

    start_here(max(count, 1), num_gpus=None)
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if gpus and count > gpus:
        raise ValueError(f"this machine has {gpus} GPU{'s' * (gpus > 1)}, so it can not have {count} workers.")
    if gpus:
        return [_member(comfy, f"GPU {at}", {}, num_cpus=0, num_gpus=1) for at in range(count or gpus)]
    on_cpu = Comfy(comfy.folder, [*comfy.arguments, *([] if "--cpu" in comfy.arguments else ["--cpu"])])
    return [_member(on_cpu, f"worker {at + 1}", {}, num_cpus=0) for at in range(max(count, 1))]


def members_of(address: str, comfy: Comfy, most: int = 0) -> list[Member]:
    """One on each GPU of a cluster; where it has none, as many as its machines offer of a resource by our name. most: 0
    for all."""
    import ray

    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, configure_logging=False, namespace=RESOURCE)
    there = ray.cluster_resources()
    kind = {"num_gpus": 1} if there.get("GPU") else {"resources": {RESOURCE: 1}}
    count = int(there.get("GPU") or there.get(RESOURCE) or 0)
    return [_member(comfy, f"worker {at + 1}", {}, num_cpus=0, **kind) for at in range(min(count, most or count))]


def start_here(count: int, **more: Any) -> Any:
    """Ray on this machine alone. Its workers run at the priority of others (it would give them niceness 15)."""
    import ray

    quiet = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    system = {"worker_niceness": 0}
    settings = {"num_cpus": count + 1, "num_gpus": 0, "namespace": RESOURCE, "_system_config": system}
    return ray.init(**(settings | quiet | more))


def _member(comfy: Comfy, name: str, environment: dict[str, str], **options: Any) -> Member:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[worker.__name__])
    remote = ray.remote(max_restarts=-1, max_task_retries=0, concurrency_groups={CONTROL: 2})(worker.Worker)
    # the allocator that ComfyUI has chosen for its own process is not chosen again
    env = {"env_vars": {"PYTORCH_CUDA_ALLOC_CONF": "", **environment}}
    return Member(remote.options(runtime_env=env, **options).remote(*comfy), name)


def control(method: Any, *arguments: Any) -> Any:
    """A call of a worker that is answered while another one runs."""
    return method.options(concurrency_group=CONTROL).remote(*arguments)


def cause(error: Exception) -> str:
    """What Ray's error is about, in a line."""
    told = str(getattr(error, "cause", None) or error).strip().splitlines()
    return told[-1] if told else type(error).__name__


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """What a worker has not, or has another one of, in words."""
    found = [
        f"{name} is {there[name]} there and {here[name]} here"
        for name in ("ComfyUI", "torch", "Noise Search")
        if here[name] != there[name]
    ]
    found += [f"the node {name} is not installed" for name in here["nodes"] if name not in there["nodes"]]
    for name, size in here["files"].items():
        if name not in there["files"]:
            found.append(f"{name} is not there")
        elif there["files"][name] != size:
            found.append(f"{name} has {there['files'][name]} bytes there and {size} here")
    return found
