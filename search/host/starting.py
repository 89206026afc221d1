"""How ComfyUI was started."""

from __future__ import annotations

from comfy.cli_args import args


def start_options() -> list[str]:
    """The options that were switched on, such as fp32_vae: with others, a candidate that failed may not."""
    return sorted(name for name, value in vars(args).items() if value is True)
