"""What the board in the browser asks the server for: boards, their candidates and pictures, and to keep the best."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from server import PromptServer

from ..host.prompts import PROMPTS
from ..records.marks import KINDS
from . import choices
from .board import Board
from .boards import BOARDS

BASE = "/noise_search/boards"
ONE = BASE + "/{board}"
CANDIDATE = ONE + "/{image}/{index}"
LONGEST_ID = 64
MOST_NAMED = 64
FOR_EVER = {"Cache-Control": "private, max-age=86400, immutable"}  # a board's id never comes again


def register() -> None:
    """Add the routes to ComfyUI's server, and follow the prompts that it is given."""
    server = PROMPTS.server = PromptServer.instance
    server.app.on_startup.append(_follow)
    routes = server.routes
    routes.get(BASE)(_of_workflow)
    routes.get(ONE)(_board)
    routes.post(ONE + "/keep_best")(_keep_best)
    routes.post(ONE + "/go_on")(_go_on)
    routes.post(ONE + "/answer")(_answer)
    routes.get(CANDIDATE)(_candidate)
    routes.post(CANDIDATE + "/use")(_use)
    routes.post(CANDIDATE + "/mark")(_mark)
    routes.get(CANDIDATE + "/tile")(_tile)
    routes.get(CANDIDATE + "/picture")(_picture)


async def _follow(_app: web.Application) -> None:
    """When all packs are loaded: a prompt comes here when they have made their changes to it."""
    PROMPTS.server.add_on_prompt_handler(PROMPTS.on_prompt)
    PROMPTS.server.add_on_prompt_handler(choices.on_prompt)


async def _of_workflow(request: web.Request) -> web.Response:
    """?workflow=id&board=id: the boards of the latest searches in a workflow of the front end, and others by id.
    ?running&board=id: those of all searches that are running instead; ?ended: of all that have ended."""
    named = map(BOARDS.get, request.query.getall("board", [])[:MOST_NAMED])
    if "running" in request.query:
        found = BOARDS.running()
    else:
        found = BOARDS.ended() if "ended" in request.query else BOARDS.of_workflow(_workflow(request))
    boards = {board.id: board for board in [*named, *found] if board is not None}
    return web.json_response([board.message() for board in boards.values()])


def _workflow(request: web.Request) -> str:
    workflow = request.query.get("workflow", "")
    if not 0 < len(workflow) <= LONGEST_ID:
        raise web.HTTPBadRequest(text=f"workflow has to be the id of a workflow, up to {LONGEST_ID} characters.")
    return workflow


async def _board(request: web.Request) -> web.Response:
    """?since=revision: what is new on a board."""
    since = _whole(request.query.get("since", "0"), "since")
    return web.json_response(_asked_for(request).message(since))


async def _keep_best(request: web.Request) -> web.Response:
    """The search ends with the best so far; `scored` tells whether there is one already."""
    board = _running(request)
    return web.json_response({"scored": board.ask_to_stop()})


async def _use(request: web.Request) -> web.Response:
    """The search ends and gives out this candidate."""
    board = _running(request)
    if not board.use(*_place(request)):
        raise web.HTTPNotFound(text="There is no such candidate on this board.")
    return web.json_response({})


async def _mark(request: web.Request) -> web.Response:
    """?as=star or ?as=reject: what a person thinks of a candidate; ?as= takes that back."""
    board, mark = _asked_for(request), request.query.get("as")
    if mark not in ("", *KINDS):
        raise web.HTTPBadRequest(text="as has to be star or reject, or empty to take that back.")
    if not board.mark(*_place(request), mark):
        raise web.HTTPNotFound(text="There is no such candidate on this board, or it was not judged yet.")
    BOARDS.marked[board.node] += 1
    return web.json_response({})


async def _go_on(request: web.Request) -> web.Response:
    """The search shall go on in the next run, with all that was scored so far."""
    BOARDS.go_on(_asked_for(request))
    return web.json_response({})


async def _answer(request: web.Request) -> web.Response:
    """{"step": after which it waits, "keep": [[numbers]]}: the candidates, of each image, that go on."""
    board = _running(request)
    step, keep = _choice(await _body(request))
    if board.question is None:
        raise web.HTTPBadRequest(text="This search does not wait for an answer any more.")
    try:
        board.question.take(step, keep)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return web.json_response({})


async def _body(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(text="The body has to be JSON.") from error


def _choice(body: Any) -> tuple[int, list[list[int]]]:
    """Raises HTTPBadRequest when it is none."""
    match body:
        case {"step": int(step), "keep": [*rows]} if all(isinstance(row, list) for row in rows):
            if all(type(number) is int for row in rows for number in row):
                return step, rows
    raise web.HTTPBadRequest(text='The body has to be {"step": number, "keep": [[numbers of candidates]]}.')


async def _candidate(request: web.Request) -> web.Response:
    """What a report says of a candidate; `preview` tells whether its picture is larger than a thumbnail, `recipe_text`
    is the recipe as JSON, because a browser rounds seeds above 2**53."""
    board, image, index = _asked_for(request), *_place(request)
    candidate = board.candidate(image, index)
    if candidate is None:
        raise web.HTTPNotFound(text="There is no such candidate on this board.")
    told = candidate.to_dict()
    has_picture = board.preview(image, index) is not None
    return web.json_response(told | {"preview": has_picture, "recipe_text": json.dumps(told["recipe"])})


async def _tile(request: web.Request) -> web.Response:
    return _jpeg(_asked_for(request).tile(*_place(request)))


async def _picture(request: web.Request) -> web.Response:
    """The largest there is."""
    board, image, index = _asked_for(request), *_place(request)
    candidate = board.candidate(image, index)
    kept = board.preview(image, index) or (candidate and candidate.thumbnail)
    return _jpeg(kept or board.tile(image, index))


def _asked_for(request: web.Request) -> Board:
    board = BOARDS.get(request.match_info["board"])
    if board is None:
        raise web.HTTPNotFound(text="This board is gone: the server keeps those of the latest searches only.")
    return board


def _running(request: web.Request) -> Board:
    board = _asked_for(request)
    if board.stopped is not None:
        raise web.HTTPBadRequest(text="This search has ended.")
    return board


def _place(request: web.Request) -> tuple[int, int]:
    """The image of the batch, and the candidate's index."""
    return _whole(request.match_info["image"], "image"), _whole(request.match_info["index"], "index")


def _whole(text: str, name: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise web.HTTPBadRequest(text=f"{name} has to be a whole number.")
    return int(text)


def _jpeg(data: bytes | None) -> web.Response:
    if not data:
        raise web.HTTPNotFound(text="There is no picture of this candidate.")
    return web.Response(body=data, content_type="image/jpeg", headers=FOR_EVER)
