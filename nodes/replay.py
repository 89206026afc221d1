"""A recipe's noise again, for any sampler."""

import logging
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph import ExecutionBlocker

from ..search.host.prompts import PROMPTS
from ..search.records.recipe_text import NoSearch, RecipeError, parse_recipes
from ..search.replay import put_replay_on
from ..search.sampling.source import RecipeNoise
from .types import CATEGORY, Positives


class ReplayNoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReplayNoise",
            display_name="Replay Noise",
            category=CATEGORY,
            description="Recreates a winner from its recipe, without searching. Connect `noise` to a "
            "SamplerCustomAdvanced, or put the node on the MODEL wire of a KSampler, whose own seed is then ignored. "
            "Use the settings and prompt of the run the recipe comes from.",
            search_aliases=["recipe", "reproduce", "same image", "noise from recipe", "reuse seed"],
            inputs=[
                io.String.Input(
                    "recipe",
                    multiline=True,
                    default='{"seed": 0, "moves": []}',
                    tooltip="The recipe output of Search Report, or the text of it: one for all images of a batch, "
                    "or a list with one for each.",
                ),
                io.Model.Input("model", optional=True, tooltip="The model, when the sampler is a KSampler."),
                io.Noise.Input(
                    "noise",
                    optional=True,
                    tooltip="For a recipe that names a noise: the node that gave the sampler its noise in that run.",
                ),
                Positives.Input(
                    "positives",
                    optional=True,
                    tooltip="For a recipe with a wording: the Prompt Variants that the search had.",
                ),
            ],
            outputs=[
                io.Noise.Output(display_name="noise", tooltip="For SamplerCustomAdvanced."),
                io.Model.Output(display_name="model", tooltip="For a KSampler: it starts from the recipe's noise."),
                io.Int.Output(
                    display_name="seed",
                    tooltip="The recipe's base seed. A recipe without moves is this seed and nothing else.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, recipe: str, model: Any = None, noise: Any = None, positives: Any = None) -> io.NodeOutput:
        title = f"Replay Noise (node {cls.hidden.unique_id})"
        try:
            recipes = parse_recipes(recipe)
        except NoSearch as reason:
            return _nothing(title, str(reason), model, noise)
        except RecipeError as error:
            raise RecipeError(f"{title}: {error}") from error
        if noise is not None and not any(recipe.kind for recipe in recipes):
            logging.info("%s: the recipe names no noise, so the connected one is not used.", title)
        if model is None and any(recipe.path is not None or recipe.variety or recipe.wording for recipe in recipes):
            logging.warning(
                "%s: a noise alone does not give this recipe's image, which was denoised in parts, or with a "
                "conditioning of its own. Connect the model as well, and its MODEL output to the sampler's guider.",
                title,
            )
        patched = ExecutionBlocker(f"{title}: connect a model to use its MODEL output.")
        if model is not None:
            patched = put_replay_on(model, recipes, title, noise, positives)
        return io.NodeOutput(RecipeNoise(recipes, title, noise), patched, recipes[0].seed)


def _nothing(title: str, why: str, model: Any, noise: Any) -> io.NodeOutput:
    """Model and noise go on as they came in; outputs for which nothing came in say what to do when they are used."""
    missing = ExecutionBlocker(
        f"{title}: there is no recipe. {why} Run the search, paste a recipe, or give the sampler a noise of its own."
    )
    passed = [missing if given is None else given for given in (noise, model)]
    PROMPTS.warn(f"{title}: there is no recipe, so nothing is replayed: the sampler starts from its own noise. {why}")
    return io.NodeOutput(*passed, missing)
