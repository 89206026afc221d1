import { app } from "../../scripts/app.js";
import { canGoOn, queueWith } from "./again.js";
import { findNode } from "./find.js";
import { placed, showNode } from "./placing.js";
import { candidate, useCandidate } from "./server.js";
import { lead, leadTo, wireInto } from "./wires.js";

/** "Use this one": the workflow goes on with a candidate that a person has chosen. */

const BYPASSED = 4;
const CHOICE = "noise_search_choice"; // see search/board/choices.py

/** Whether a candidate can be used: in a search that runs any; else those of one image, whose search is still on its MODEL
 * wire. In a loop that has ended none: it is no wire that could be bypassed for a run. */
export const canUse = (board, entry) => usable(board)(entry);

/** The same for all candidates of a board. */
export function usable(board) {
  if (board.stopped === null) return (entry) => !entry.failed && !entry.away && !board.stop_asked;
  const isHere = board.workflow === app.rootGraph.id && Boolean(findNode(board.node));
  const isMade = isHere && board.images.length === 1 && hasModelWire(board);
  return (entry) => isMade && !entry.failed && !entry.begun;
}

/** A search that runs ends with it; else one run makes it: by its seed in the sampler, or by Replay Noise. */
export async function use(board, image, entry) {
  if (board.stopped === null) return useCandidate(board.board, image, entry.index);
  const node = findNode(board.node);
  if (isSeed(board, entry)) {
    return runWithout(node, () => asChosen(board, image, entry, () => queueWith(board.seed_at, entry.seed)));
  }
  const { recipe_text } = await candidate(board.board, image, entry.index);
  replayInPlaceOf(node, recipe_text);
  return asChosen(board, image, entry, () => app.queuePrompt(0, 1));
}

/** What is queued says that it makes what a person has chosen; the server writes that into saved pictures. */
async function asChosen(board, image, entry, queue) {
  const { extra } = app.rootGraph;
  extra[CHOICE] = { board: board.board, image, index: entry.index };
  try {
    await queue();
  } finally {
    delete extra[CHOICE];
  }
}

export const isSeed = (board, entry) => Number.isSafeInteger(entry.seed) && canGoOn(board);

const modelSlot = (node) => node.findInputSlot("model");

const hasModelWire = (board) => {
  const node = findNode(board.node);
  return modelSlot(node) >= 0 && wireInto(node, modelSlot(node)).length > 0;
};

/** The search is bypassed in the prompt that is queued, and is what it was afterwards. */
async function runWithout(search, queue) {
  const { mode } = search;
  search.mode = BYPASSED;
  try {
    await queue();
  } finally {
    search.mode = mode;
    app.canvas.setDirty(true, true);
  }
}

/** Replay Noise on the MODEL wires that went through the search, as one step to undo. recipe: JSON. */
function replayInPlaceOf(search, recipe) {
  const { graph } = search;
  graph.beforeChange();
  try {
    const replay = placed(graph, "ReplayNoise", search, ["below", "above"]);
    replay.widgets.find(({ name }) => name === "recipe").value = recipe;
    const [wire] = wireInto(search, modelSlot(search));
    const output = search.findOutputSlot("model");
    const links = [...(search.outputs[output].links ?? [])].map((id) => graph.getLink(id));
    lead(wire, replay, modelSlot(replay));
    links.forEach((link) => leadTo(link, replay, replay.findOutputSlot("model")));
    showNode(replay);
  } finally {
    graph.afterChange();
    app.canvas.setDirty(true, true);
  }
}
