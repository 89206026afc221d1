"""Heads of aesthetic predictors score as their authors' nn.Sequential, or are refused with what to do about it."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from reference_inputs import draw_all, images
from small_clip import clip_shapes

pytestmark = pytest.mark.usefixtures("comfy")
STAGES = ("48 to 2048", "2048 to 512", "512 to 256", "256 to 128")
META = torch.device("meta")


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


def filled(head: nn.Module) -> nn.Module:
    """With weights that tell layers apart, in the state that heads are published in."""
    head.load_state_dict(draw_all({key: list(value.shape) for key, value in head.state_dict().items()}))
    return head.eval()


def laion(inside: int = 48) -> nn.Module:
    drop = nn.Dropout(0.2)
    return filled(
        nn.Sequential(
            nn.Linear(inside, 1024), drop, nn.Linear(1024, 128), drop, nn.Linear(128, 64), drop, nn.Linear(64, 16),
            nn.Linear(16, 1),
        )
    )  # fmt: skip


def laion_relu() -> nn.Module:
    layers: list[nn.Module] = []
    for inside, out in ((48, 1024), (1024, 128), (128, 64)):
        layers += [nn.Linear(inside, out), nn.ReLU(), nn.Dropout(0.2)]
    return filled(nn.Sequential(*layers, nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 1)))


def waifu() -> nn.Module:
    layers: list[nn.Module] = []
    for inside, out in ((48, 2048), (2048, 512), (512, 256), (256, 128)):
        layers += [nn.Linear(inside, out), nn.ReLU(), nn.BatchNorm1d(out), nn.Dropout(0.3)]
    return filled(nn.Sequential(*layers, nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 1)))


def siglip() -> nn.Module:
    layers: list[nn.Module] = []
    for inside, out in ((1152, 1024), (1024, 128), (128, 64), (64, 16)):
        layers += [nn.Linear(inside, out), nn.Dropout(0.5)]
    return filled(nn.Sequential(*layers, nn.Linear(16, 1)))


def with_norms() -> nn.Module:
    """Of nobody's."""
    return filled(
        nn.Sequential(
            nn.Linear(48, 32), nn.GELU(), nn.BatchNorm1d(32), nn.Dropout(0.3), nn.Linear(32, 16), nn.GELU(),
            nn.BatchNorm1d(16, affine=False), nn.Dropout(0.3), nn.Linear(16, 1, bias=False),
        )
    )  # fmt: skip


def named(head: nn.Module, prefix: str = "layers.") -> dict[str, Tensor]:
    return {f"{prefix}{key}": value for key, value in head.state_dict().items()}


def assert_same(ours: nn.Module, authors: nn.Module, inside: int = 48) -> None:
    vectors = nn.functional.normalize(torch.randn(5, inside, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        torch.testing.assert_close(ours(vectors), authors(vectors))


@pytest.mark.parametrize("make", [laion, laion_relu, waifu])
@pytest.mark.parametrize("prefix", ["", "layers.", "model.", "module.mlp.layers."])
def test_published_heads_under_any_prefix(make: Any, prefix: str) -> None:
    assert_same(module("networks.heads").read(named(make(), prefix)), make())


def test_a_head_for_siglip_is_told_from_one_with_activations_at_the_same_numbers() -> None:
    read, heads = module("networks.heads").read, module("networks.heads")
    assert_same(read(named(siglip(), "scoring_head.")), siglip(), inside=1152)
    with pytest.raises(heads.Untold, match=r"at 1, 3, 5, 7 has no weights"):
        read(named(siglip(), "layers."))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(512, 256), nn.Linear(256, 128), nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(self.fc2(self.fc1(x).relu()).relu()).sigmoid()


def test_a_published_head_whose_layers_have_names() -> None:
    head = filled(Classifier())
    assert_same(module("networks.heads").read(head.state_dict()), head, inside=512)


@pytest.mark.parametrize("name", ["", "predictor.", "0.", "head.linear."])
def test_one_linear_layer_leaves_no_question(name: str) -> None:
    head = filled(nn.Linear(48, 1))
    assert_same(module("networks.heads").read(named(head, name)), head)


def test_the_weights_of_a_tower_beside_the_head_are_left_out() -> None:
    tower = draw_all({key: shape for key, shape in clip_shapes(words=9).items() if key.startswith("vis")})
    assert_same(module("networks.heads").read(tower | named(laion())), laion())


def test_half_precision() -> None:
    state = {key: value.half() if value.is_floating_point() else value for key, value in named(waifu()).items()}
    vectors = nn.functional.normalize(torch.ones(2, 48))
    with torch.inference_mode():
        torch.testing.assert_close(
            module("networks.heads").read(state)(vectors), waifu()(vectors), rtol=2e-2, atol=2e-2
        )


def stages(activation: nn.Module, last: bool = False) -> nn.Module:
    """Dropout before the activation, at numbers of nobody's; none before the last layer, as some have it."""
    ends = [activation] if last else []
    return filled(
        nn.Sequential(nn.Linear(48, 20), nn.Dropout(0.1), activation, nn.Linear(20, 9), *ends, nn.Linear(9, 1))
    )


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "name, layer",
    [
        ("none", nn.Identity()),
        ("relu", nn.ReLU()),
        ("leaky_relu", nn.LeakyReLU()),
        ("elu", nn.ELU()),
        ("gelu", nn.GELU()),
        ("silu", nn.SiLU()),
        ("tanh", nn.Tanh()),
    ],
)
def test_what_the_user_says_lies_at_the_free_numbers(name: str, layer: nn.Module, last: bool) -> None:
    head = stages(layer, last)
    assert_same(module("networks.heads").read(named(head), name), head)


def norm_first() -> nn.Module:
    return filled(
        nn.Sequential(
            nn.Linear(48, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Dropout(0.3), nn.Linear(32, 16), nn.BatchNorm1d(16),
            nn.GELU(), nn.Linear(16, 1),
        )
    )  # fmt: skip


class Loose(nn.Module):
    """Layers in a list, with the activations in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(48, 32), nn.Linear(32, 16), nn.Linear(16, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in list(self.layers)[:-1]:
            x = nn.functional.gelu(layer(x))
        return self.layers[-1](x)


@pytest.mark.parametrize("head", [with_norms(), norm_first(), filled(Loose())])
def test_batch_norms_before_and_behind_activations_and_lists_of_layers(head: nn.Module) -> None:
    heads = module("networks.heads")
    state = head.state_dict() if isinstance(head, Loose) else named(head)
    with pytest.raises(heads.Untold, match="head_activation"):
        heads.read(state)
    assert_same(heads.read(state, "gelu"), head)


def test_what_the_user_says_holds_for_a_published_head_too() -> None:
    """As for one that somebody has trained again with activations in place of the dropouts."""
    plan = module("networks.heads").read(named(laion()), "relu").plan
    assert plan.after == {"0": "relu", "2": "relu", "4": "relu"}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"layers.2.weight": [128]}, r"2 \(weight \[128\], bias \[128\]\) is neither"),  # a layer norm
        ({"layers.2.weight": [128, 99]}, "0 gives 1024 numbers, but 2 takes 99"),
        ({"layers.7.weight": [10, 16], "layers.7.bias": [10]}, "it gives 10 numbers"),
        ({"layers.8.linear.weight": [1, 1]}, "tells no order"),
        ({"gate": [3]}, "neither a linear layer"),
    ],
)
def test_other_parts_are_named(change: dict[str, list[int]], message: str) -> None:
    heads = module("networks.heads")
    with pytest.raises(heads.HeadError, match=message):
        heads.read(named(laion()) | {key: torch.zeros(shape) for key, shape in change.items()})


def test_no_free_number_beside_a_batch_norm() -> None:
    heads = module("networks.heads")
    head = filled(nn.Sequential(nn.Linear(48, 9), nn.BatchNorm1d(9), nn.Linear(9, 1)))
    with pytest.raises(heads.Untold, match="Whether there are activations between them is not in the file"):
        heads.read(named(head))
    assert_same(heads.read(named(head), "none"), head)
    with pytest.raises(heads.HeadError, match="no free number"):
        heads.read(named(head), "relu")


def test_every_weight_is_brought_to_where_the_vectors_are() -> None:
    head = module("networks.heads").read(named(waifu()))
    assert head(torch.empty(2, 48, device=META)).device == META


def saved(folder: Path, head: nn.Module) -> tuple[Path, Path]:
    torch.save({"model": named(head), "epoch": 3, "optimizer": {"state": {0: {}}}}, folder / "head.pth")
    shapes = {key: shape for key, shape in clip_shapes().items() if key.startswith("vis")}
    safetensors.torch.save_file(draw_all(shapes), folder / "clip.safetensors")
    return folder / "head.pth", folder / "clip.safetensors"


def test_scores_of_images_are_those_of_unit_vectors_and_the_log_tells_the_head(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture, head = images()[0][None].float() / 255, waifu()
    with caplog.at_level(logging.INFO):
        verifier = module("aesthetic").load(*saved(tmp_path, head))
    vectors = verifier.model.images(picture)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(1))
    with torch.inference_mode():
        torch.testing.assert_close(verifier.score(picture, [""]), head(vectors)[:, 0])
    said = [record.getMessage() for record in caplog.records if "head.pth" in record.getMessage()]
    stages = ", ".join(f"linear {sizes}, relu, batch norm" for sizes in STAGES)
    layers = f"{stages}, linear 128 to 32, relu, linear 32 to 1"
    assert said == [f"Aesthetic: head.pth is Waifu Scorer: {layers}; on unit vectors."]


def test_a_head_that_is_not_known_is_refused_by_its_file_s_name(tmp_path: Path) -> None:
    with pytest.raises(module("files").WeightsError, match=r"head\.pth can not be scored yet: .* head_activation"):
        module("aesthetic").load(*saved(tmp_path, with_norms()))
    verifier = module("aesthetic").load(*saved(tmp_path, with_norms()), head_activation="gelu")
    assert verifier.score(images()[0][None].float() / 255, [""]).shape == (1,)
