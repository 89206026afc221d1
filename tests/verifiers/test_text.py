"""The Text Verifier on its published weights: what pictures say, and what it answers to what it can not judge."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import real_weights
from sign import sign

pytestmark = pytest.mark.usefixtures("comfy")
FLOOR = -8.0


def module(name: str) -> Any:
    return importlib.import_module(f"noise_search.verifiers.{name}")


@pytest.fixture(scope="module")
def loaded() -> Any:
    return module("text").load(real_weights.path(real_weights.DETECTOR), real_weights.path(real_weights.READER))


def judged(loaded: Any, wanted: str, *pictures: torch.Tensor) -> list[Any]:
    return loaded.judged(torch.stack(pictures), [f'a sign that says "{wanted}"'] * len(pictures))


def scores(loaded: Any, wanted: str, *pictures: torch.Tensor) -> list[float]:
    return [one.score for one in judged(loaded, wanted, *pictures)]


def test_the_right_spelling_is_nearly_0_and_more_wrong_is_worse(loaded: Any) -> None:
    texts = ("Fresh Coffee", "Fresh Coftee", "Frash Coftee", "Flurb Zwqdj")
    found = scores(loaded, "Fresh Coffee", *(sign(text, size=22) for text in texts), sign())
    assert found[0] > -0.1
    assert found == sorted(found, reverse=True)
    assert found[0] - found[1] > 0.3
    assert found[-1] == FLOOR


def test_a_picture_without_text_has_the_least_score_and_says_that_no_word_holds(loaded: Any) -> None:
    score, details = loaded.score_with_details(sign()[None], ['"OPEN"'])
    assert score.tolist() == [FLOOR]
    assert details == [[{"text": "OPEN", "score": FLOOR, "holds": False}]]


def test_line_breaks_and_capitals_do_not_matter(loaded: Any) -> None:
    found = scores(loaded, "Open till Midnight", *map(lambda lines: sign(*lines, size=20), (
        ("Open till Midnight",), ("Open till", "Midnight"), ("Open", "till", "Midnight"), ("OPEN TILL", "MIDNIGHT"),
    )))  # fmt: skip
    assert min(found) > -0.2


def test_small_letters_are_not_taken_for_capitals_that_were_asked_for(loaded: Any) -> None:
    capital, small = scores(loaded, "BREAD", sign("BREAD"), sign("bread"))
    assert capital > -0.1 and small < -3


@pytest.mark.parametrize("angle", [-30, -15, 15, 30])
def test_turned_writing(loaded: Any, angle: float) -> None:
    right, wrong = judged(loaded, "Night Bakery", *(sign(one, angle=angle) for one in ("Night Bakery", "Nihgt Bakery")))
    assert right.score > -0.3 > wrong.score
    assert all(found.at.place.angle == pytest.approx(angle, abs=6) for found in right.wanted)


def test_a_missing_word_costs_more_than_one_too_many(loaded: Any) -> None:
    right, more, less = scores(loaded, "Fish Market", sign("Fish Market"), sign("Fish Market", "Boats"), sign("Market"))
    assert right > more > less
    assert right - more < 0.3
    assert less < -3


def test_a_letter_too_many_or_too_few_is_seen(loaded: Any) -> None:
    found = scores(loaded, "Coffee", *(sign(text) for text in ("Coffee", "Cofee", "Cofffee", "Coffe")))
    assert max(found[1:]) < found[0] - 0.3


def test_every_word_needs_a_place_of_its_own(loaded: Any) -> None:
    twice, once = scores(loaded, "Knock Knock", sign("Knock Knock"), sign("Knock"))
    assert twice > -0.2
    assert once < -3.5


def test_details_tell_each_word_what_stands_there_and_where(loaded: Any) -> None:
    _, (details,) = loaded.score_with_details(sign("OPEN 24", "HUORS")[None], ['"OPEN 24 HOURS"'])
    assert [part["text"] for part in details] == ["OPEN", "24", "HOURS"]
    assert [part["read"] for part in details] == ["OPEN", "24", "HUORS"]
    assert [part["holds"] for part in details] == [True, True, False]
    left, top, *_ = details[0]["box"]
    assert 0 < left < 0.5 and 0 < top < 0.5
    assert details[2]["box"][1] > details[0]["box"][5] - 0.1  # on the line below
    assert module("base").ask_for_details(loaded, sign("OPEN 24", "HUORS")[None], ['"OPEN 24 HOURS"'], str)


def test_a_picture_has_the_same_score_alone_and_among_others(loaded: Any) -> None:
    pictures = [sign("Late Night"), sign("A much longer text", "on this sign"), sign()]
    together = scores(loaded, "Late Night", *pictures)
    alone = [scores(loaded, "Late Night", picture)[0] for picture in pictures]
    assert together == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("size", [(96, 64), (1500, 400)])
def test_pictures_of_other_sizes(loaded: Any, size: tuple[int, int]) -> None:
    width, height = size
    assert scores(loaded, "Tea", sign("Tea", width=width, height=height, size=height // 3))[0] > -0.2


def test_words_are_those_in_quotes_of_any_kind() -> None:
    quoted = module("text").quoted
    assert quoted('a shop, "OPEN" above, “24 hours” below') == "OPEN 24 hours"
    assert quoted("«Salon» und „Bar“") == "Salon Bar"
    assert quoted("it's Joe's \"Bar\"") == "Bar"


def test_what_it_can_not_judge_by_is_refused_and_never_a_low_score(loaded: Any) -> None:
    with pytest.raises(ValueError, match="no text in quotes"):
        loaded.score(sign()[None], ["a sign without quotes"])
    for text, unknown in (("Zürich", "ü"), ("営業中", "営業中"), ("Hi 🎉", "🎉"), ("Кафе", "Кафе")):
        with pytest.raises(ValueError, match=f"english_g2.pth does not read {unknown!r}"):
            loaded.score(sign()[None], [f'"{text}"'])


def test_a_prompt_is_refused_before_anything_is_made(loaded: Any) -> None:
    base = module("base")
    with pytest.raises(base.VerifierError, match="Random Search: text: the prompt has no text in quotes"):
        base.require(loaded, "a sign", "Random Search")
    ensemble = module("ensemble").Ensemble([loaded])
    with pytest.raises(base.VerifierError, match=r"Random Search: text: english_g2\.pth does not read 'é'"):
        base.require(ensemble, '"Café"', "Random Search")
    base.require(ensemble, '"Cafe"', "Random Search")


def test_a_text_of_its_own_needs_no_prompt(loaded: Any) -> None:
    text = module("text")
    verifier = text.TextVerifier(loaded.detector.network, loaded.reader, "Don’t Panic")
    assert not verifier.needs_prompt and loaded.needs_prompt
    assert verifier.score(sign("Don't Panic")[None], [""]).item() > -0.2
    with pytest.raises(ValueError, match="does not read 'ß'"):
        text.TextVerifier(loaded.detector.network, loaded.reader, "Straße")


def test_200_words(loaded: Any) -> None:
    wanted = " ".join([*(f"elsewhere{number}" for number in range(198)), "Tea", "House"])
    found = judged(loaded, wanted, sign("Tea", "House"))[0]
    assert len(found.wanted) == 200
    assert {one.wanted for one in found.wanted if one.holds} == {"Tea", "House"}
    assert FLOOR < found.score < -7.5


def test_a_word_that_is_too_long_for_its_place_is_nowhere(loaded: Any) -> None:
    assert scores(loaded, "W" * 300, sign("Tea"))[0] == FLOOR


def test_a_reader_of_other_characters_needs_them_beside_it(loaded: Any, tmp_path: Path) -> None:
    text, files = module("text"), module("files")
    other = shutil.copy(real_weights.path(real_weights.READER), tmp_path / "other_g2.pth")
    detector = real_weights.path(real_weights.DETECTOR)
    with pytest.raises(files.WeightsError, match="reads 96 characters, and which they are is in no file of weights"):
        text.load(detector, other)
    (tmp_path / "other_g2.txt").write_text("abc\n", encoding="utf-8")
    with pytest.raises(files.WeightsError, match=r"reads 96 characters, but .*other_g2\.txt has 3"):
        text.load(detector, other)
    (tmp_path / "other_g2.txt").write_text(text.ALPHABETS["english_g2"] + "\n", encoding="utf-8")
    assert text.load(detector, other).score(sign("Tea")[None], ['"Tea"']).item() > -0.2


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, files = module("text"), module("files")
    detector, reader = (real_weights.path(name) for name in (real_weights.DETECTOR, real_weights.READER))
    with pytest.raises(files.WeightsError, match=r"english_g2\.pth is not CRAFT"):
        text.load(reader, reader)
    with pytest.raises(files.WeightsError, match=r"craft_mlt_25k\.pth is not a reader"):
        text.load(detector, detector)
