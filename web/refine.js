import { app } from "../../scripts/app.js";
import { canGoOn, queueWith, typeIn, widgetAt } from "./again.js";
import { findNode } from "./find.js";
import { placed, showNode } from "./placing.js";
import { candidate } from "./server.js";
import { texts } from "./texts.js";
import { isSeed } from "./use.js";
import { lead, leadTo, wireInto } from "./wires.js";

/**
 * "Refine this": a search goes on around a candidate that a person has chosen. Of a plain seed that is Zero-Order Search,
 * of all others Auto Search along their recipe, in the place of the search that has ended.
 */

const [NEAR, AROUND] = ["ZeroOrderSearch", "AutoSearch"];
const RECIPE = "refine"; // the input of Auto Search
const SHARED = ["prompt", "frames", "batch_size"]; // widgets that say the same on all of them

/** Why a candidate of a board can not be refined, in words: empty where it can, null where that is no question. */
export function refusing(board) {
  if (board.stopped === null) return () => null;
  const why = refusal(board);
  const isLinked = !why && findNode(board.node).type === AROUND && !widgetAt(board.node, RECIPE);
  return (entry) => {
    if (entry.failed || entry.begun) return null;
    if (why || isNear(board, entry)) return why;
    if (!entry.has_recipe) return texts().refineNot.noRecipe;
    return isLinked ? texts().refineNot.linked : "";
  };
}

/** The same for all candidates. */
function refusal(board) {
  const node = board.workflow === app.rootGraph.id && findNode(board.node);
  if (!node) return texts().refineNot.elsewhere;
  const model = node.findInputSlot("model");
  if (model < 0) return texts().refineNot.loop;
  if (board.images.length > 1) return texts().refineNot.batch;
  const isWired = wireInto(node, model).length && node.outputs[node.findOutputSlot("model")].links?.length;
  return isWired ? "" : texts().refineNot.unwired;
}

/** A button for it. refused: what refusing says. */
export function offerRefine(button, refused) {
  button.hidden = refused === null;
  button.setAttribute("aria-disabled", Boolean(refused));
  button.title = refused || texts().refineDoes;
}

const isNear = (board, entry) => isSeed(board, entry) && findNode(board.node).type !== NEAR;

/** Nodes, wires, recipe and seed are one step to undo; then it runs. */
export async function refine(board, image, entry) {
  const refused = refusing(board)(entry);
  if (refused) throw new Error(refused);
  const near = isNear(board, entry);
  const { recipe_text } = near ? {} : await candidate(board.board, image, entry.index);
  const seed = near ? entry.seed : board.seed;
  const search = findNode(board.node);
  inOneStep(search.graph, () => {
    if (near) inPlaceOf(search, NEAR);
    else if (search.type === AROUND) typeIn([board.node, RECIPE], recipe_text);
    else valueOf(inPlaceOf(search, AROUND), RECIPE).value = recipe_text;
    if (canGoOn(board)) typeIn(board.seed_at, seed);
  });
  return run(board, seed);
}

/** Whether the next run refines, as this one did, in the same node. */
export const refinesStill = (board) => board.refines && Boolean(widgetAt(board.node, RECIPE)?.widget.value);

/** The same search from the sampler's own noise. */
export async function searchAnew(board) {
  inOneStep(findNode(board.node).graph, () => typeIn([board.node, RECIPE], ""));
  return run(board, board.seed);
}

const run = (board, seed) => (canGoOn(board) ? queueWith(board.seed_at, seed) : app.queuePrompt(0, 1));

function inOneStep(graph, change) {
  graph.beforeChange();
  try {
    change();
  } finally {
    graph.afterChange();
    app.canvas.setDirty(true, true);
  }
}

/** A new search on all wires of another one, which it leaves beside it. */
function inPlaceOf(search, type) {
  const { graph } = search;
  const node = placed(graph, type, search, ["below", "above"]);
  search.inputs.forEach(({ name }, slot) => {
    const own = node.findInputSlot(name);
    if (own >= 0) wireInto(search, slot).forEach((wire) => lead(wire, node, own));
  });
  for (const name of SHARED) valueOf(node, name).value = valueOf(search, name).value;
  for (const { name, links } of search.outputs) {
    [...(links ?? [])].forEach((id) => leadTo(graph.getLink(id), node, node.findOutputSlot(name)));
  }
  showNode(node);
  return node;
}

const valueOf = (node, name) => node.widgets.find((widget) => widget.name === name);
