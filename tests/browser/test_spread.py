"""Settings -> Noise Search: where candidates run goes with the prompt, and is no part of the workflow."""

from __future__ import annotations

from frontend import Frontend
from shapes_graph import ShapesGraph

WATCH = """async () => {
    const { api } = await import("/scripts/api.js");
    const post = api.fetchApi;
    api.fetchApi = function (route, options) { return post.call(this, route, options); };
    const plain = window.fetch;
    window.fetch = (address, options) => {
        if (String(address).endsWith("/prompt") && options?.method === "POST") window.sent = JSON.parse(options.body);
        return plain(address, options);
    };
}"""
SET = "(value) => app.extensionManager.setting.set('NoiseSearch.Spread', value)"


def test_the_setting_goes_with_the_prompt_and_nowhere_else(page: Frontend) -> None:
    graph = ShapesGraph()
    search = graph.search(2)
    graph.saved(graph.ksampler(search))
    page.load_prompt(graph.prompt)
    page.page.evaluate(WATCH)
    try:
        assert page.run().status == "success"
        assert "noise_search" not in page.page.evaluate("() => window.sent.extra_data")
        page.page.evaluate(SET, "all GPUs here")
        graph.prompt["1"]["_meta"] = {}
        page.load_prompt(graph.prompt)
        assert page.run().status == "success"
        sent = page.page.evaluate("() => window.sent")
        assert sent["extra_data"]["noise_search"] == {"spread": "all GPUs here", "address": ""}
        assert "all GPUs here" not in str(sent["extra_data"]["extra_pnginfo"])
        assert "all GPUs here" not in str(sent["prompt"])
    finally:
        page.page.evaluate(SET, "this GPU")
