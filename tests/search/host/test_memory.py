"""Memory of a long search, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from layout import ROOT

SEARCH = """
import json, resource, sys
comfyui, root, candidates = sys.argv[1:]
sys.path[:0] = [comfyui, f"{root}/scripts", f"{root}/scripts/harness", f"{root}/tests/support"]
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import pack_alias
pack_alias.register()
import torch
from small_models import best_report, sample, search, small_model
found = search(small_model("EPS"), candidates=int(candidates), batch_size=8)
sample(found.model, latent={"samples": torch.zeros(1, 4, 64, 64)}, steps=2, cfg=1.0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"megabytes": peak / 1024, "candidates": len(best_report(found).candidates)}))
"""


def peak_megabytes(comfyui: Path, candidates: int) -> float:
    command = [sys.executable, "-c", SEARCH, str(comfyui), str(ROOT), str(candidates)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=comfyui, check=True)
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["candidates"] == candidates
    return read["megabytes"]


def test_a_thousand_candidates_take_hardly_more_memory_than_64(comfyui: Path) -> None:
    few, many = (peak_megabytes(comfyui, candidates) for candidates in (64, 1000))
    print(f"peak memory: {few:.0f} MB for 64 candidates, {many:.0f} MB for 1000")
    assert many < 1.1 * few
