import { app } from "../../scripts/app.js";
import { findNode } from "./find.js";
import { goOn } from "./server.js";

const NUMBERS = ["candidates", "budget", "iterations", "paths"]; // what more of makes a search longer
const METHOD = "method."; // in front of them in Search Loop Close
const CONTROL = "control_after_generate";
const FIXED = "fixed";
const SUBGRAPH_INPUT = -10; // the id of what links in a subgraph come from when they come from outside

/** Whether there is a place for the seed that this search had: a widget, not something computed. */
export const canGoOn = ({ seed, seed_at: at }) => Boolean(at && Number.isSafeInteger(seed) && widgetAt(...at));

/** The widget that says how long a search is; null where a link does. */
export function numberOf(board) {
  const node = findNode(board.node);
  const isThere = ({ name }) => NUMBERS.includes(name.replace(METHOD, ""));
  const widget = node?.widgets?.find(isThere);
  return widget && widgetAt(board.node, widget.name);
}

/** Run the workflow with the seed that the search had: it goes on from what was scored. number: of candidates. */
export async function runAgain(board, number = null) {
  if (number !== null) set(numberOf(board), number);
  await goOn(board.board);
  await queueWith(board.seed_at, board.seed);
}

/** Whether the next run would have another seed than the search had. */
export function isSeedGone({ seed, seed_at: at }) {
  const { node, widget } = widgetAt(...at);
  return widget.value !== seed || controlsOf(at, node).some(({ value }) => value !== FIXED);
}

/** What changes a seed after each run, on its node or on that of the subgraph that it is in. */
const controlsOf = (at, node) =>
  [node, findNode(at[0])].flatMap(({ widgets }) => widgets.filter(({ name }) => name === CONTROL));

/** A value in its place: the ids of a node and of its input. */
export const typeIn = (at, value) => set(widgetAt(...at), value);

/** Queue the workflow with this seed in its place, where it stays although seeds are randomized after each run. */
export async function queueWith(at, seed) {
  const { node, widget } = widgetAt(...at);
  set({ node, widget }, seed);
  const controls = controlsOf(at, node);
  const before = controls.map(({ value }) => value);
  controls.forEach((control) => (control.value = FIXED));
  try {
    await app.queuePrompt(0, 1);
  } finally {
    controls.forEach((control, at) => (control.value = before[at]));
  }
}

function set({ node, widget }, value) {
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  app.canvas.setDirty(true, true);
}

/** Where people see an input's value: on its node, or on that of the subgraph that it is in. Null where a link gives it. */
export function widgetAt(id, name) {
  const node = findNode(id);
  const widget = node?.widgets?.find((one) => one.name === name);
  const slot = node?.inputs?.find((input) => input.widget?.name === name);
  if (!widget || slot?.link == null) return widget ? { node, widget } : null;
  const link = node.graph.getLink(slot.link);
  if (Number(link?.origin_id) !== SUBGRAPH_INPUT) return null;
  return widgetAt(id.split(":").slice(0, -1).join(":"), node.graph.inputs[link.origin_slot].name);
}
