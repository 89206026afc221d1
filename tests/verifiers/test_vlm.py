"""Vision-language models as judges: ComfyUI's own Qwen3-VL, made small, and a stand-in that answers as told."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reference_inputs import images
from small_vlm import small_vlm

pytestmark = pytest.mark.usefixtures("comfy")


def vlm() -> Any:
    return importlib.import_module("noise_search.verifiers.vlm")


@pytest.fixture(scope="module")
def clip(comfy: Any) -> Any:
    return small_vlm()


def pictures() -> torch.Tensor:
    return torch.stack([image[:64, :96] for image in images()]).float() / 255


def test_probability_of_yes_from_the_host_s_own_model(clip: Any) -> None:
    verifier = vlm().YesVerifier(vlm().HostModel(clip))
    scores = verifier.score(pictures(), ["a cat"] * 4)
    assert scores.shape == (4,)
    assert ((scores > 0) & (scores < 1)).all()
    assert len(set(scores.tolist())) == 4
    assert torch.equal(scores, verifier.score(pictures(), ["a cat"] * 4))
    assert not torch.equal(scores, verifier.score(pictures(), ["a dog"] * 4))


def test_the_words_are_single_tokens_of_its_tokenizer(clip: Any) -> None:
    model = vlm().HostModel(clip)
    yes = model.first_tokens(vlm().YES)
    assert [model.tokenizer.decode([token]).strip().lower() for token in yes] == ["yes"] * 4
    assert not set(yes) & set(model.first_tokens(vlm().NO))


def test_a_model_that_only_rambles_is_an_error_with_its_answer(clip: Any) -> None:
    base = importlib.import_module("noise_search.verifiers.base")
    verifier = vlm().GradeVerifier(vlm().HostModel(clip), tries=1)
    with pytest.raises(base.VerifierError, match=r"VLM grade failed on candidate 7: .*in 1 tries\. The last: "):
        base.ask(verifier, pictures()[:1], ["a cat"], lambda index: f"candidate {7 + index}")


def test_a_clip_that_does_not_generate_is_refused() -> None:
    with pytest.raises(ValueError, match="can not answer questions"):
        vlm().HostModel(SimpleNamespace(cond_stage_model=torch.nn.Linear(1, 1)))


def test_a_clip_with_an_unknown_tokenizer_is_refused(clip: Any) -> None:
    odd = SimpleNamespace(cond_stage_model=clip.cond_stage_model, tokenizer=SimpleNamespace(words=3))
    with pytest.raises(ValueError, match="tokenizer is of an unknown kind; Qwen3-VL's is known to work"):
        vlm().HostModel(odd)


WORDS = (
    "<pad> </s> <unk> <image> yes no Yes No USER: ASSISTANT: Does this image show Answer with or . ? a cat dog".split()
)
CHAT = (
    "{% for m in messages %}USER: {% for c in m['content'] %}{{ '<image> ' if c['type'] == 'image' else c['text'] }}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a small LLaVA with random weights, as transformers saves it."""
    import tokenizers
    import transformers

    words = tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"}, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip
    eye = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**eye, image_size=56, patch_size=14),
        text_config=transformers.LlamaConfig(**eye, vocab_size=len(WORDS), eos_token_id=1, pad_token_id=0),
        image_token_index=3, vision_feature_layer=-1,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.LlavaForConditionalGeneration(config)
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    eyes = transformers.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = transformers.LlavaProcessor(
        eyes, fast, patch_size=14, vision_feature_select_strategy="default", chat_template=CHAT, image_token="<image>",
        num_additional_image_tokens=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("llava")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_probability_of_yes_from_a_transformers_folder(llava: Any) -> None:
    model = vlm().FolderModel(llava)
    scores = vlm().YesVerifier(model).score(pictures(), ["a cat"] * 4)
    assert ((scores > 0) & (scores < 1)).all()
    assert len(set(scores.tolist())) == 4
    text = vlm().QUESTION.replace("{}", "a cat")
    network, inputs = model._prepared(pictures()[:1], text)
    expected = network(**inputs).logits[0, -1][model.first_tokens(("yes", "no", "Yes", "No"))].softmax(0)
    yes = [WORDS[token].lower() == "yes" for token in model.first_tokens(("yes", "no", "Yes", "No"))]
    assert scores[0] == pytest.approx(expected[torch.tensor(yes)].sum().item(), abs=1e-5)


def test_a_transformers_folder_answers_the_same_again(llava: Any) -> None:
    model = vlm().FolderModel(llava)
    answers = [model.answer(pictures()[:1], "Does this image show a cat ?") for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_folder_without_a_model_is_named(tmp_path: Any) -> None:
    errors = importlib.import_module("noise_search.verifiers.files").WeightsError
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(errors, match="can not be loaded as a vision-language model"):
        vlm().FolderModel(tmp_path)


def test_a_library_that_is_missing_is_named(llava: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise ImportError("OddProcessor requires the oddlib library: pip install oddlib")

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", refuse)
    errors = importlib.import_module("noise_search.verifiers.files").WeightsError
    with pytest.raises(
        errors, match=r"(?s)llava.* needs a Python package .*pip install oddlib.*Install it into ComfyUI"
    ):
        vlm().FolderModel(llava)


class Told:
    """Answers with the next of the given texts."""

    def __init__(self, *answers: str):
        self.answers, self.asked = list(answers), []

    def answer(self, image: torch.Tensor, text: str) -> str:
        self.asked.append(text)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


GOOD = '```json\n{"accuracy_to_prompt": {"score": 7, "why": "..."}, "overall_score": 6.5}\n```'


@pytest.mark.parametrize("aspect, grade", [("overall_score", 6.5), ("accuracy_to_prompt", 7.0)])
def test_a_grade_is_read_from_json(aspect: str, grade: float) -> None:
    model = Told(GOOD)
    assert vlm().GradeVerifier(model, aspect).score(pictures()[:2], ["a cat"] * 2).tolist() == [grade] * 2
    assert 'the prompt "a cat"' in model.asked[0]
    assert all(name in model.asked[0] for name in vlm().ASPECTS)


def test_an_answer_that_can_not_be_read_is_asked_for_again_more_firmly() -> None:
    model = Told("A lovely picture!", GOOD)
    assert vlm().GradeVerifier(model).score(pictures()[:1], ["a cat"]).tolist() == [6.5]
    assert model.asked[1] == model.asked[0] + vlm().AGAIN


@pytest.mark.parametrize("answer", ["no", '{"overall_score": 11}', '{"overall_score": "good"}', "{", '{"x": 1}', "[6]"])
def test_after_the_last_try_the_answer_is_shown(answer: str) -> None:
    model = Told(answer)
    with pytest.raises(ValueError) as error:
        vlm().GradeVerifier(model, tries=3).score(pictures()[:1], ["a cat"])
    assert str(error.value) == f"no overall_score from 0 to 10 in its answer, in 3 tries. The last: {answer}"
    assert len(model.asked) == 3


@pytest.mark.parametrize("words", [("yes",), ("no",)])
def test_a_tokenizer_without_yes_or_no_as_a_token_says_what_to_do_instead(words: tuple[str, ...]) -> None:
    model = SimpleNamespace(first_tokens=lambda asked: [1] if words[0] in asked else [])
    with pytest.raises(ValueError, match="no token for yes or for no: ask for a grade instead"):
        vlm().YesVerifier(model)


def test_a_question_without_a_place_for_the_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="where the prompt goes"):
        vlm().YesVerifier(Told(), "Is it good?")
