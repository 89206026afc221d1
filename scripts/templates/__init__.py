"""The specifications of the templates in workflows/, made into workflows by make_templates.py.

outcomes and words have those that ComfyUI lists, the other modules demos that the documentation links to.
"""

from __future__ import annotations

from . import batch, demo, ensemble, inpaint, loop, outcomes, replay, steps, words
from .builder import Template

TOPICS = (outcomes, words, demo, steps, inpaint, loop, ensemble, replay, batch)


def all_templates() -> dict[str, Template]:
    """By name, which is the name of the file."""
    return {template.name: template for topic in TOPICS for template in topic.templates()}
