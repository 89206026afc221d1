"""The specifications of the templates in workflows/, made into workflows by make_templates.py."""

from . import batch, demo, ensemble, inpaint, loop, refine, replay, steps, text_to_image
from .builder import Template

TOPICS = (demo, steps, refine, inpaint, loop, ensemble, replay, batch, text_to_image)


def all_templates() -> dict[str, Template]:
    """By name, which is the name of the file."""
    return {template.name: template for topic in TOPICS for template in topic.templates()}
