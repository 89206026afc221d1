import { app } from "../../scripts/app.js";
import { BoardView } from "./board_view.js";
import { element } from "./dom.js";
import { savedView } from "./saved.js";
import { texts } from "./texts.js";

const WIDTH = 340;
const HEIGHTS = { live: 380, saved: 170 };
const MARGIN = 20; // of a widget on the canvas, both sides together

const widgets = new WeakMap();

/** The place for a board on a node: made, and the node made larger, when there is something to show. */
export function widgetOf(node, actions) {
  if (!widgets.has(node)) widgets.set(node, new BoardWidget(node, actions));
  return widgets.get(node);
}

class BoardWidget {
  constructor(node, { keepBest, open }) {
    this.node = node;
    this.kind = null;
    this.grown = [0, 0]; // by how much the node is larger than without a board
    this.view = new BoardView(keepBest, open);
    const label = texts().board(node.title);
    this.element = element("div", { class: "noise-search-place", role: "region", "aria-label": label });
    this.element.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    const widget = node.addDOMWidget("board", "noise_search_board", this.element, {
      serialize: false, // not in prompts
      hideOnZoom: false,
      getMinHeight: () => HEIGHTS[this.kind] ?? 0,
    });
    widget.serialize = false; // not in workflows
    this.saveWithoutBoard();
  }

  showBoards(boards) {
    this.become("live", this.view.element);
    this.view.show(boards);
  }

  showSaved(winners) {
    this.become("saved", savedView(winners));
  }

  become(kind, content) {
    if (this.element.firstChild !== content) this.element.replaceChildren(content);
    if (this.kind === kind) return;
    const [width, height] = this.node.size;
    const plain = [width - this.grown[0], height - this.grown[1]];
    this.kind = kind;
    this.element.style.minHeight = `${HEIGHTS[kind] - MARGIN}px`;
    this.grown = [Math.max(0, WIDTH - plain[0]), HEIGHTS[kind]];
    this.node.setSize([plain[0] + this.grown[0], plain[1] + this.grown[1]]);
    app.canvas.setDirty(true, true);
  }

  /** A saved workflow has the node in its own size, since the board is not saved. */
  saveWithoutBoard() {
    const { node } = this;
    const before = node.onSerialize;
    node.onSerialize = (saved) => {
      before?.call(node, saved);
      saved.size = [saved.size[0] - this.grown[0], saved.size[1] - this.grown[1]];
    };
  }

  /** On the canvas, what does not scroll the candidates zooms or moves the graph. Vue's nodes do that already. */
  onWheel(event) {
    if (this.element.closest("[data-node-id]")) return;
    const grid = this.view.tiles.element;
    const scrolls = grid.contains(event.target) && grid.scrollHeight > grid.clientHeight;
    if (scrolls && !event.ctrlKey) return;
    event.preventDefault();
    app.canvas.processMouseWheel(event);
  }
}
