"""What a picture says, as judge."""

from comfy_api.latest import io

from ...verifiers import text as verifier
from .base import ALIASES, VERIFIERS, WeightsFile, verifier_output


class TextVerifier(io.ComfyNode):
    """From two files."""

    DETECTOR = WeightsFile(verifier.DETECTORS, "Finds writing: EasyOCR's CRAFT, unpacked.")
    READER = WeightsFile(verifier.READERS, "Reads it: one of EasyOCR's second generation, unpacked.")

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TextVerifier",
            display_name="Text Verifier",
            category=VERIFIERS,
            description="Judges whether the picture says what it should: signs, titles, labels, spelt right. A "
            "nearly right letter counts nearly in full, so a search has a slope to climb. Reads Latin letters.",
            search_aliases=[*ALIASES, "ocr", "spelling", "typography", "text rendering", "read text", "sign", "words"],
            inputs=[
                io.String.Input(
                    "text",
                    default="",
                    multiline=True,
                    tooltip="What the picture should say, in any order and on any number of lines. Empty: what the "
                    'prompt has in quotes, such as a sign that says "OPEN LATE".',
                ),
                cls.DETECTOR.input("detector"),
                cls.READER.input("reader"),
            ],
            outputs=[verifier_output("Scores are log-likelihoods per letter: 0 is perfect, -8 the least.")],
        )

    @classmethod
    def validate_inputs(cls, detector: str | None, reader: str | None) -> bool | str:
        found = cls.DETECTOR.check(detector)
        return cls.READER.check(reader) if found is True else found

    @classmethod
    def execute(cls, text: str, detector: str, reader: str) -> io.NodeOutput:
        return io.NodeOutput(verifier.load(cls.DETECTOR.locate(detector), cls.READER.locate(reader), text))


NODES: list[type[io.ComfyNode]] = [TextVerifier]
