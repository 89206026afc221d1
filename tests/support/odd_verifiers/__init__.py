"""Custom nodes for tests: verifiers that behave oddly, and conditioning of any width for models without text."""

import torch


class OddVerifier:
    """Judges by brightness, or goes wrong in the way it is told to."""

    needs_prompt = False

    def __init__(self, behaviour: str):
        self.name = f"odd ({behaviour})"
        self.behaviour = behaviour

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        scores = images.mean((1, 2, 3))
        if self.behaviour == "raises":
            raise FileNotFoundError("weights.safetensors is gone")
        if self.behaviour == "nan":
            scores[-1] = float("nan")
        if self.behaviour == "too few":
            scores = scores[1:]
        return scores


class LoadOddVerifier:
    RETURN_TYPES = ("VERIFIER",)
    FUNCTION = "load"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"behaviour": (["brightness", "raises", "nan", "too few"],)}}

    def load(self, behaviour: str) -> tuple[OddVerifier]:
        return (OddVerifier(behaviour),)


class RandomConditioning:
    """Stands where a text encode stands."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "make"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"width": ("INT",), "pooled": ("INT",), "seed": ("INT",)}}

    def make(self, width: int, pooled: int, seed: int) -> tuple[list]:
        draw = torch.Generator().manual_seed(seed)
        extra = {"pooled_output": torch.randn(1, pooled, generator=draw)} if pooled else {}
        return ([[torch.randn(1, 8, width, generator=draw), extra]],)


NODE_CLASS_MAPPINGS = {"TestOddVerifier": LoadOddVerifier, "TestRandomConditioning": RandomConditioning}
