"""The demo of signs: a search for the seed that spells it right."""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import reading_files
from comfy_client import Client
from comfy_server import Server
from demo_result import MARGIN, TEXT, Refused, contact_sheet, in_columns, opened, parts_of, winning_seed, write_line
from demo_workflow import Kit, build
from noise_search.demo.lettering import HEIGHT, WIDTH, read_sign
from progress import Progress

DETECTOR, READER = reading_files.DETECTOR, reading_files.READER
SIGNS = Kit("LoadWordsModel", "TextVerifier", {"text": "", "detector": DETECTOR, "reader": READER}, WIDTH, HEIGHT, 2.0)
LARGER = 4
"""Signs are shown so many times larger."""


@dataclass(frozen=True)
class Shown:
    """One picture; what the verifier says of it and reads in it; what the other reader reads, which no search asks."""

    title: str
    image: Image.Image
    score: float
    read: str
    other: str


def check(words: str) -> None:
    """Raises Refused for what the model can not draw."""
    try:
        found = read_sign(f'"{words}"' if '"' not in words else words)
    except ValueError as error:
        raise Refused(str(error)) from None
    if not found:
        raise Refused('--words: what should the sign say? For example --words "OPEN LATE".')


def put_files(models: Path) -> None:
    """The Text Verifier's files into models/verifiers, as links; a file that people have put there stays."""
    folder = models / "verifiers"
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).is_file() for name in (DETECTOR, READER)):
        return
    try:
        files = reading_files.find()
    except reading_files.MissingFilesError as error:
        raise Refused(f"{error} Or put them into {folder} (verifiers/README.md says where they come from).") from None
    for file in files:
        (folder / file.name).unlink(missing_ok=True)
        (folder / file.name).symlink_to(file)


def search_once(server: Server, words: str, candidates: int, seed: int, output: Path) -> None:
    prompt = f'a sign that says "{" ".join(read_sign(words))}"'
    workflow = build(prompt, candidates, seed, SIGNS)
    labels = {workflow.plain.id: "Without search", workflow.search.id: f"Search, {candidates} candidates"}
    client = Client(server.url)
    result = client.run(workflow.graph, Progress(labels)).check()
    report = json.loads(result.text(workflow.report))
    other = other_reader()

    def shown(title: str, node: Any, index: int) -> Shown:
        image = opened(client.images(result, node)[0])
        candidate = report["candidates"][index]
        details = next(iter(candidate.get("details", {}).values()), [])
        return Shown(title, image, candidate["score"], " ".join(one.get("read", "-") for one in details), other(image))

    pair = [
        shown("without search", workflow.baseline, 0),
        shown(f"best of {len(report['candidates'])}", workflow.winner, report["best"]["index"]),
    ]
    output.mkdir(parents=True, exist_ok=True)
    names = ("words_comparison.png", "words_candidates.png", "words_winner.png", "words_report.json")
    comparison(prompt, pair).save(output / names[0])
    contact_sheet([opened(data) for data in client.images(result, workflow.candidates)]).save(output / names[1])
    (output / names[2]).write_bytes(client.images(result, workflow.winner)[0])
    (output / names[3]).write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{table(prompt, pair, report)}\n")
    print("\n".join(str(output / name) for name in names))


def other_reader() -> Any:
    """PP-OCRv6 on a picture, where rapidocr is installed: the judge that the search does not see."""
    if importlib.util.find_spec("rapidocr") is None:
        return lambda image: "(rapidocr is not installed)"
    engine = importlib.import_module("rapidocr").RapidOCR(params={"Global.log_level": "error"})
    return lambda image: " ".join(engine(np.asarray(image)[..., ::-1]).txts or ())


def comparison(prompt: str, pair: list[Shown]) -> Image.Image:
    """Both signs with what is read in them below, the prompt above."""
    line = TEXT + MARGIN // 2
    width, height = LARGER * WIDTH, LARGER * HEIGHT
    sheet = Image.new("RGB", (2 * width + 3 * MARGIN, height + 2 * MARGIN + 3 * line), "white")
    draw = ImageDraw.Draw(sheet)
    write_line(draw, MARGIN, MARGIN, prompt, sheet.width - 2 * MARGIN)
    for column, shown in enumerate(pair):
        x, y = MARGIN + column * (width + MARGIN), MARGIN + line
        sheet.paste(shown.image.resize((width, height), Image.Resampling.BICUBIC), (x, y))
        write_line(draw, x, y + height + MARGIN // 2, shown.title, width)
        judged = f"verifier {shown.score:.2f}, other reader: {shown.other or '-'}"
        write_line(draw, x, y + height + MARGIN // 2 + line, judged, width, "dimgray")
    return sheet


def table(prompt: str, pair: list[Shown], report: dict[str, Any]) -> str:
    before, after = pair
    rows = [
        ("", before.title, after.title),
        ("verifier score (0 is perfect)", f"{before.score:.3f}", f"{after.score:.3f}"),
        ("the verifier reads", before.read or "-", after.read or "-"),
        ("PP-OCRv6 reads, held out", before.other or "-", after.other or "-"),
        ("NFE", str(report["candidates"][0]["nfe"]), str(report["nfe"]["total"])),
        ("seed", str(report["seed"]), winning_seed(report)),
    ]
    told = f"The search took {report['seconds']['total']:.1f} s ({parts_of(report)})."
    return "\n".join([f"Prompt: {prompt}", "", *in_columns(rows), "", told])
