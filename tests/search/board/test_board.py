"""The board in this process: what it tells, to whom, and what it keeps."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from made_reports import candidate
from noise_search.search.pictures import thumbnail

pytestmark = pytest.mark.usefixtures("comfy")
COLORS = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1))
IMAGE = torch.nn.functional.interpolate(COLORS, size=(900, 700), mode="bilinear")[0].movedim(0, -1)
PICTURE = thumbnail.of_image(IMAGE)


class Server:
    """What a board uses of ComfyUI's server."""

    def __init__(self) -> None:
        self.client_id: str | None = "a browser"
        self.sent: list[tuple[str, dict[str, Any], str]] = []
        self.running: list[str] = []
        self.prompt_queue = SimpleNamespace(get_current_queue_volatile=self._queue)

    def send_sync(self, event: str, data: dict[str, Any], client: str) -> None:
        self.sent.append((event, data, client))

    def _queue(self) -> tuple[list[Any], list[Any]]:
        return [(0, prompt) for prompt in self.running], []


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with a server of the test's own."""
    module = importlib.import_module("noise_search.search.board.boards")
    monkeypatch.setattr(module.PROMPTS, "server", Server())
    return module


def one_board() -> Any:
    """The module of a single board."""
    return importlib.import_module("noise_search.search.board.board")


@pytest.fixture
def server(boards: Any) -> Iterator[Server]:
    return boards.PROMPTS.server


def shown(board: Any, scores: list[float], new: int | None = None) -> None:
    """Show candidates with these scores, the last `new` of them with a picture."""
    count = len(scores)
    pictures = {(0, index): PICTURE for index in range(count - (count if new is None else new), count)}
    board.show([[candidate(index, score) for index, score in enumerate(scores)]], pictures)


def test_what_is_told_is_only_what_is_new(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    shown(board, [0.1, 0.2])
    shown(board, [0.1, 0.2, 0.3], new=1)
    told = [[entry["index"] for entry in data["candidates"][0]] for _, data, _ in server.sent]
    assert told == [[], [0, 1], [2]]
    assert [data["best"] for _, data, _ in server.sent] == [[None], [1], [2]]
    assert {client for _, _, client in server.sent} == {"a browser"}


def test_what_has_only_begun_is_shown_until_it_has_a_score(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    board.glimpse({(0, 0): PICTURE, (0, 1): None}, 3)
    begun = [{"index": index, "step": 3, "begun": True} for index in range(2)]
    assert server.sent[-1][1]["candidates"] == [begun]
    assert board.tile(0, 0) and board.tile(0, 1) is None
    shown(board, [0.1])
    assert [entry["index"] for entry in server.sent[-1][1]["candidates"][0]] == [0]
    assert board.message()["candidates"][0][1:] == [begun[1]]
    assert board.has_score(0, 0) and not board.has_score(0, 1)
    board.end("user")
    assert [entry["index"] for entry in board.message()["candidates"][0]] == [0]


def test_who_scores_is_told_until_the_search_ends(boards: Any, server: Server) -> None:
    hand = importlib.import_module("noise_search.search.records.hand").Hand
    board = boards.Boards().start("5", "random", 4)
    assert board.message()["hands"] == {"count": 0, "first": []}
    board.hands = [hand("this GPU", "waits"), hand("worker 1", "runs", (2, 3), 5, 8, done=1)]
    shown(board, [0.1])
    told = server.sent[-1][1]["hands"]
    assert told["count"] == 2
    assert [(one["who"], list(one["numbers"]), one["steps"]) for one in told["first"]] == [
        ("this GPU", [], 0),
        ("worker 1", [2, 3], 5),
    ]
    board.end("finished")
    assert server.sent[-1][1]["hands"] == {"count": 0, "first": []}


def test_a_score_that_changed_is_told_again(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    shown(board, [0.1, 0.2])
    shown(board, [0.1, 0.7, 0.3], new=1)
    assert [entry["index"] for entry in server.sent[-1][1]["candidates"][0]] == [1, 2]


def test_nobody_is_told_when_nobody_asked(boards: Any, server: Server) -> None:
    server.client_id = None
    board = boards.Boards().start("5", "random", 4)
    shown(board, [0.1])
    board.end("finished")
    assert server.sent == []
    assert len(board.message()["candidates"][0]) == 1


def test_progress_alone_is_not_told_at_every_step(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    for step in range(100):
        board.progress(step / 25, step)
    assert len(server.sent) < 5
    assert board.message()["done"] == 99 / 25


def test_whoever_asks_later_gets_what_came_since(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    shown(board, [0.1, 0.2])
    known = board.message()["revision"]
    shown(board, [0.1, 0.2, 0.3], new=1)
    assert [entry["index"] for entry in board.message(known)["candidates"][0]] == [2]
    assert [entry["index"] for entry in board.message()["candidates"][0]] == [0, 1, 2]


def test_candidates_on_their_way_are_not_the_best(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    made = [candidate(0, 0.9), candidate(1, 0.5)]
    on_their_way = [replace(one, stopped_at_step=8) for one in made]
    board.show([on_their_way], {}, running={(0, 1)})
    entries = board.message()["candidates"][0]
    assert [(entry["step"], entry["running"]) for entry in entries] == [(8, False), (8, True)]
    assert board.message()["best"] == [None]
    board.show([[on_their_way[0], made[1]]], {})
    assert board.message()["best"] == [1]


def test_drafts_that_can_not_win_any_more_leave_no_best(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    drafts = [candidate(0, 0.9), candidate(1, 0.5)]
    board.show([drafts], {})
    assert board.message()["best"] == [0]
    drafts = [replace(draft, stopped_at_step=4) for draft in drafts]
    board.show([drafts], {})
    assert board.message()["best"] == [None]
    board.show([[*drafts, replace(candidate(2, 0.7), repeats=0)]], {})
    assert board.message()["best"] == [2]
    assert [entry["repeats"] for entry in board.message()["candidates"][0]] == [None, None, 0]


def test_pictures_are_a_few_kilobytes_and_of_the_best_more(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    shown(board, [0.1])
    assert len(board.tile(0, 0)) < 6_000
    assert max(thumbnail.decode(board.tile(0, 0)).size) == one_board().TILE_SIDE
    assert max(thumbnail.decode(board.preview(0, 0)).size) == thumbnail.SHOWN_SIDE


def test_previews_are_kept_of_the_best_and_of_the_one_without_search(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 40)
    for count in (20, 40):
        shown(board, [index / 40 for index in range(count)], new=20)
    best = list(range(40 - one_board().PREVIEWS_KEPT, 40))
    assert [index for index in range(40) if board.preview(0, index)] == [0, *best]


def test_of_drafts_the_one_without_search_in_full_keeps_its_preview(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 40)
    drafts = [replace(candidate(index, index / 40), stopped_at_step=2) for index in range(40)]
    finals = [replace(candidate(40, 1.0), repeats=39), replace(candidate(41, -1.0), repeats=0)]
    board.show([[*drafts, *finals]], {(0, index): PICTURE for index in range(42)})
    assert board.preview(0, 41)
    assert not board.preview(0, 0)


def test_previews_are_shared_among_the_images_of_a_batch(boards: Any, server: Server) -> None:
    """The best of each image, together no more than of a single one; and of each that without search."""
    board, count = boards.Boards().start("5", "random", 20, images=3), 20
    pictures = {(image, index): PICTURE for image in range(3) for index in range(count)}
    board.show([[candidate(index, index / count) for index in range(count)] for _ in range(3)], pictures)
    for image in range(3):
        kept = [index for index in range(count) if board.preview(image, index)]
        assert kept == [0, *range(count - one_board().PREVIEWS_KEPT // 3, count)]


def test_old_boards_give_way_but_not_while_they_run(boards: Any, server: Server) -> None:
    kept = boards.Boards()
    first = kept.start("1", "random", 4)
    later = [kept.start("2", "random", 4) for _ in range(boards.BOARDS_KEPT)]
    for board in later:
        board.end("finished")
    last = kept.start("3", "random", 4)
    assert kept.get(first.id) is first
    assert kept.get(last.id) is last
    assert kept.get(later[0].id) is None
    assert kept.get(later[-1].id) is later[-1]


def test_boards_of_many_candidates_give_way_sooner(boards: Any, server: Server, monkeypatch) -> None:
    monkeypatch.setattr(boards, "CANDIDATES_KEPT", 5)
    kept = boards.Boards()
    first, second = kept.start("1", "random", 4), kept.start("1", "random", 4)
    for board in (first, second):
        shown(board, [0.1, 0.2, 0.3], new=0)
        board.end("finished")
    third = kept.start("1", "random", 4)
    assert kept.get(first.id) is None
    assert [kept.get(board.id) for board in (second, third)] == [second, third]


def test_a_board_ends_with_its_prompt(boards: Any, server: Server) -> None:
    kept = boards.Boards()
    board = kept.start("5", "random", 4)
    board.origin = board.origin._replace(prompt="a prompt")
    server.running = ["a prompt"]
    assert kept.get(board.id).stopped is None
    server.running = []
    assert kept.get(board.id).stopped == "interrupted"


def test_boards_that_run_and_those_that_have_ended(boards: Any, server: Server) -> None:
    kept = boards.Boards()
    first, second, running = (kept.start(node, "random", 4) for node in "123")
    first.end("finished")
    second.origin = second.origin._replace(prompt="a prompt that is over")
    assert kept.running() == [running]
    assert kept.ended() == [first, second]


def test_there_need_not_be_a_server(boards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards.PROMPTS, "server", None)
    kept = boards.Boards()
    board = kept.start("5", "random", 4)
    shown(board, [0.1])
    board.end("finished")
    assert kept.get(board.id).message()["stopped"] == "finished"


def test_a_failed_candidate_has_its_reason_instead_of_a_score(boards: Any, server: Server) -> None:
    board = boards.Boards().start("5", "random", 4)
    board.show([[candidate(0, 0.9).failing("why"), candidate(1, 0.5)]], {(0, 1): PICTURE})
    entries = board.message()["candidates"][0]
    assert [(entry["score"], entry.get("failed")) for entry in entries] == [(None, "why"), (0.5, None)]
    assert board.message()["best"] == [1]
    assert board.tile(0, 0) is None
    assert board.candidate(0, 0).to_dict()["score"] is None


def test_what_does_not_hold_of_a_search_is_on_its_board(boards: Any, server: Server) -> None:
    board = boards.BOARDS.start("3", "random", 4)
    assert board.message()["notes"] == []
    board.notes = ["With a guider candidates can only run one by one."]
    shown(board, [1.0])
    assert server.sent[-1][1]["notes"] == board.notes


def test_marks_are_told_and_what_is_rejected_is_not_the_best(boards: Any, server: Server) -> None:
    board = boards.BOARDS.start("3", "random", 4)
    shown(board, [0.5, 0.9, 0.1])
    before = board.message()["revision"]
    assert board.mark(0, 1, "reject") and board.mark(0, 2, "star")
    news = server.sent[-1][1]
    assert [(entry["index"], entry["mark"]) for entry in board.message(before)["candidates"][0]] == [
        (1, "reject"),
        (2, "star"),
    ]
    assert news["best"] == [0]
    assert board.mark(0, 1, "") and board.message()["best"] == [1]
    assert not board.mark(0, 7, "star") and not board.mark(1, 0, "star")


def test_a_mark_after_the_end_does_not_change_what_was_given_out(boards: Any, server: Server) -> None:
    board = boards.BOARDS.start("3", "random", 4)
    shown(board, [0.5, 0.9])
    board.end("finished")
    assert board.mark(0, 1, "reject")
    assert board.message()["best"] == [1]
    assert [entry.get("mark") for entry in board.message()["candidates"][0]] == [None, "reject"]
