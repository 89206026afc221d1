"""The demo inside its environment: a server, one run, the result."""

from __future__ import annotations

import shutil
import sys
import urllib.parse
import webbrowser
from collections.abc import Callable
from pathlib import Path

import demo_words
from comfy_client import Client, ConnectionLost, PromptFailed
from comfy_server import Server, ServerError, free_port, serve
from demo_result import Refused, read, table, write_files
from demo_workflow import build
from layout import HOST, PACK_NAME, comfyui_path
from noise_search.demo.captions import Caption, parse
from noise_search.demo.words import COLORS, COUNTS, RELATIONS, SHAPES, SIZES
from progress import Progress

TEMPLATE = "better_image_demo"
USUAL_PORT = 8188


Search = Callable[[Server], None]


def run(prompt: str, candidates: int, seed: int, output: Path, keep_serving: bool) -> int:
    """Shapes."""

    def prepared() -> Search:
        caption = understood(prompt)
        return lambda server: search_once(server, prompt, caption, candidates, seed, output)

    return served(prepared, keep_serving)


def run_words(words: str, candidates: int, seed: int, output: Path) -> int:
    """A sign."""

    def prepared() -> Search:
        demo_words.check(words)
        demo_words.put_files(HOST / "base" / "models")
        return lambda server: demo_words.search_once(server, words, candidates, seed, output)

    return served(prepared, keep_serving=False)


def served(prepared: Callable[[], Search], keep_serving: bool) -> int:
    """Prepare before the server starts, which takes its time, then search."""
    try:
        search = prepared()
        gpu = has_gpu()
        print(f"Starting ComfyUI on the {'GPU' if gpu else 'CPU'} ...", flush=True)
        port = free_port(USUAL_PORT) if keep_serving else 0
        forget_scores(HOST / "base")
        with serve(comfyui_path(), HOST / "base", cpu=not gpu, port=port) as server:
            search(server)
            if keep_serving:
                show_in_browser(server)
    except (Refused, ServerError, ConnectionLost) as error:
        return fail(str(error))
    except PromptFailed as error:
        return fail(f"The workflow failed: {error}\nThe server's log is in {HOST / 'base'}.")
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0 if keep_serving else 130
    return 0


def forget_scores(base: Path) -> None:
    """Those of earlier demos, so that the same demo again is seen to search."""
    shutil.rmtree(base / "user" / "__noise_search", ignore_errors=True)


def fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def has_gpu() -> bool:
    import torch  # takes seconds: not before the prompt is known to be one

    return torch.cuda.is_available()


def understood(prompt: str) -> Caption:
    """The caption, once it says something the demo model can draw."""
    caption = parse(prompt)
    if not any(group.shape for group in caption.groups):
        raise Refused(f"The demo model draws shapes only, and {prompt!r} names none. {vocabulary()}")
    if caption.unknown:
        print(f"The demo model ignores words it does not know: {', '.join(caption.unknown)}. {vocabulary()}")
    return caption


def vocabulary() -> str:
    kinds = {"Counts": COUNTS, "sizes": SIZES, "colors": COLORS, "shapes": SHAPES, "relations": RELATIONS}
    return "; ".join(f"{kind}: {', '.join(words)}" for kind, words in kinds.items()) + "."


def search_once(server: Server, prompt: str, caption: Caption, candidates: int, seed: int, output: Path) -> None:
    workflow = build(prompt, candidates, seed)
    labels = {workflow.plain.id: "Without search", workflow.search.id: f"Search, {candidates} candidates"}
    client = Client(server.url)
    result = client.run(workflow.graph, Progress(labels)).check()
    outcome = read(client, result, workflow, prompt, caption)
    files = write_files(client, result, workflow, outcome, output)
    print(f"\n{table(outcome)}\n")
    print("\n".join(str(file) for file in files))


def show_in_browser(server: Server) -> None:
    """Open the template in the user's browser; returns on Ctrl-C, or when the server ends."""
    query = urllib.parse.urlencode({"template": TEMPLATE, "source": PACK_NAME})
    address = f"{server.url}/?{query}"
    webbrowser.open(address)
    print(f"\nThe workflow in ComfyUI: {address}\nCtrl-C ends the server.", flush=True)
    server.process.wait()
    raise ServerError(f"ComfyUI ended. The end of {server.log}:\n{server.log_tail()}")
