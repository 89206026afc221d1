import { app } from "../../scripts/app.js";

/** Wires of a graph, those too that come into a subgraph from outside, or go out of it. */

const [INPUTS, OUTPUTS] = [-10, -20]; // the ids of what links have as an end at the border of a subgraph

/**
 * What comes into an input: {from, output, to, input}, the node and by which of its outputs; none where nothing does. Of
 * what comes from outside a subgraph, `from` is that input of the subgraph, and isBorder is true.
 */
export function wireInto(node, slot) {
  const { graph } = node;
  const link = graph.getLink(node.inputs[slot].link);
  if (!link) return [];
  const isBorder = Number(link.origin_id) === INPUTS;
  const from = isBorder ? graph.inputs[link.origin_slot] : graph.getNodeById(link.origin_id);
  return from ? [{ from, output: link.origin_slot, to: node, input: slot, isBorder }] : [];
}

/** Those into all inputs of a type. */
export const wiresOfType = (node, type) =>
  (node.inputs ?? []).flatMap((input, slot) => (input.type === type ? wireInto(node, slot) : []));

/** Lead the same into an input of another node. */
export function lead({ from, output, isBorder }, node, slot) {
  if (isBorder) from.connect(node.inputs[slot], node);
  else from.connect(output, node, slot);
}

/** Lead another node's output to where a link of its graph goes. */
export function leadTo(link, from, output) {
  const { graph } = from;
  if (Number(link.target_id) === OUTPUTS) graph.outputs[link.target_slot].connect(from.outputs[output], from);
  else from.connect(output, graph.getNodeById(link.target_id), link.target_slot);
}

/** The nodes of the workflow that this subgraph is; none of the workflow itself. */
export function nodesThatAre(graph) {
  const graphs = [app.rootGraph, ...app.rootGraph.subgraphs.values()];
  return graphs.flatMap(({ nodes }) => nodes).filter(({ subgraph }) => subgraph === graph);
}

/** Where a wire begins: itself, or those that lead to it from outside. */
export function beginnings(wire) {
  if (!wire.isBorder) return [wire];
  return nodesThatAre(wire.to.graph).flatMap((node) => {
    const slot = node.findInputSlot(wire.from.name);
    return slot < 0 ? [] : wireInto(node, slot).flatMap(beginnings);
  });
}
