import { app } from "../../scripts/app.js";

/** The node with this id in the prompt: 5, or 12:5 for node 5 in the subgraph that is node 12. */
export function findNode(id) {
  const path = id.split(":");
  const last = path.pop();
  const graph = path.reduce((inside, step) => inside?.getNodeById(step)?.subgraph, app.rootGraph);
  return graph?.getNodeById(last);
}

/** The ids of the subgraphs' nodes that a node is in, from outside in. */
export function nodesAround(id) {
  const steps = id.split(":");
  const around = steps.slice(1).map((_, depth) => steps.slice(0, depth + 1).join(":"));
  return around.filter(findNode);
}
