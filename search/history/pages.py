"""Where scores are kept on disk, and the page of the sampler call that is running."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import folder_paths
import torch
from torch import Tensor

from ..host.graph import is_candidate, running
from ..host.prompts import PROMPTS
from ..sampling.call import SamplerCall
from .keys import sampler_key
from .ledger import Ledger, Page

FOLDER = "noise_search"  # in ComfyUI's user folder, out of the browser's reach
FORMAT = 2  # of what pages hold; those of another are not read. In the first, candidates may have heard of each other


def ledger() -> Ledger:
    return Ledger(Path(folder_paths.get_system_user_directory(FOLDER)))


def page(key: str) -> Page:
    """On disk. key: any text, the same exactly when a recipe would score the same."""
    return ledger().page(f"{FORMAT} {key}")


def page_of(call: SamplerCall, search: str, title: str, draws: str = "") -> Page:
    """The page of a sampler call in the node that is executing; one in memory where the graph is not known.

    search: the id of the search node on its MODEL, title its name in messages. draws: how a seed becomes noise, where
    that is not ComfyUI's way for a whole batch. A node may call its sampler several
    times (tiles, faces), so the latents it works on are part of what makes a page.
    """
    prompt, (sampler, _) = PROMPTS.executing()
    graph = prompt and running(prompt.id)
    if prompt is None or graph is None or not (graph.has_node(sampler) and graph.has_node(search)):
        return Page(None)
    if is_candidate(graph, sampler):  # the loop keeps its own
        return Page(None)
    key = _result(sampler_key(graph, prompt.id, sampler, search, title))
    return Page(None) if key is None else page(f"{key} {_digest(call)} {draws}".rstrip())


def _result(coroutine: Coroutine[Any, Any, str | None]) -> str | None:
    """Of a coroutine that does not wait for anything here: ComfyUI's own event loop is busy with the sampler."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _digest(call: SamplerCall) -> str:
    digest = hashlib.sha256(str(call.seed).encode())
    for tensor in _tensors(call):
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _tensors(call: SamplerCall) -> Iterator[Tensor]:
    """What the sampler was given."""
    conds = (cond for _, group in sorted(call.guider.conds.items()) for cond in group)
    given = [call.noise, call.latent_image, call.sigmas, call.denoise_mask]
    given += [value for cond in conds for _, value in sorted(cond.items(), key=lambda item: str(item[0]))]
    return (value for value in given if isinstance(value, Tensor))
