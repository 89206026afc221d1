"""The archive that would be published, made as `comfy node publish` makes it."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from layout import ROOT

IGNORE = ".comfyignore"


def files() -> list[str]:
    """What git tracks, without what .comfyignore names."""
    ignored = set(tracked("--ignored", "--exclude-from", IGNORE))
    return [file for file in tracked() if file not in ignored]


def tracked(*only: str) -> list[str]:
    """Paths of the files in git that are there."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", *only]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [file for file in listed.split("\0") if file and (ROOT / file).is_file()]


def pack(target: Path) -> Path:
    """Write the archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files():
            archive.write(ROOT / file, file)
    return target
