"""Judges of videos."""

from typing import Any

from comfy_api.latest import io

from ...verifiers import video
from ...verifiers.base import known
from ..types import Verifier
from .base import ALIASES, VERIFIERS, verifier_output

WORST_FRAME = "Worst Frame"
VIDEO = ["video", "animation", "flicker"]


class WorstFrame(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="WorstFrame",
            display_name=WORST_FRAME,
            category=VERIFIERS,
            description="Lets a verifier judge a video by its worst frame instead of the mean over all, so that one "
            "broken moment costs the whole video its place. A single image is judged as without it.",
            search_aliases=[*ALIASES, *VIDEO, "minimum", "worst frame"],
            inputs=[
                Verifier.Input(
                    "verifier",
                    optional=True,
                    tooltip="The judge of the frames. Comes from a verifier loader; of an Ensemble Verifier, each "
                    "judge counts by its worst frame.",
                )
            ],
            outputs=[verifier_output("The same verifier, and a video counts by its worst frame.")],
        )

    @classmethod
    def execute(cls, verifier: Any = None) -> io.NodeOutput:
        return io.NodeOutput(None if verifier is None else video.by_worst_frame(known(verifier, WORST_FRAME)))


class VideoMotionVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VideoMotionVerifier",
            display_name="Video Motion Verifier",
            category=VERIFIERS,
            description="Judges how a video moves, from its frames alone: steady (no flicker), smooth (no jumps, cuts "
            "or doubled frames) and moving (not a still). It does not know what is shown, so join it with a judge of "
            "images in an Ensemble Verifier.",
            search_aliases=[*ALIASES, *VIDEO, "motion", "smoothness", "stutter", "jitter"],
            inputs=[],
            outputs=[verifier_output("Scores are from 0 to 1: the geometric mean of steady, smooth and moving.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(video.VideoMotionVerifier())


NODES = [WorstFrame, VideoMotionVerifier]
