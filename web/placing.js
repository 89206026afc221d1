import { app } from "../../scripts/app.js";

/** Where new nodes go. */

export const GAP = 40;
const TITLE = 30; // above a node's position
const FOOT = 50; // below a node that Vue has drawn: "Show advanced inputs"
const MARGIN = 80; // on the screen, where menus are
const ROOM = 360; // below a new node, which is taller once Vue has drawn it, and when it shows its board

/** A new node above another, or at the nearer of several sides of it, where nothing is yet. */
export function placed(graph, type, other, sides = ["above"]) {
  const node = window.LiteGraph.createNode(type);
  graph.add(node);
  const size = [node.size[0], node.size[1] + ROOM];
  const heights = sides.map((side) => freeHeight(graph, node, size, other, side));
  const far = (y) => Math.abs(y - other.pos[1]);
  node.pos = [other.pos[0], heights.reduce((one, y) => (far(y) < far(one) ? y : one))];
  return node;
}

function freeHeight(graph, node, [width, height], beside, side) {
  const x = beside.pos[0];
  const above = ({ pos }) => pos[1] - TITLE - height - GAP;
  const below = ({ pos, size }) => pos[1] + size[1] + FOOT + TITLE + GAP;
  const past = side === "above" ? above : below;
  let y = past(beside);
  for (let moved = true; moved; ) {
    moved = false;
    for (const other of graph.nodes) {
      if (other === node || !overlaps([x, y, width, height], other)) continue;
      y = past(other);
      moved = true;
    }
  }
  return y;
}

function overlaps([x, y, width, height], { pos, size }) {
  const beside = x >= pos[0] + size[0] + GAP / 2 || pos[0] >= x + width + GAP / 2;
  const above = y - TITLE >= pos[1] + size[1] || pos[1] - TITLE >= y + height;
  return !beside && !above;
}

/** Select a node, and move the view until all of it is seen. Later than the press that asks for it, which selects too. */
export function showNode(node) {
  requestAnimationFrame(() => {
    const { canvas } = app;
    if (node.graph !== canvas.graph) return;
    canvas.selectItems([node]);
    const [left, top, width, height] = canvas.visible_area;
    const margin = MARGIN / canvas.ds.scale;
    canvas.ds.offset[0] -= missing(node.pos[0], node.size[0], left, width, margin);
    canvas.ds.offset[1] -= missing(node.pos[1] - TITLE, node.size[1] + TITLE, top, height, margin);
    canvas.setDirty(true, true);
  });
}

/** How far a view has to move, along one axis, until it has this length in it, or at least where that begins. */
function missing(start, length, view, room, margin) {
  const [least, most] = [start + length + margin - room, start - margin];
  return Math.min(Math.max(view, least), most) - view;
}
