import { app } from "../../scripts/app.js";
import { BoardView } from "./board_view.js";
import { element } from "./dom.js";
import { findNode } from "./find.js";
import { texts } from "./texts.js";

const WIDTH = 300;

/**
 * Below a subgraph's node, the searches that run inside: ComfyUI gives such a node no widgets but those of its inputs.
 * It lies over the canvas and moves with it.
 */
export class Badges {
  constructor(actions) {
    this.actions = actions;
    this.badges = new Map(); // by the id of the subgraph's node
  }

  /** boards: of the nodes inside. */
  show(id, boards) {
    const running = boards.filter(({ stopped }) => !stopped);
    if (!running.length) this.remove(id);
    else this.badge(id).view.show(running);
  }

  badge(id) {
    if (this.badges.has(id)) return this.badges.get(id);
    const view = new BoardView(this.actions);
    const label = texts().board(findNode(id).title);
    const place = element("div", { class: "noise-search noise-search-badge compact", role: "region", "aria-label": label });
    place.append(view.element);
    this.badges.set(id, { view, place });
    if (this.badges.size === 1) this.follow();
    return this.badges.get(id);
  }

  remove(id) {
    this.badges.get(id)?.place.remove();
    this.badges.delete(id);
  }

  /** As long as there is one, at every frame. */
  follow() {
    for (const [id, { place }] of this.badges) put(place, findNode(id));
    if (this.badges.size) requestAnimationFrame(() => this.follow());
  }
}

function put(place, node) {
  const { canvas, ds, graph } = app.canvas;
  if (node?.graph !== graph) {
    place.remove();
    return;
  }
  if (!place.isConnected) canvas.parentElement.append(place);
  const [x, y] = [node.pos[0] + ds.offset[0], node.pos[1] + node.size[1] + ds.offset[1] + 4];
  place.style.width = `${Math.max(WIDTH, node.size[0])}px`;
  place.style.transform = `scale(${ds.scale}) translate(${x}px, ${y}px)`;
}
