"""Every workflow that ComfyUI lists under the pack's name opens; those on the demo model run."""

from __future__ import annotations

import pytest

from frontend import Frontend
from layout import ROOT

TEMPLATES = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
DEMOS = [name for name in TEMPLATES if name.startswith("demo")]
BOTH = pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue"])


def test_the_demo_has_templates():
    assert {"demo_search", "demo_explicit"} <= set(DEMOS)


@pytest.mark.parametrize("name", TEMPLATES)
def test_it_opens_from_the_template_browser(page: Frontend, name: str):
    page.open_template(name)
    assert page.missing_nodes() == []
    assert page.prompt()


@BOTH
@pytest.mark.parametrize("name", DEMOS)
def test_it_runs(front_end: Frontend, name: str):
    front_end.open(template=name)
    run = front_end.run()
    assert run.status == "success", run.message
    assert any("images" in (done["output"] or {}) for done in run.executed)
