import { app } from "../../scripts/app.js";
import { placed } from "./add_search.js";
import { queueWith, typeSeed } from "./again.js";
import { findNode } from "./find.js";
import { isSeed, usable } from "./use.js";
import { lead, wireInto } from "./wires.js";

/** "Refine this": Zero-Order Search in place of the search that has ended, from a candidate that a person has chosen. */

const TYPE = "ZeroOrderSearch";
const SHARED = ["prompt", "frames"]; // widgets that say the same on both

/** Only a plain seed: Zero-Order Search starts from the sampler's own noise. */
export function canRefine(board, entry) {
  if (board.stopped === null || !usable(board)(entry) || !isSeed(board, entry)) return false;
  const search = findNode(board.node);
  return search.type !== TYPE && inputsOf(search).every(({ wire }) => wire) && targetsOf(search).every(({ to }) => to);
}

/** The node, its wires and the seed are one step to undo; then it runs. */
export async function refine(board, image, entry) {
  const search = findNode(board.node);
  const { graph } = search;
  graph.beforeChange();
  try {
    const node = placed(graph, TYPE, search);
    for (const { name, wire } of inputsOf(search)) {
      const slot = node.findInputSlot(name);
      if (slot >= 0) lead(wire, node, slot);
    }
    for (const name of SHARED) valueOf(node, name).value = valueOf(search, name).value;
    for (const { name, to, input } of targetsOf(search)) node.connect(node.findOutputSlot(name), to, input);
    typeSeed(board.seed_at, entry.seed);
    app.canvas.selectItems([node]);
  } finally {
    graph.afterChange();
    app.canvas.setDirty(true, true);
  }
  return queueWith(board.seed_at, entry.seed);
}

const valueOf = (node, name) => node.widgets.find((widget) => widget.name === name);

/** What is connected to a node, from outside of a subgraph too. */
const inputsOf = (node) =>
  node.inputs.flatMap(({ name, link }, slot) => (link == null ? [] : [{ name, wire: wireInto(node, slot)[0] }]));

/** What a node is connected to, by the names of its outputs. */
function targetsOf(node) {
  return node.outputs.flatMap(({ name, links }) =>
    (links ?? []).map((id) => {
      const link = node.graph.getLink(id);
      return { name, to: node.graph.getNodeById(link.target_id), input: link.target_slot };
    }),
  );
}
