import { app } from "../../scripts/app.js";
import { complain } from "./notice.js";
import { texts } from "./texts.js";

/** "Add noise search" in the menu of a sampler: Auto Search on its MODEL wire, with all that it needs. */

const GAP = 40;
const TITLE = 30; // above a node's position
const ROOM = 240; // below a new node, which is taller once Vue has drawn it, and when it shows its board
const DEMO = ["LoadShapesModel", "LoadShapesVerifier"];
const JUDGES = ["ImageRewardVerifier", "HPSVerifier", "PickScoreVerifier", "CLIPScoreVerifier"]; // the first choice first

app.registerExtension({
  name: "noise_search.add_search",
  getNodeMenuItems(node) {
    if (!modelWire(node)) return [];
    return [{ content: texts().addSearch, callback: () => addSearch(node) }];
  },
});

/** The link that brings a sampler its MODEL, also through guiders; none for other nodes, and where a search is. */
function modelWire(node) {
  if (!node.outputs?.some(({ type }) => type === "LATENT")) return undefined;
  if (!node.inputs?.some(({ type }) => type === "LATENT")) return undefined;
  const wire = upTheGuiders(node, new Set());
  return wire && !isSearch(wire.from) ? wire : undefined;
}

function upTheGuiders(node, seen) {
  if (seen.has(node)) return undefined;
  seen.add(node);
  const models = node.inputs.flatMap((input, slot) => (input.type === "MODEL" ? wireInto(node, slot) : []));
  const guiders = node.inputs.flatMap((input, slot) => (input.type === "GUIDER" ? wireInto(node, slot) : []));
  return models[0] ?? guiders.map(({ from }) => upTheGuiders(from, seen)).find(Boolean);
}

const isSearch = (node) => node.outputs?.some(({ type }) => type === "SEARCH");

/** What comes into an input: the node, and by which of its outputs; of a subgraph's own input, that. */
export function wireInto(node, slot) {
  const link = node.graph.getLink(node.inputs[slot].link);
  const from = link && node.graph.getNodeById(link.origin_id);
  return from ? [{ from, output: link.origin_slot, to: node, input: slot }] : [];
}

function addSearch(sampler) {
  const graph = sampler.graph;
  const wire = modelWire(sampler);
  graph.beforeChange();
  try {
    const search = placed(graph, "AutoSearch", wire.to);
    wire.from.connect(wire.output, search, search.findInputSlot("model"));
    search.connect(search.findOutputSlot("model"), wire.to, wire.input);
    const judge = judgeFor(graph, wire.from, search);
    judge.from.connect(judge.output, search, search.findInputSlot("verifier"));
    const vae = vaeOf(sampler) ?? vaeBefore(wire.from);
    if (vae) vae.from.connect(vae.output, search, search.findInputSlot("vae"));
    else complain({ message: texts().noVAE });
    app.canvas.selectItems([search]);
  } finally {
    graph.afterChange();
    app.canvas.setDirty(true, true);
  }
}

/** A new node above another, and above everything that is there. */
export function placed(graph, type, below) {
  const node = window.LiteGraph.createNode(type);
  graph.add(node);
  const [width, height] = [node.size[0], node.size[1] + ROOM];
  const x = below.pos[0];
  let y = below.pos[1] - height - TITLE - GAP;
  for (let moved = true; moved; ) {
    moved = false;
    for (const other of graph.nodes) {
      if (other === node || !overlaps([x, y, width, height], other)) continue;
      y = other.pos[1] - TITLE - height - GAP;
      moved = true;
    }
  }
  node.pos = [x, y];
  return node;
}

function overlaps([x, y, width, height], { pos, size }) {
  const beside = x >= pos[0] + size[0] + GAP / 2 || pos[0] >= x + width + GAP / 2;
  const above = y - TITLE >= pos[1] + size[1] || pos[1] - TITLE >= y + height;
  return !beside && !above;
}

/** A verifier that the graph has; else a loader of one whose weights are there; else of the first choice. */
function judgeFor(graph, model, search) {
  for (const from of graph.nodes) {
    const output = from.outputs?.findIndex(({ type }) => type === "VERIFIER") ?? -1;
    if (output >= 0 && from.mode !== window.LiteGraph.NEVER && from.mode !== 4) return { from, output };
  }
  const type = comesFrom(model, DEMO[0]) ? DEMO[1] : (JUDGES.find(isInstalled) ?? JUDGES[0]);
  const from = placed(graph, type, search);
  from.pos = [search.pos[0] - from.size[0] - GAP, search.pos[1]];
  return { from, output: 0 };
}

function isInstalled(type) {
  const [kind, options] = window.LiteGraph.registered_node_types[type]?.nodeData?.input.required.model ?? [];
  return (Array.isArray(kind) ? kind : (options?.options ?? [])).length > 0;
}

function comesFrom(node, type, seen = new Set()) {
  if (node.type === type) return true;
  seen.add(node);
  const before = (node.inputs ?? []).flatMap((input, slot) => (input.type === "MODEL" ? wireInto(node, slot) : []));
  return before.some(({ from }) => !seen.has(from) && comesFrom(from, type, seen));
}

/** The VAE of the node that decodes what a sampler gives, past other nodes that latents go through. */
function vaeOf(sampler) {
  const seen = new Set([sampler]);
  for (const node of seen) {
    for (const output of node.outputs ?? []) {
      if (output.type !== "LATENT" && output.type !== "*") continue;
      for (const id of output.links ?? []) {
        const next = node.graph.getNodeById(node.graph.getLink(id)?.target_id);
        if (!next) continue;
        const slot = next.inputs.findIndex(({ type, link }) => type === "VAE" && link != null);
        const [wire] = slot >= 0 ? wireInto(next, slot) : [];
        if (wire) return wire;
        seen.add(next);
      }
    }
  }
  return undefined;
}

/** The VAE that a checkpoint has beside its model. */
function vaeBefore(node, seen = new Set()) {
  const output = node.outputs?.findIndex(({ type }) => type === "VAE") ?? -1;
  if (output >= 0) return { from: node, output };
  seen.add(node);
  const before = (node.inputs ?? []).flatMap((input, slot) => (input.type === "MODEL" ? wireInto(node, slot) : []));
  return before.map(({ from }) => (seen.has(from) ? undefined : vaeBefore(from, seen))).find(Boolean);
}
