import { app } from "../../scripts/app.js";
import { BoardView } from "./board_view.js";
import { whole } from "./boards.js";
import { element } from "./dom.js";
import { duelPanel } from "./duel.js";
import { findNode } from "./find.js";
import { runningBoards } from "./server.js";
import { texts } from "./texts.js";

const BETWEEN = 1500; // milliseconds between two looks

/** A tab with all searches that are running, of whatever workflow and browser. */
export function registerSidebar(actions) {
  app.extensionManager.registerSidebarTab({
    id: "noise-search",
    icon: "pi pi-search",
    title: texts().tab,
    tooltip: texts().tabShows,
    type: "custom",
    render: (place) => new Sidebar(actions).follow(place),
  });
}

class Sidebar {
  constructor(actions) {
    this.actions = actions;
    this.views = new Map(); // by the id of the board
    this.list = element("div", { class: "list" });
    this.none = element("p", { class: "hint" }, texts().noneRuns);
    this.element = element("div", { class: "noise-search noise-search-sidebar" }, this.none, this.list, duelPanel());
  }

  follow(place) {
    place.replaceChildren(this.element);
    void this.look();
    const timer = setInterval(() => (this.element.isConnected ? this.look() : clearInterval(timer)), BETWEEN);
  }

  /** Those that have ended stay, as they ended, until the tab is opened again. */
  async look() {
    const asked = [...this.views.keys()];
    const boards = (await runningBoards(asked)).map(whole);
    for (const board of boards) {
      if (!this.views.has(board.board)) this.add(board);
      this.views.get(board.board).show([board]);
    }
    this.none.hidden = this.views.size > 0;
  }

  add(board) {
    const view = new BoardView(this.actions);
    this.views.set(board.board, view);
    const here = board.workflow === app.rootGraph.id && findNode(board.node);
    const title = here ? here.title : texts().ofNode(board.node);
    this.list.prepend(element("section", { class: "compact" }, element("h4", {}, title), view.element));
  }
}
