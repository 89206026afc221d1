"""Drives a ComfyUI server: queue a prompt, follow its events, fetch what it made."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import aiohttp

from comfy_graph import Graph, Node

CONNECT_SECONDS = 30
CLOSED = "closed"


class Event(NamedTuple):
    """One websocket message. A preview's data is {"image": bytes, "metadata": dict}."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class NodeError:
    """What went wrong and where; node_id is empty when no single node is to blame."""

    node_id: str
    node_type: str
    exception_type: str
    exception_message: str

    def __str__(self) -> str:
        where = f"{self.node_type} (node {self.node_id}): " if self.node_id else ""
        return where + self.exception_message.strip()


@dataclass(frozen=True)
class Result:
    """How a prompt ended. rejected: the server refused it before anything ran."""

    status: Literal["success", "error", "interrupted", "rejected"]
    prompt_id: str = ""
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: NodeError | None = None
    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0

    def check(self) -> Result:
        if self.status != "success":
            raise PromptFailed(self)
        return self

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.type == event_type]

    def text(self, node: Node | str) -> str:
        """What a text-showing node (PreviewAny) showed."""
        return "".join(self.output(node)["text"])

    def output(self, node: Node | str) -> dict[str, Any]:
        return self.outputs[node.id if isinstance(node, Node) else node]

    @property
    def cached(self) -> set[str]:
        return {node for data in self.of("execution_cached") for node in data["nodes"]}

    @property
    def executed(self) -> list[str]:
        """Ids of the nodes that ran, in order."""
        return [data["node"] for data in self.of("executing") if data.get("node") is not None]


class PromptFailed(RuntimeError):
    def __init__(self, result: Result) -> None:
        super().__init__(str(result.error) if result.error else f"The prompt was {result.status}.")
        self.result = result


class ConnectionLost(RuntimeError):
    """The server went away while a prompt was running."""


class Client:
    """One server. Every call blocks; events are delivered in the caller's thread."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def run(
        self,
        prompt: Graph | Mapping[str, Any],
        on_event: Callable[[Event], None] | None = None,
        timeout: float = 600,
        **body: Any,
    ) -> Result:
        """Queue a prompt in API format and wait for its end. body: further fields of the request."""
        nodes = prompt.prompt if isinstance(prompt, Graph) else dict(prompt)
        client_id = uuid.uuid4().hex
        started = time.monotonic()
        with self._listen(client_id) as inbox:
            status, reply = self.post("/prompt", {"prompt": nodes, "client_id": client_id, **body})
            if status != 200:
                return Result("rejected", error=rejection(reply, nodes))
            prompt_id = reply["prompt_id"]
            events = self._collect(inbox, prompt_id, on_event, started + timeout)
        return self._result(prompt_id, events, time.monotonic() - started)

    def interrupt(self, prompt_id: str | None = None) -> None:
        self.post("/interrupt", {"prompt_id": prompt_id} if prompt_id else {})

    def free(self) -> None:
        """Drop cached outputs and loaded models before the next prompt."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    def history(self, prompt_id: str) -> dict[str, Any]:
        return self.get(f"/history/{prompt_id}")[prompt_id]

    def object_info(self, node: str | None = None) -> dict[str, Any]:
        if node is None:
            return self.get("/object_info")
        return self.get(f"/object_info/{node}")[node]

    def image(self, reference: Mapping[str, str]) -> bytes:
        """The file behind an entry {filename, subfolder, type} of a node's `images`."""
        with urllib.request.urlopen(f"{self.url}/view?{urllib.parse.urlencode(reference)}", timeout=60) as reply:
            return reply.read()

    def images(self, result: Result, node: Node | str) -> list[bytes]:
        return [self.image(reference) for reference in result.output(node)["images"]]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as reply:
            return json.load(reply)

    def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """The status and the JSON that came back."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null")

    @contextmanager
    def _listen(self, client_id: str) -> Iterator[queue.SimpleQueue[Event]]:
        """A queue of the websocket's events, open before the block starts.

        In a thread of its own: the caller may have an event loop running (playwright does).
        """
        inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        loop = asyncio.new_event_loop()
        task = loop.create_task(listen(f"{self.url}/ws?clientId={client_id}", inbox))
        thread = threading.Thread(target=run_until_done, args=(loop, task), daemon=True)
        thread.start()
        try:
            if inbox.get(timeout=CONNECT_SECONDS).type == CLOSED:
                raise ConnectionLost(f"No websocket at {self.url}.")
            yield inbox
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join()

    def _collect(
        self,
        inbox: queue.SimpleQueue[Event],
        prompt_id: str,
        on_event: Callable[[Event], None] | None,
        deadline: float,
    ) -> list[Event]:
        events: list[Event] = []
        while True:
            try:
                event = inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"Prompt {prompt_id} did not end in time.") from None
            if event.type == CLOSED:
                raise ConnectionLost(f"{self.url} closed the connection while prompt {prompt_id} was running.")
            events.append(event)
            if on_event:
                on_event(event)
            if event.type == "executing" and event.data["node"] is None and event.data["prompt_id"] == prompt_id:
                return events

    def _result(self, prompt_id: str, events: list[Event], seconds: float) -> Result:
        history = self.history(prompt_id)
        messages = dict(history["status"]["messages"])
        error = None
        if "execution_error" in messages:
            status, data = "error", messages["execution_error"]
            error = NodeError(
                str(data["node_id"]), data["node_type"], data["exception_type"], data["exception_message"]
            )
        elif "execution_interrupted" in messages:
            status = "interrupted"
        else:
            status = history["status"]["status_str"]
        return Result(status, prompt_id, history["outputs"], error, events, seconds)


def run_until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


async def listen(url: str, inbox: queue.SimpleQueue[Event]) -> None:
    """Put every message into the inbox: first an `open` event, at the end of the connection a `closed` one."""
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            inbox.put(Event("open", {}))
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    content = json.loads(message.data)
                    inbox.put(Event(content["type"], content["data"]))
                elif message.type == aiohttp.WSMsgType.BINARY:
                    inbox.put(binary_event(message.data))
    finally:
        inbox.put(Event(CLOSED, {}))


def binary_event(data: bytes) -> Event:
    """Previews (1: image, 4: image with metadata); other kinds keep their bytes."""
    kind, second = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
    if kind == 1:
        return Event("preview", {"image": data[8:], "metadata": {}})
    if kind == 4:
        return Event("preview", {"image": data[8 + second :], "metadata": json.loads(data[8 : 8 + second])})
    return Event("binary", {"kind": kind, "bytes": data[4:]})


def rejection(reply: Mapping[str, Any], nodes: Mapping[str, Any]) -> NodeError:
    """The first thing the server's validation objects to."""
    for node_id, problems in (reply.get("node_errors") or {}).items():
        for error in problems["errors"]:
            message = sentence(error)
            return NodeError(node_id, problems["class_type"], error["type"], message)
    error = reply["error"]
    extra = error.get("extra_info") or {}
    node_id = str(extra.get("node_id") or "")
    node_type = extra.get("class_type") or nodes.get(node_id, {}).get("class_type", "")
    return NodeError(node_id, node_type, error["type"], sentence(error))


def sentence(error: Mapping[str, Any]) -> str:
    return f"{error['message']}: {error['details']}" if error.get("details") else error["message"]
