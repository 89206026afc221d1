"""Prompts with braces, of which the front end draws one choice each time that it queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from frontend import Frontend
from shapes_graph import ShapesGraph

BRACES = "a {red|blue|green|yellow} {circle|square} left of a {red|blue|green} triangle"
SENT = """async () => {
    const { api } = await import("/scripts/api.js");
    const queue = api.queuePrompt.bind(api);
    api.queuePrompt = async (number, prompt, ...more) => {
        window.sentPrompt = prompt.output;
        return await queue(number, prompt, ...more);
    };
}"""


@pytest.mark.parametrize("written", ["", BRACES], ids=["prompt left empty", "the same braces in the search"])
def test_the_text_judged_is_the_one_drawn(page: Frontend, written: str) -> None:
    graph = ShapesGraph(BRACES)
    search = graph.search(2, prompt=written)
    shown = graph.report(graph.ksampler(search), search)
    page.load_prompt(graph.prompt)
    page.page.evaluate(SENT)
    for _ in range(3):
        run = page.run()
        assert run.status == "success", run.message
        text = page.page.evaluate("() => window.sentPrompt")[graph.positive.id]["inputs"]["text"]
        assert "{" not in text
        assert report_of(run.executed, shown.id)["prompt"] == text


def report_of(executed: list[dict[str, Any]], node: str) -> dict[str, Any]:
    return json.loads(next(done["output"]["text"][0] for done in executed if done["node"] == node))
