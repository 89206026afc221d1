import { baseline, ranked } from "./boards.js";
import { Curve } from "./curve.js";
import { amount, button, digits, duration, element } from "./dom.js";
import { MOST_TILES, Tiles } from "./tiles.js";

const ENDS = {
  finished: "finished",
  time: "time limit",
  patience: "out of patience",
  budget: "budget spent",
  user: "kept best",
  interrupted: "ended early",
};

/** A board as an element. keepBest(board) and open(board, image, index) are called when people press. */
export class BoardView {
  constructor(keepBest, open) {
    this.boards = [];
    this.chosen = null; // the place of the board and image in `tracks` that somebody has chosen; else the newest
    this.tiles = new Tiles(open);
    this.curve = new Curve();
    this.score = element("p", { class: "score" });
    this.number = element("span");
    this.chooser = element(
      "div",
      { class: "chooser" },
      button("‹", () => this.choose(-1), { title: "The one before" }),
      this.number,
      button("›", () => this.choose(1), { title: "The next one" }),
    );
    this.bar = element("div");
    this.spent = element("p", { class: "hint" });
    this.keep = button("Keep best", () => keepBest(this.track.board), {
      class: "keep",
      title: "End the search now and go on with the best so far. The queue continues.",
    });
    this.note = element("p", { class: "hint note" });
    this.element = element(
      "div",
      { class: "noise-search noise-search-board" },
      element("div", { class: "row" }, this.score, this.keep),
      this.curve.element,
      element("div", { class: "progress" }, this.bar),
      element("div", { class: "row" }, this.spent, this.chooser),
      this.note,
      this.tiles.element,
    );
  }

  /** boards: those of a node, in the order they began. */
  show(boards) {
    this.boards = boards;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  /** The searches one can look at: an image of a batch each. */
  get tracks() {
    return this.boards.flatMap((board) => board.images.map((_, image) => ({ board, image })));
  }

  get track() {
    const { tracks } = this;
    return tracks[this.chosen] ?? tracks.find(({ board }) => board === this.boards.at(-1));
  }

  choose(step) {
    const { tracks } = this;
    const at = tracks.findIndex(({ board, image }) => board === this.track.board && image === this.track.image);
    this.chosen = (at + step + tracks.length) % tracks.length;
    this.draw();
  }

  draw() {
    this.frame = null;
    const { board, image } = this.track;
    const order = ranked(board, image);
    this.drawNumbers(board, image);
    this.note.textContent = note(board, order.length);
    this.tiles.show(board, image, order);
    const entries = [...board.images[image].values()].sort((one, other) => one.index - other.index);
    const share = board.images.length;
    const expected = board.stopped || !board.done ? 0 : (board.nfe / share / board.done) * board.total;
    this.curve.draw(entries, expected, board.best[image], baseline(board, image));
  }

  drawNumbers(board, image) {
    const best = board.images[image].get(board.best[image]);
    const without = baseline(board, image);
    this.score.replaceChildren(
      element("b", {}, best ? digits(best.score) : "–"),
      best ? " best" : " nothing finished yet",
      best && without ? element("span", { class: "hint" }, ` · without search ${digits(without.score)}`) : "",
    );
    const { tracks } = this;
    this.chooser.hidden = tracks.length < 2;
    const at = tracks.findIndex((track) => track.board === board && track.image === image);
    this.number.textContent = `${this.boards.length > 1 ? "Search" : "Image"} ${at + 1} of ${tracks.length}`;
    this.bar.style.width = `${Math.min(100, (100 * board.done) / board.total)}%`;
    this.spent.textContent = spending(board);
    this.keep.hidden = board.stopped !== null;
    this.keep.disabled = board.stop_asked;
  }
}

function spending(board) {
  const parts = [`${amount(board.done)} of ${amount(board.total)} ${board.unit}`];
  if (board.nfe) parts.push(`${board.nfe} NFE`);
  if (board.stopped) parts.push(duration(board.seconds.spent), ENDS[board.stopped] ?? board.stopped);
  else if (board.seconds.left !== null) parts.push(`about ${duration(board.seconds.left)} left`);
  return parts.join(" · ");
}

function note(board, candidates) {
  if (board.stop_asked && !board.stopped) {
    return board.best.includes(null)
      ? "Nothing is finished yet: the search ends as soon as something is."
      : "The search ends at the next step, with the best so far.";
  }
  if (candidates > MOST_TILES) return `The best ${MOST_TILES} of ${candidates} are shown.`;
  return candidates || board.stopped ? "" : "The first candidates are on their way.";
}
