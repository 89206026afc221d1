"""Starts a ComfyUI server with the pack installed, and ends it again."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from layout import custom_nodes

START_SECONDS = 180
STOP_SECONDS = 15
TAIL_LINES = 30
COLORS = re.compile(r"\x1b\[[0-9;]*m")


class ServerError(RuntimeError):
    """The server did not start, or ended on its own."""


@dataclass(frozen=True)
class Server:
    """A running ComfyUI. base holds its custom_nodes, models, input, output and user folders."""

    url: str
    base: Path
    log: Path
    process: subprocess.Popen[bytes]

    def log_text(self) -> str:
        return COLORS.sub("", self.log.read_text(encoding="utf-8", errors="replace"))

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])


@contextmanager
def serve(
    comfyui: Path,
    base: Path,
    *arguments: str,
    cpu: bool = True,
    packs: Mapping[str, Path] | None = None,
    port: int = 0,
) -> Iterator[Server]:
    """Run comfyui/main.py with the base directory and further command-line arguments until the block ends.

    packs: folder name -> folder, linked under custom_nodes; None is this pack and its demo model.
    port: 0 is any free one.
    """
    link_packs(base / "custom_nodes", custom_nodes() if packs is None else packs)
    port = port or free_port()
    log = base / f"server-{port}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command(comfyui, base, port, cpu, arguments),
            cwd=comfyui,
            env=threads() | os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", base, log, process)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(process)


def command(comfyui: Path, base: Path, port: int, cpu: bool, arguments: tuple[str, ...]) -> list[str]:
    return [
        sys.executable,
        str(comfyui / "main.py"),
        *(["--cpu"] if cpu else []),
        *("--listen", "127.0.0.1", "--port", str(port)),
        *("--disable-auto-launch", "--disable-api-nodes"),
        *("--database-url", "sqlite:///:memory:"),
        *("--base-directory", str(base)),
        *arguments,
    ]


def link_packs(folder: Path, packs: Mapping[str, Path]) -> None:
    """Make the folder hold exactly these links (things that are not links stay)."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_symlink():
            entry.unlink()
    for name, target in packs.items():
        (folder / name).symlink_to(target, target_is_directory=True)


def free_port(preferred: int = 0) -> int:
    """The preferred port when nothing listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise ServerError("No free port.")


def threads() -> dict[str, str]:
    """Two threads at most, that sleep while they wait: on a busy machine more or spinning ones are far slower."""
    return {"OMP_NUM_THREADS": str(min(2, os.cpu_count() or 1)), "OMP_WAIT_POLICY": "PASSIVE"}


def wait_until_ready(server: Server, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not answers(server.url):
        if server.process.poll() is not None:
            raise ServerError(f"ComfyUI ended while starting (exit code {server.process.returncode}).{tail(server)}")
        if time.monotonic() > deadline:
            raise ServerError(f"ComfyUI did not answer within {seconds:.0f} seconds.{tail(server)}")
        time.sleep(0.1)


def tail(server: Server) -> str:
    return f" The end of {server.log}:\n{server.log_tail()}"


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/system_stats", timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process we started: ask, then insist."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
