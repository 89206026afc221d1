import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { runAgain } from "./again.js";
import { Badges } from "./badges.js";
import { boardsInside, boardsOfNode, forgetAll, lose, revisionOf, silentFor, take } from "./boards.js";
import { searches, widgetOf } from "./board_widget.js";
import { openDetails } from "./details.js";
import { findNode, nodesAround } from "./find.js";
import { complain } from "./notice.js";
import { forgetSaved, savedResults } from "./saved.js";
import { answer, boardSince, boardsOf, keepBest, markCandidate } from "./server.js";
import { refine, searchAnew } from "./refine.js";
import { registerSidebar } from "./sidebar.js";
import { use } from "./use.js";

const EVENT = "noise_search.board";
const SILENCE = 3000; // milliseconds after which a running search is asked for: events go to one browser only

const actions = {
  open: (board, image, index) => openDetails(board, image, index, actions),
  keepBest: orComplain(async (board) => {
    await keepBest(board.board);
    await catchUp(board.board);
  }),
  runAgain: orComplain(runAgain),
  mark: orComplain(async (board, image, entry, mark) => {
    await markCandidate(board.board, image, entry.index, mark);
    entry.mark = mark;
    await catchUp(board.board);
  }),
  refine: orComplain(refine),
  searchAnew: orComplain(searchAnew),
  answer: orComplain(async (board, step, keep) => {
    await answer(board.board, step, keep);
    await catchUp(board.board);
  }),
  use: orComplain(async (board, image, entry) => {
    await use(board, image, entry);
    await catchUp(board.board);
  }),
};
const badges = new Badges(actions);

app.registerExtension({
  name: "noise_search.board",
  setup() {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL("board.css", import.meta.url).href;
    document.head.append(style);
    api.addEventListener(EVENT, ({ detail }) => hear(detail));
    api.addEventListener("execution_start", () => (heard = false));
    api.addEventListener("execution_success", () => heard || restore(new Map())); // ComfyUI had the search in its cache
    api.addEventListener("reconnected", () => silentFor(0).forEach(({ board }) => catchUp(board)));
    registerSidebar(actions);
    setInterval(() => silentFor(SILENCE).forEach(({ board }) => catchUp(board)), SILENCE);
  },
  nodeCreated(node) {
    if (!searches(node)) return;
    const board = widgetOf(node, actions);
    const { onAdded } = node;
    node.onAdded = (...given) => {
      onAdded?.apply(node, given);
      board.fit(); // what makes it gives it another size
    };
  },
  loadedGraphNode(node) {
    if (searches(node)) widgetOf(node, actions).fit(); // as it was saved
  },
  afterConfigureGraph() {
    void restore();
  },
});

/** Does it, and tells people what could not be done. */
function orComplain(act) {
  return async (...given) => {
    try {
      await act(...given);
    } catch (error) {
      complain(error);
    }
  };
}

let heard = false; // of a board in the prompt that is running

/** Something is new on a board. */
function hear(message) {
  heard = true;
  if (message.workflow !== app.rootGraph.id) return; // of a workflow in another tab: it is asked for when that opens
  if (take(message)) show(message);
  else void catchUp(message.board);
}

function show(message) {
  forgetSaved(message);
  const node = findNode(message.node);
  if (node) widgetOf(node, actions).showBoards(boardsOfNode(message.node));
  nodesAround(message.node).forEach((id) => badges.show(id, boardsInside(id)));
}

async function catchUp(board) {
  try {
    const message = await boardSince(board, revisionOf(board));
    if (message.workflow === app.rootGraph.id && take(message)) show(message);
  } catch (error) {
    console.warn("Noise Search:", error.message);
    if (error.status === 404) showLost(lose(board));
  }
}

function showLost(board) {
  if (board) show(board);
}

/**
 * Bring back what there is to show of the open workflow: what it was saved with, with its whole board if the server
 * still has that; for other nodes, and while a search runs, the latest boards.
 */
async function restore(saved = savedResults()) {
  forgetAll();
  const workflow = app.rootGraph.id;
  const ids = new Set([...saved.values()].flat().map(({ board }) => board));
  const messages = await latestBoards(workflow, [...ids]);
  if (workflow !== app.rootGraph.id) return;
  const nodes = new Set([...saved.keys(), ...messages.map(({ node }) => node)]);
  for (const node of nodes) {
    if (boardsOfNode(node).length) continue; // a search has begun meanwhile
    const ofNode = messages.filter((message) => message.node === node);
    const running = ofNode.find(({ stopped }) => !stopped);
    const shown = ofNode.filter(({ board, prompt }) =>
      running ? prompt === running.prompt : ids.has(board) || !saved.has(node),
    );
    if (shown.length) shown.forEach((message) => take(message) && show(message));
    else showSaved(node, saved.get(node));
  }
}

function showSaved(id, winners) {
  const node = findNode(id);
  if (node) widgetOf(node, actions).showSaved(winners);
}

async function latestBoards(workflow, ids) {
  try {
    return await boardsOf(workflow, ids);
  } catch (error) {
    console.warn("Noise Search:", error.message);
    return [];
  }
}
