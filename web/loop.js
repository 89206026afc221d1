import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { findNode } from "./find.js";

/**
 * What fails in a search loop is reported as a failure of Search Loop Close, in whose place the copies of the loop's
 * nodes run. Tell people which of their own nodes it was, and on which candidate.
 */

let running = ""; // the node that runs, by its id in the workflow
let candidate = ""; // what Search Loop Close last said that it runs

app.registerExtension({
  name: "noise_search.loop",
  setup() {
    api.addEventListener("executing", ({ detail }) => (running = detail ?? running));
    api.addEventListener("progress_text", ({ detail }) => {
      if (findNode(detail.nodeId)?.type === "SearchLoopClose") candidate = detail.text;
    });
    api.addEventListener("execution_error", ({ detail }) => attribute(detail), { capture: true }); // before the host's own
  },
});

function attribute(error) {
  const node = findNode(running);
  if (error.node_type !== "SearchLoopClose" || running === error.node_id || !node) return;
  error.node_id = running;
  error.node_type = node.type;
  error.exception_message = `${candidate}: ${error.exception_message}`;
}
