"""Watches whether anything in this process turns to a network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

OF_SOCKETS = ("connect", "connect_ex", "sendto")
OF_THE_MODULE = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection")


class Refused(OSError):
    """What whoever tries is told."""


@contextmanager
def watched() -> Iterator[None]:
    """Within, every attempt fails; at the end they are an error, also those that somebody has made up for."""
    tried: list[str] = []

    def refuse(name: str) -> Any:
        def attempt(*arguments: Any, **_: Any) -> None:
            tried.append(f"{name}{arguments}")
            raise Refused("no network in this test")

        return attempt

    with pytest.MonkeyPatch.context() as patch:
        for name in OF_SOCKETS:
            patch.setattr(socket.socket, name, refuse(name))
        for name in OF_THE_MODULE:
            patch.setattr(socket, name, refuse(name))
        yield
    assert tried == []
