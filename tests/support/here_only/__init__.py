"""Custom nodes for tests: one that gives on what it is given, and fails in a worker."""

from __future__ import annotations

import sys
from typing import Any


class HereOnly:
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "give"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"conditioning": ("CONDITIONING",)}}

    def give(self, conditioning: Any) -> tuple[Any]:
        ray = sys.modules.get("ray")
        if ray is not None and ray.get_runtime_context().worker.mode == ray.WORKER_MODE:
            raise RuntimeError("this does not run in a worker")
        return (conditioning,)


NODE_CLASS_MAPPINGS = {"HereOnly": HereOnly}
