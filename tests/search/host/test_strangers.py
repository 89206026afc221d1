"""Parts of a sampler call that are not ComfyUI's own are found wherever they hang; its own never are."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from small_models import conditioning, search, small_model, small_unet

pytestmark = pytest.mark.usefixtures("comfy")


def module() -> Any:
    return importlib.import_module("noise_search.search.host.strangers")


def guider(model: Any, made: Any = None) -> Any:
    samplers = importlib.import_module("comfy.samplers")
    one = (made or samplers.CFGGuider)(model)
    one.set_conds(conditioning(1), conditioning(2))
    one.conds = {name: [dict(cond) for cond in conds] for name, conds in one.original_conds.items()}
    return one


def found(model: Any, sampler: Any = None, made: Any = None, conds: dict[str, Any] | None = None) -> list[str]:
    samplers = importlib.import_module("comfy.samplers")
    one = guider(model, made)
    for cond in one.conds["positive"]:
        cond.update(conds or {})
    return module().strangers(one, sampler or samplers.sampler_object("euler"))


def stranger(*args: Any, **kwargs: Any) -> Any:
    return args[0]


def holding(inner: Callable[..., Any]) -> Callable[..., Any]:
    """A function of ComfyUI that calls one it was given."""
    return importlib.import_module("comfy.samplers").KSAMPLER(inner).sample


HANG: dict[str, Callable[[Any], Any]] = {
    "post cfg function": lambda model: model.set_model_sampler_post_cfg_function(stranger),
    "cond batch function": lambda model: model.set_model_sampler_calc_cond_batch_function(stranger),
    "attention patch": lambda model: model.set_model_attn1_patch(stranger),
    "attention replacement": lambda model: model.set_model_attn1_replace(stranger, "middle", 0),
    "block patch": lambda model: model.set_model_output_block_patch(functools.partial(stranger, 1)),
    "unet wrapper": lambda model: model.set_model_unet_function_wrapper(stranger),
    "wrapper": lambda model: model.add_wrapper_with_key("apply_model", "other", stranger),
    "callback": lambda model: model.add_callback_with_key("on_pre_run", "other", stranger),
    "object patch": lambda model: model.add_object_patch("diffusion_model.forward", stranger),
    "mask function": lambda model: model.set_model_denoise_mask_function(stranger),
    "attention override": lambda model: model.model_options["transformer_options"].update(
        optimized_attention_override=stranger
    ),
    "held by the host's": lambda model: model.set_model_attn1_patch(holding(stranger)),
}


@pytest.mark.parametrize("where", HANG)
def test_what_hangs_on_the_model_is_found(where: str) -> None:
    model = small_unet()
    HANG[where](model)
    assert found(model) == ["stranger"]


def test_guiders_samplers_and_conditioning_are_looked_at() -> None:
    samplers = importlib.import_module("comfy.samplers")
    controlnet = importlib.import_module("comfy.controlnet")
    own_guider = type("OwnGuider", (samplers.CFGGuider,), {"__module__": __name__})
    own_sampler = type("OwnSampler", (), {"__module__": __name__})
    own_control = type("OwnControl", (controlnet.ControlBase,), {"__module__": __name__})
    model = small_model("EPS")
    assert found(model, made=own_guider) == ["OwnGuider"]
    assert found(model, sampler=own_sampler()) == ["OwnSampler"]
    assert found(model, sampler=samplers.KSAMPLER(stranger)) == ["stranger"]
    assert found(model, sampler=samplers.ksampler("dpmpp_sde", {"noise_sampler": stranger})) == ["stranger"]
    assert found(model, conds={"control": own_control()}) == ["OwnControl"]


def test_the_hosts_own_parts_and_this_packs_are_none() -> None:
    samplers = importlib.import_module("comfy.samplers")
    attention = importlib.import_module("comfy_extras.nodes_pag").PerturbedAttentionGuidance
    advanced = importlib.import_module("comfy_extras.nodes_model_advanced").ModelSamplingDiscrete
    model = attention.execute(small_unet(), 3.0).args[0]
    model = advanced().patch(model, "eps", True)[0]
    model = search(model).model
    for name in samplers.SAMPLER_NAMES:
        assert found(model, sampler=samplers.sampler_object(name)) == []


@pytest.fixture
def other_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], types.ModuleType]:
    """Makes a module of a custom node pack named `other-pack`."""
    folder_paths = importlib.import_module("folder_paths")
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda _kind: [str(tmp_path)])
    module()._origin.cache_clear()

    def make(source: str) -> types.ModuleType:
        file = tmp_path / "other-pack" / "nodes.py"
        file.parent.mkdir()
        file.write_text(source)
        made = types.ModuleType("other_pack_nodes")
        made.__file__ = str(file)
        monkeypatch.setitem(sys.modules, made.__name__, made)
        exec(compile(source, str(file), "exec"), made.__dict__)  # noqa: S102
        return made

    return make


def test_networks_of_other_packs(other_pack: Any) -> None:
    made = other_pack("import torch\nclass Engine(torch.nn.Module):\n    def forward(self, x): return x\n")
    model = small_model("EPS")
    assert found(model) == []
    model.model.diffusion_model.inside = made.Engine()
    assert found(model) == ["Engine (other-pack)"]


def test_methods_that_another_pack_has_put_on_the_network(other_pack: Any) -> None:
    made = other_pack("def forward(x, *args, **more): return x\n")
    model = small_model("EPS")
    model.model.diffusion_model.forward = made.forward
    assert found(model) == ["forward (other-pack)"]


def test_functions_of_the_host_that_another_pack_has_replaced(other_pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = other_pack("def cfg(*args, **more): return args[0]\n")
    samplers = importlib.import_module("comfy.samplers")
    assert found(small_model("EPS")) == []
    monkeypatch.setattr(samplers, "cfg_function", made.cfg)
    assert found(small_model("EPS")) == ["cfg (other-pack)"]


def test_what_another_pack_has_added_to_the_host_is_not_used_by_it(
    other_pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = other_pack("def sample_new(model, x, sigmas, **more): return x\n")
    solvers = importlib.import_module("comfy.k_diffusion.sampling")
    monkeypatch.setattr(solvers, "sample_new", made.sample_new, raising=False)
    samplers = importlib.import_module("comfy.samplers")
    assert found(small_model("EPS")) == []
    assert found(small_model("EPS"), sampler=samplers.ksampler("new")) == ["sample_new (other-pack)"]


def test_numbers_and_tensors_are_nobodys() -> None:
    assert module().is_known([1, "text", torch.zeros(2), {"depth": (None, 2.5)}])
