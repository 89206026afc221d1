"""Makes the templates in workflows/ in ComfyUI's own front end, from their specifications in scripts/templates.

    .host/venv/bin/python scripts/make_templates.py [name ...]

Each gets a workflow and a thumbnail: what a run finds where the demo model is all it takes, else the graph. Names
choose some; without any all are made.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, sync_playwright

sys.path.append(str(Path(__file__).resolve().parent / "harness"))
from comfy_client import Client
from comfy_server import Server, serve
from frontend import Frontend, browser, configure
from layout import PACK_NAME, ROOT, comfyui_path, pack_version
from templates import all_templates
from templates.builder import Template
from templates.files import ARCHIVED

WORKFLOWS = ROOT / "workflows"
MORE = WORKFLOWS / "more"  # demos that are not listed
BUILD = (Path(__file__).parent / "templates" / "build.js").read_text(encoding="utf-8")
FRAME = (Path(__file__).parent / "templates" / "frame.js").read_text(encoding="utf-8")
WINDOW = {"width": 1440, "height": 1440}
WIDTH = 720  # of a thumbnail, in pixels
LARGEST = 40_000  # bytes
QUALITIES = range(85, 20, -5)
CAPTION, MARGIN = 48, 10  # of a thumbnail that shows before and after
SETTLE_MS = 1500  # until previews are drawn
KEPT = ("Node name for S&R", "models")  # of the properties that the front end gives a node


class Origins:
    """Which pack, in which version, a node comes from: what Manager needs to offer the missing ones."""

    def __init__(self, server: Server) -> None:
        client = Client(server.url)
        self.modules = {name: info["python_module"] for name, info in client.get("/object_info").items()}
        self.packs = {f"custom_nodes.{PACK_NAME}": (PACK_NAME, pack_version())}
        self.core = ("comfy-core", client.get("/system_stats")["system"]["comfyui_version"])

    def of(self, kind: str) -> dict[str, str]:
        """Nothing for a node that the browser has on its own."""
        if kind not in self.modules:
            return {}
        name, version = self.packs.get(self.modules[kind], self.core)
        return {"cnr_id": name, "ver": version}


def main() -> None:
    templates = all_templates()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name")
    names = parser.parse_args().names or list(templates)
    if unknown := sorted(set(names) - set(templates)):
        parser.error(f"There is no template {', '.join(unknown)}.")
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder), templates.values())
        make_all([templates[name] for name in names], Path(folder))


def furnish(base: Path, templates: Iterable[Template]) -> None:
    """ComfyUI's example picture, and empty files in the place of the models: the front end shows none as missing."""
    (base / "input").mkdir()
    shutil.copy(comfyui_path() / "input" / "example.png", base / "input")
    named = [Path(model.directory, model.name) for template in templates for model in template.models]
    for name in (*named, *(Path("verifiers", name) for name in ARCHIVED)):
        file = base / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def make_all(templates: list[Template], base: Path) -> None:
    with serve(comfyui_path(), base) as server:
        configure(server.url, vue=False)
        with sync_playwright() as playwright, browser(playwright) as launched:
            front_end = Frontend(launched.new_page(viewport=WINDOW), server.url)
            origins = Origins(server)
            for template in templates:
                make(front_end, template, origins)
                print(template.name, flush=True)


def make(front_end: Frontend, template: Template, origins: Origins) -> None:
    """In a fresh page: the front end keeps values of widgets by node id, even of a graph that is gone."""
    front_end.open()
    workflow = json.loads(front_end.page.evaluate(BUILD, template.spec()))
    text = json.dumps(cleaned(workflow, origins), indent=1)
    folder = WORKFLOWS if template.is_listed else MORE
    (folder / f"{template.name}.json").write_text(text + "\n", encoding="utf-8")
    front_end.load(json.loads(text), template.name)
    if template.is_listed:
        picture = before_and_after(front_end, template) if template.runs else graph(front_end.page, pictured(template))
        (folder / f"{template.name}.jpg").write_bytes(small(picture))


def cleaned(workflow: dict[str, Any], origins: Origins) -> dict[str, Any]:
    """Without what differs from run to run, and with each node's origin."""
    for node in workflow["nodes"]:
        kept = {key: node["properties"][key] for key in KEPT if key in node["properties"]}
        node["properties"] = kept | origins.of(node["type"])
    workflow["extra"] = {}
    del workflow["id"]
    return workflow


def before_and_after(front_end: Frontend, template: Template) -> Image.Image:
    """What a run shows without search, and with it."""
    run = front_end.run()
    if run.status != "success":
        raise RuntimeError(f"{template.name}: {run.status}. {run.message}")
    made = {str(done["node"]): done["output"]["images"][0] for done in run.executed if done["output"].get("images")}
    nodes = {node.title: str(node.id) for node in template.nodes}
    sheet = Image.new("RGB", (WIDTH, WIDTH // 2 + CAPTION), "#202020")
    draw = ImageDraw.Draw(sheet)
    for at, title in enumerate(("Without search", "With search")):
        picture = Image.open(io.BytesIO(Client(front_end.url).image(made[nodes[title]]))).convert("RGB")
        side = WIDTH // 2 - 2 * MARGIN
        place = (at * WIDTH // 2 + MARGIN, CAPTION)
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), place)
        draw.text((place[0], MARGIN), title, "white", ImageFont.load_default(24))
    return sheet


def pictured(template: Template) -> list[int]:
    """Ids of the nodes in the thumbnail: the loaders up to the search."""
    columns = template.columns
    last = max(
        (at for at, column in enumerate(columns) if any(node.room for node in column.nodes)), default=len(columns)
    )
    return [node.id for column in columns[: last + 1] for node in column.nodes]


def graph(page: Page, nodes: list[int]) -> Image.Image:
    """These nodes."""
    clip = page.evaluate(FRAME, nodes)
    page.wait_for_timeout(SETTLE_MS)
    picture = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    return picture.resize((WIDTH, WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)


def small(picture: Image.Image) -> bytes:
    """A JPEG."""
    return next(data for quality in QUALITIES if len(data := jpeg(picture, quality)) < LARGEST)


def jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
