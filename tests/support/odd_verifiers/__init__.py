"""Custom nodes for tests: verifiers and VAEs that behave oddly, and conditioning of any width."""

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


class OddVAE:
    """Has `decode` and nothing else; spoils the images of those that are asked for after so many others, by number."""

    def __init__(self, vae, value: float, spoiled: list[int]):
        self._vae, self._value, self._spoiled = vae, value, spoiled
        self._seen: dict[int, int] = {}

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        images = self._vae.decode(samples).clone()
        for image, latent in zip(images, samples, strict=True):
            number = self._seen.setdefault(hash(latent.numpy().tobytes()), len(self._seen))
            if number in self._spoiled:
                image.fill_(self._value)
        return images


class MakeOddVAE:
    RETURN_TYPES = ("VAE",)
    FUNCTION = "make"
    CATEGORY = "noise search tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict:
        return {"required": {"vae": ("VAE",), "value": ("STRING",), "spoiled": ("STRING",)}}

    def make(self, vae, value: str, spoiled: str) -> tuple[OddVAE]:
        return (OddVAE(vae, float(value), [int(number) for number in spoiled.split()]),)


NODE_CLASS_MAPPINGS = {
    "TestOddVerifier": LoadOddVerifier,
    "TestRandomConditioning": RandomConditioning,
    "TestOddVAE": MakeOddVAE,
}
