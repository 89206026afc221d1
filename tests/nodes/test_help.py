"""What people read about a node before they use it: aliases, tooltips, help pages, in English and Chinese."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from layout import ROOT

DOCS = ROOT / "web" / "docs"
PICTURES = DOCS / "pictures"
PAGES_IN_FOLDERS = 25
LOOP_SETTINGS = {"method_candidates", "method_iterations", "method_neighbors", "method_cosine"}
LARGEST = 300_000  # bytes of all pages and pictures together
SYNTAX = re.compile(r"[{}@|]")  # means something else to the front end's translations
LISTED = re.compile(r"^- ((?:`\w+`(?:, |、)?)+)[:：]", re.MULTILINE)  # the settings or outputs that a line is about
SHOWN = re.compile(r"!\[[^]]+\]\(([^)]+)\)")
IN_SEARCH = {  # what people type, and a node that they should find
    "best of n": "RandomSearch",
    "seed search": "RandomSearch",
    "test-time scaling": "RandomSearch",
    "refine": "ZeroOrderSearch",
    "better image": "AutoSearch",
    "best seed": "AutoSearch",
    "quality": "AutoSearch",
    "pick": "AutoSearch",
    "noise": "AutoSearch",
    "compare": "SearchReport",
    "seed variation": "NoiseCandidates",
    "search over paths": "PathSearch",
    "align your steps": "StepScheduler",
    "reproduce": "ReplayNoise",
    "loop": "SearchLoopOpen",
    "pick from list": "SelectCandidate",
    "rate images": "VerifierScore",
    "image reward": "ImageRewardVerifier",
    "human preference": "PickScoreVerifier",
    "likeness": "ReferenceVerifier",
    "llm grader": "VLMVerifier",
    "requirements": "ChecklistVerifier",
    "spelling": "TextVerifier",
    "rephrase": "PromptVariants",
    "fid": "DistributionVerifier",
}


@pytest.fixture(scope="module")
def schemas(comfy: ModuleType) -> dict[str, Any]:
    """By id, those of the nodes that people drag."""
    importlib.import_module("noise_search.verifiers.files").register()
    every = (node.define_schema() for node in importlib.import_module("noise_search.nodes").NODES)
    return {schema.node_id: schema for schema in every if not schema.is_dev_only}


def inputs(schema: Any) -> Iterator[tuple[str, str, str]]:
    """Of each input, those that appear while a node is used too: its name, its key in translations, its tooltip."""
    for given in schema.inputs:
        yield given.id, given.id, given.tooltip
        yield from ((part.id, f"{given.id}_{part.id}", part.tooltip) for part in given.get_all()[1:])


def appearing(schema: Any) -> dict[str, dict[str, str]]:
    """The tooltips that the front end takes from translations only, in English too: of inputs that appear in use."""
    return {key: {"tooltip": tooltip} for name, key, tooltip in inputs(schema) if name != key}


def brought(schema: Any) -> set[str]:
    """Keys of what a method has brought to Search Loop Close by itself: the page of its own node explains it."""
    if schema.node_id != "SearchLoopClose":
        return set()
    return {key for _, key, _ in inputs(schema) if key.startswith("method_")} - LOOP_SETTINGS


def page(node: str, language: str) -> str:
    """The English page is what the front end shows for every language without one of its own."""
    path = DOCS / f"{node}.md" if language == "en" else DOCS / node / f"{language}.md"
    return path.read_text(encoding="utf-8")


def in_chinese() -> list[str]:
    """Nodes with a page and names in Chinese: welcome, and not demanded of a new one."""
    return sorted(path.parent.name for path in DOCS.glob("*/zh.md"))


def with_page(schemas: dict[str, Any], language: str) -> dict[str, Any]:
    return schemas if language == "en" else {name: schemas[name] for name in in_chinese()}


def locale(language: str, file: str = "nodeDefs.json") -> dict[str, Any]:
    return json.loads((ROOT / "locales" / language / file).read_text(encoding="utf-8"))


def texts(entry: dict[str, Any]) -> Iterator[str]:
    for value in entry.values():
        yield from [value] if isinstance(value, str) else texts(value)


def test_every_node_is_found_by_at_least_three_other_words(schemas: dict[str, Any]) -> None:
    for name, schema in schemas.items():
        aliases = schema.search_aliases
        assert len(set(aliases)) == len(aliases) >= 3, name
        assert [alias for alias in aliases if alias != alias.lower()] == [], name


@pytest.mark.parametrize("words", IN_SEARCH)
def test_what_people_type_finds_a_node(schemas: dict[str, Any], words: str) -> None:
    assert words in schemas[IN_SEARCH[words]].search_aliases


def test_every_node_input_and_output_is_explained(schemas: dict[str, Any]) -> None:
    for name, schema in schemas.items():
        assert schema.description, name
        assert [key for _, key, tooltip in inputs(schema) if not tooltip] == [], name
        assert all(output.tooltip for output in schema.outputs), name


def test_there_is_a_help_page_for_every_node_and_for_no_other(schemas: dict[str, Any]) -> None:
    assert {path.stem for path in DOCS.glob("*.md")} == schemas.keys()


def test_an_english_copy_is_the_page_for_all_other_languages(schemas: dict[str, Any]) -> None:
    """Without the copy, which it asks for first, the front end shows that page after a 404 in the browser's console."""
    copies = {path.parent.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*/en.md")}
    assert copies == {name: page(name, "en") for name in copies}
    assert len(copies) >= PAGES_IN_FOLDERS


def test_chinese_pages_and_names_go_together_and_none_is_lost(schemas: dict[str, Any]) -> None:
    assert set(in_chinese()) == locale("zh").keys() <= schemas.keys()
    assert len(in_chinese()) >= PAGES_IN_FOLDERS


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_help_page_is_short_and_tells_when_and_what_it_costs(schemas: dict[str, Any], language: str) -> None:
    when, cost = {"en": ("When to use it", "Cost"), "zh": ("什么时候用", "成本")}[language]
    for name in with_page(schemas, language):
        text = page(name, language)
        assert f"## {when}\n" in text and f"## {cost}\n" in text, name
        assert 20 <= len(text.splitlines()) <= 60, name


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_help_page_names_every_setting_and_none_that_is_not_there(schemas: dict[str, Any], language: str) -> None:
    for name, schema in with_page(schemas, language).items():
        text = page(name, language)
        known = {setting for setting, _, _ in inputs(schema)} | {output.display_name for output in schema.outputs}
        listed = {word for line in LISTED.findall(text) for word in re.findall(r"\w+", line)}
        assert listed <= known, name
        elsewhere = brought(schema)
        named = {setting for setting, key, _ in inputs(schema) if key not in elsewhere}
        settings = {setting for setting in named if not re.fullmatch(r"verifier\d+", setting)}
        assert [setting for setting in settings if f"`{setting}`" not in text] == [], name


def test_both_languages_have_the_same_sections_and_pictures(schemas: dict[str, Any]) -> None:
    for name in with_page(schemas, "zh"):
        one, other = page(name, "en"), page(name, "zh")
        assert len(re.findall("^## ", one, re.MULTILINE)) == len(re.findall("^## ", other, re.MULTILINE)), name
        assert SHOWN.findall(one) == SHOWN.findall(other), name


def test_every_picture_is_there_and_is_shown(schemas: dict[str, Any]) -> None:
    shown = {DOCS / picture for name in schemas for picture in SHOWN.findall(page(name, "en"))}
    assert shown == set(PICTURES.iterdir())


def test_help_is_small(schemas: dict[str, Any]) -> None:
    assert sum(path.stat().st_size for path in DOCS.rglob("*") if path.is_file()) < LARGEST


def test_chinese_has_every_name_and_tooltip_and_no_other(schemas: dict[str, Any]) -> None:
    for name, entry in locale("zh").items():
        schema = schemas[name]
        assert entry.keys() == {"display_name", "description", "inputs", "outputs"}
        named = {key for _, key, _ in inputs(schema)}
        assert named - brought(schema) <= entry["inputs"].keys() <= named, name
        assert list(entry["outputs"]) == [str(index) for index in range(len(schema.outputs))], name
        for described in [*entry["inputs"].values(), *entry["outputs"].values()]:
            assert described.keys() == {"name", "tooltip"}, name
        assert all(texts(entry)), name


def test_chinese_has_the_categories(schemas: dict[str, Any]) -> None:
    words = {word for schema in schemas.values() for word in schema.category.split("/")}
    assert locale("zh", "main.json")["nodeCategories"].keys() == words


def test_english_has_the_tooltips_of_inputs_that_appear_in_use(schemas: dict[str, Any]) -> None:
    expected = {name: {"inputs": shown} for name, schema in schemas.items() if (shown := appearing(schema))}
    if os.environ.get("RECORD_CONTRACT"):
        text = json.dumps(expected, indent=2, ensure_ascii=False) + "\n"
        (ROOT / "locales" / "en" / "nodeDefs.json").write_text(text, encoding="utf-8")
    assert locale("en") == expected, f"locales/en/nodeDefs.json has to be:\n{json.dumps(expected, indent=2)}"


@pytest.mark.parametrize("file", sorted((ROOT / "locales").rglob("*.json")), ids=lambda file: file.parent.name)
def test_no_translation_has_signs_that_the_front_end_reads_as_syntax(file: Path) -> None:
    assert [text for text in texts(json.loads(file.read_text(encoding="utf-8"))) if SYNTAX.search(text)] == []
