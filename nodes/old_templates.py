"""Templates under the names that they had before: a link to one still opens, and the list has each once."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from server import PromptServer

PACK = Path(__file__).parents[1]
WORKFLOWS = PACK / "workflows"
MORE = WORKFLOWS / "more"  # not listed
RENAMED = {
    "demo_search": "better_image_demo",
    "demo_refine": "refine_an_image_demo",
    "demo_loop_hires": "hires_fix_demo",
    "sd15_search": "better_image_sd15",
    "sdxl_search": "better_image_sdxl",
    "flux_search": "better_image_flux",
    "z_image_search": "better_image_z_image",
    "qwen_image_search": "better_image_qwen_image",
    "krea2_search": "better_image_krea2",
    "sdxl_refine": "refine_an_image_sdxl",
    "sdxl_ensemble": "several_judges_sdxl",
    "sdxl_steps": "steps_where_needed_sdxl",
    "sd15_inpaint": "inpaint_sd15",
    "sd15_batch": "four_winners_sd15",
    "sd15_loop_hires": "hires_fix_sd15",
    "sd15_replay": "winner_again_sd15",
}


def register() -> None:
    """Routes beside those by which ComfyUI serves the folder itself."""
    files = {old: WORKFLOWS / f"{new}.json" for old, new in RENAMED.items()}
    files |= {path.stem: path for path in MORE.glob("*.json")}
    for old, path in files.items():
        PromptServer.instance.routes.get(f"/workflow_templates/{PACK.name}/{old}.json")(_serves(path))


def _serves(path: Path):
    async def handler(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return handler
