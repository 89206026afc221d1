import { app } from "../../scripts/app.js";
import { BoardView } from "./board_view.js";
import { button, element } from "./dom.js";
import { savedView } from "./saved.js";
import { texts } from "./texts.js";

const STATE = "noise_search_board"; // among the node's properties: "open" when its candidates are shown
const OPEN = "open";
const WIDTH = 340;
const HEIGHTS = { compact: 124, open: 460 };
const MARGIN = 20; // of a widget on the canvas, both sides together

const widgets = new WeakMap();

/** The place for a board on a node, which has it from when it is placed on. */
export function widgetOf(node, actions) {
  if (!widgets.has(node)) widgets.set(node, new BoardWidget(node, actions));
  return widgets.get(node);
}

/** Whether a node searches: what it gives out says so. */
export const searches = (node) => Boolean(node.outputs?.some(({ type }) => type === "SEARCH"));

/** Compact it has the best, its score and a bar; opened, the candidates. That is saved with the node, like its size. */
class BoardWidget {
  constructor(node, actions) {
    this.node = node;
    this.view = new BoardView(actions);
    this.toggle = button("", () => this.open(!this.isOpen), { class: "toggle" });
    this.content = element("div", { class: "content" }, element("p", { class: "hint" }, texts().nothingYet));
    const label = texts().board(node.title);
    this.element = element("div", { class: "noise-search noise-search-place", role: "region", "aria-label": label });
    this.element.append(this.toggle, this.content);
    this.element.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.widget = node.addDOMWidget("board", "noise_search_board", this.element, {
      serialize: false, // not in prompts
      hideOnZoom: false,
      hideInPanel: true, // of the front end's inputs, which would give it its own width
      getMinHeight: () => this.height,
      getMaxHeight: () => (this.isOpen ? undefined : this.height),
    });
    this.widget.serialize = false; // not in workflows
    this.fit();
  }

  get isOpen() {
    return this.node.properties[STATE] === OPEN;
  }

  get height() {
    return HEIGHTS[this.isOpen ? "open" : "compact"];
  }

  showBoards(boards) {
    this.put(this.view.element);
    this.openToAsk(boards.find(({ asks }) => asks));
    this.view.show(boards);
  }

  /** Once for each question: people may close it. */
  openToAsk(board) {
    const asked = board && `${board.board}/${board.asks.step}`;
    if (asked && asked !== this.asked && !this.isOpen) this.open(true);
    this.asked = asked ?? this.asked;
  }

  showSaved(winners) {
    this.put(savedView(winners));
  }

  put(content) {
    if (this.content.firstChild !== content) this.content.replaceChildren(content);
  }

  open(isOpen) {
    const before = this.height;
    if (isOpen) this.node.properties[STATE] = OPEN;
    else delete this.node.properties[STATE];
    const [width, height] = this.node.size;
    this.node.setSize([width, height + this.height - before]);
    this.fit();
  }

  /** Looks as its node says, which is at least as large as it needs. */
  fit() {
    this.element.classList.toggle("compact", !this.isOpen);
    this.element.style.minHeight = `${this.height - MARGIN}px`;
    this.toggle.textContent = this.isOpen ? "▴" : "▾";
    this.toggle.title = this.isOpen ? texts().hideCandidates : texts().showCandidates;
    const [width, height] = this.node.computeSize();
    this.node.setSize([Math.max(this.node.size[0], width, WIDTH), Math.max(this.node.size[1], height)]);
    app.canvas?.setDirty(true, true);
  }

  /** On the canvas, what does not scroll the candidates zooms or moves the graph. Vue's nodes do that already. */
  onWheel(event) {
    if (this.element.closest("[data-node-id]")) return;
    const { grid } = this.view;
    const scrolls = grid.contains(event.target) && grid.scrollHeight > grid.clientHeight;
    if (scrolls && !event.ctrlKey) return;
    event.preventDefault();
    app.canvas.processMouseWheel(event);
  }
}
