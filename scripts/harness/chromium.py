"""Finds the browser for the browser tests; on Debian, as root, installs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

NAMES = ("chromium", "chromium-browser", "google-chrome")


class ChromiumMissing(RuntimeError):
    pass


def find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def find_or_install(run: Callable[..., None]) -> None:
    if find():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ChromiumMissing(
            f"The browser tests need one of {', '.join(NAMES)} on the PATH. Install it and try again."
        )
    print("Chromium for the browser tests ...", flush=True)
    run("apt-get", "update")
    run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", "chromium")
