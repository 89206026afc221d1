"""The nodes of the demo. Each imports what it needs when it runs: until then the demo costs nothing."""

from comfy_api.latest import io

CATEGORY = "noise search/demo"
Verifier = io.Custom("VERIFIER")


class LoadShapesModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadShapesModel",
            display_name="Load Shapes Model (demo)",
            category=CATEGORY,
            description='A tiny model that draws 64x64 pictures of captions such as "two red circles left of a blue '
            'square". It runs in seconds on a CPU. Good settings: 64x64, 20 steps, cfg 3, euler, simple.',
            inputs=[],
            outputs=[
                io.Model.Output(tooltip="The denoiser, a flow model that works on pixels."),
                io.Clip.Output(tooltip="Reads colors, shapes, sizes, counts and relations; other words are ignored."),
                io.Vae.Output(tooltip="Passes pixels through: the model has no latent space."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host_clip import load_clip
        from .host_model import load_model, load_vae
        from .weights import MODEL_FILE, load_weights

        unet, text = (load_weights(MODEL_FILE, prefix) for prefix in ("unet.", "text."))
        return io.NodeOutput(load_model(unet), load_clip(text), load_vae())


class LoadWordsModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadWordsModel",
            display_name="Load Words Model (demo)",
            category=CATEGORY,
            description='A tiny model that draws 96x64 signs with one to three words, such as a sign that says "OPEN '
            'LATE", and spells about one in four right. It runs in seconds on a CPU. Good settings: 96x64, 20 steps, '
            "cfg 2, euler, simple.",
            inputs=[],
            outputs=[
                io.Model.Output(tooltip="The denoiser, a flow model that works on pixels."),
                io.Clip.Output(
                    tooltip="Reads one to three words of up to 6 letters, A to Z: what is in quotes; without quotes, "
                    "the whole text."
                ),
                io.Vae.Output(tooltip="Passes pixels through: the model has no latent space."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host_clip import load_clip
        from .host_model import load_model, load_vae
        from .host_words import HostSignUNet, LetterTarget
        from .weights import WORDS_FILE, load_weights

        unet, text = (load_weights(WORDS_FILE, prefix) for prefix in ("unet.", "text."))
        return io.NodeOutput(load_model(unet, HostSignUNet), load_clip(text, LetterTarget), load_vae())


class LoadShapesVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadShapesVerifier",
            display_name="Load Shapes Verifier (demo)",
            category=CATEGORY,
            description="Judges how well a picture of shapes shows its caption. A small CLIP-style network, trained on "
            "the same drawn pictures as the shapes model.",
            inputs=[],
            outputs=[Verifier.Output(tooltip="Scores pictures against a caption; higher is better.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host_verifier import ShapesVerifier
        from .weights import VERIFIER_FILE, load_weights

        return io.NodeOutput(ShapesVerifier(load_weights(VERIFIER_FILE)))


class ColorfulnessVerifier(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ColorfulnessVerifier",
            display_name="Colorfulness Verifier (demo)",
            category=CATEGORY,
            description="Judges how colorful a picture is, whatever it shows. A judge that is easily pleased: for "
            "seeing what a search makes of it, alone and in an ensemble.",
            inputs=[],
            outputs=[Verifier.Output(tooltip="Scores pictures; higher is more colorful.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host_judges import Colorfulness

        return io.NodeOutput(Colorfulness())


class ShapesOracle(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ShapesOracle",
            display_name="Shapes Oracle (demo)",
            category=CATEGORY,
            description="Says exactly how much of its caption a picture of shapes shows: a program that knows how such "
            "pictures are drawn. Hold it out of a search, to see whether the search makes better pictures.",
            inputs=[],
            outputs=[Verifier.Output(tooltip="Share of the caption's parts that hold: 1 for all of them.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        from .host_judges import Oracle

        return io.NodeOutput(Oracle())


NODES: list[type[io.ComfyNode]] = [
    LoadShapesModel,
    LoadShapesVerifier,
    ColorfulnessVerifier,
    ShapesOracle,
    LoadWordsModel,
]
