"""Plots of the benchmarks, drawn without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def axes(rows: int, columns: int, width: float, height: float) -> Any:
    """Plots side by side, in inches: their figure and an array [rows, columns] of axes."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), squeeze=False)


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=100)
