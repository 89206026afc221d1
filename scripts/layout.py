"""Where things are: the repository, what setup makes, ComfyUI."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = ROOT / ".host"
VENV = HOST / "venv"
VENV_PYTHON = VENV / "bin" / "python"

# The folder name is the one ComfyUI-Manager gives the pack: its name in the registry.
PACK_NAME = "noise-search"


def own_comfyui() -> Path | None:
    """The user's own ComfyUI: COMFYUI_PATH."""
    own = os.environ.get("COMFYUI_PATH")
    return Path(own).expanduser().resolve() if own else None


def comfyui_path() -> Path:
    """The user's own, else the copy that setup downloads."""
    return own_comfyui() or HOST / "ComfyUI"


def has_comfyui(path: Path) -> bool:
    return (path / "main.py").is_file() and (path / "comfy").is_dir()


def pack_version() -> str:
    """As pyproject.toml says it."""
    manifest = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return next(line.split('"')[1] for line in manifest.splitlines() if line.startswith("version = "))


def custom_nodes() -> dict[str, Path]:
    """Folder name under custom_nodes, and what it links to."""
    return {PACK_NAME: ROOT}
