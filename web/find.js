import { app } from "../../scripts/app.js";

/** The node with this id in the prompt: 5, or 12:5 for node 5 in the subgraph that is node 12. */
export function findNode(id) {
  const path = id.split(":");
  const last = path.pop();
  const graph = path.reduce((inside, step) => inside?.getNodeById(step)?.subgraph, app.rootGraph);
  return graph?.getNodeById(last);
}
