import { app } from "../../scripts/app.js";
import { complain } from "./notice.js";
import { GAP, placed, showNode } from "./placing.js";
import { texts } from "./texts.js";
import { beginnings, lead, nodesThatAre, wireInto, wiresOfType } from "./wires.js";

/** "Add noise search" in the menu of a sampler: Auto Search on its MODEL wire, with all that it needs. */

const DEMO = ["LoadShapesModel", "LoadShapesVerifier"];
const JUDGES = ["ImageRewardVerifier", "HPSVerifier", "PickScoreVerifier", "CLIPScoreVerifier"]; // the first choice first

app.registerExtension({
  name: "noise_search.add_search",
  getNodeMenuItems(node) {
    if (!modelWire(node)) return [];
    return [{ content: texts().addSearch, callback: () => addSearch(node) }];
  },
});

/** The wire that brings a sampler its MODEL, also through guiders; none for other nodes, and where a search is. */
function modelWire(node) {
  if (!node.outputs?.some(({ type }) => type === "LATENT")) return undefined;
  if (!node.inputs?.some(({ type }) => type === "LATENT")) return undefined;
  const wire = upTheGuiders(node, new Set());
  return wire && !beginnings(wire).some(({ from }) => isSearch(from)) ? wire : undefined;
}

function upTheGuiders(node, seen) {
  if (seen.has(node)) return undefined;
  seen.add(node);
  const guiders = wiresOfType(node, "GUIDER").filter(({ isBorder }) => !isBorder);
  return wiresOfType(node, "MODEL")[0] ?? guiders.map(({ from }) => upTheGuiders(from, seen)).find(Boolean);
}

const isSearch = (node) => node.outputs?.some(({ type }) => type === "SEARCH");

function addSearch(sampler) {
  const graph = sampler.graph;
  const wire = modelWire(sampler);
  graph.beforeChange();
  try {
    const search = placed(graph, "AutoSearch", wire.to);
    lead(wire, search, search.findInputSlot("model"));
    search.connect(search.findOutputSlot("model"), wire.to, wire.input);
    const judge = judgeFor(graph, wire, search);
    judge.from.connect(judge.output, search, search.findInputSlot("verifier"));
    const vae = vaeFor(sampler, [wire]);
    if (vae) lead(vae, search, search.findInputSlot("vae"));
    else complain({ message: texts().noVAE });
    showNode(search);
  } finally {
    graph.afterChange();
    app.canvas.setDirty(true, true);
  }
}

/** A verifier that the graph has; else a loader of one whose weights are there; else of the first choice. */
function judgeFor(graph, wire, search) {
  for (const from of graph.nodes) {
    const output = from.outputs?.findIndex(({ type }) => type === "VERIFIER") ?? -1;
    if (output >= 0 && from.mode !== window.LiteGraph.NEVER && from.mode !== 4) return { from, output };
  }
  const isDemo = nodesBefore([wire]).some(({ type }) => type === DEMO[0]);
  const type = isDemo ? DEMO[1] : (JUDGES.find(isInstalled) ?? JUDGES[0]);
  const from = placed(graph, type, search);
  from.pos = [search.pos[0] - from.size[0] - GAP, search.pos[1]];
  return { from, output: 0 };
}

function isInstalled(type) {
  const [kind, options] = window.LiteGraph.registered_node_types[type]?.nodeData?.input.required.model ?? [];
  return (Array.isArray(kind) ? kind : (options?.options ?? [])).length > 0;
}

/** The nodes that a model comes from, the nearest first. */
function nodesBefore(wires) {
  const found = new Set(wires.flatMap(beginnings).map(({ from }) => from));
  for (const node of found) {
    for (const { from } of wiresOfType(node, "MODEL").flatMap(beginnings)) found.add(from);
  }
  return [...found];
}

/**
 * The VAE that decodes what a sampler gives, else the one that its model's loader has, as a wire in the sampler's graph.
 * One outside the sampler's subgraph is led in by an input of its own, on every node that is this subgraph.
 */
function vaeFor(sampler, models) {
  const { graph } = sampler;
  const near = vaeOf(sampler) ?? vaeBeside(graph, models) ?? vaeInto(graph);
  const around = near ? [] : nodesThatAre(graph);
  if (!around.length) return near;
  const found = around.map((node) => vaeFor(node, wiresOfType(node, "MODEL")));
  if (!found.every(Boolean)) return undefined;
  graph.addInput("vae", "VAE");
  around.forEach((node, at) => lead(found[at], node, node.findInputSlot("vae")));
  return vaeInto(graph);
}

function vaeBeside(graph, models) {
  const outputOf = (node) => node.outputs?.findIndex(({ type }) => type === "VAE") ?? -1;
  const from = nodesBefore(models).find((node) => node.graph === graph && outputOf(node) >= 0);
  return from && { from, output: outputOf(from) };
}

/** One that comes into a subgraph already. */
function vaeInto(graph) {
  const from = graph.isRootGraph ? null : graph.inputs.find(({ type }) => type === "VAE");
  return from ? { from, isBorder: true } : undefined;
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
