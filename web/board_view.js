import { baseline, ranked } from "./boards.js";
import { Curve } from "./curve.js";
import { amount, arrange, digits, duration, element } from "./dom.js";
import { pictureURL } from "./server.js";

const MOST_TILES = 200;

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
    this.open = open;
    this.boards = [];
    this.chosen = null; // the place of the board and image in `tracks` that somebody has chosen; else the newest
    this.tiles = new Map();
    this.curve = new Curve();
    this.score = element("p", { class: "score" });
    this.number = element("span");
    this.chooser = element(
      "div",
      { class: "chooser" },
      element("button", { type: "button", title: "The one before", onclick: () => this.choose(-1) }, "‹"),
      this.number,
      element("button", { type: "button", title: "The next one", onclick: () => this.choose(1) }, "›"),
    );
    this.bar = element("div");
    this.spent = element("p", { class: "hint" });
    this.keep = element(
      "button",
      { type: "button", class: "keep", onclick: () => keepBest(this.track.board) },
      "Keep best",
    );
    this.keep.title = "End the search now and go on with the best so far. The queue continues.";
    this.note = element("p", { class: "hint note" });
    this.grid = element("div", { class: "grid", "data-capture-wheel": "true" });
    this.element = element(
      "div",
      { class: "noise-search noise-search-board" },
      element("div", { class: "row" }, this.score, this.keep),
      this.curve.element,
      element("div", { class: "progress" }, this.bar),
      element("div", { class: "row" }, this.spent, this.chooser),
      this.note,
      this.grid,
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
    this.drawNumbers(board, image);
    this.drawTiles(board, image);
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
      best ? " best score" : " nothing finished yet",
      best && without ? element("span", { class: "hint" }, ` without search ${digits(without.score)}`) : "",
    );
    const { tracks } = this;
    this.chooser.hidden = tracks.length < 2;
    const at = tracks.findIndex((track) => track.board === board && track.image === image);
    this.number.textContent = `${this.boards.length > 1 ? "Search" : "Image"} ${at + 1} of ${tracks.length}`;
    this.bar.style.width = `${Math.min(100, (100 * board.done) / board.total)}%`;
    this.spent.textContent = spending(board);
    this.keep.hidden = board.stopped !== null;
    this.keep.disabled = board.stop_asked;
    this.note.textContent = note(board);
    this.element.classList.toggle("running", board.stopped === null);
  }

  drawTiles(board, image) {
    const order = ranked(board, image);
    const shown = order.slice(0, MOST_TILES);
    const wanted = new Map(shown.map((entry) => [`${board.board}/${image}/${entry.index}`, entry]));
    for (const [key, tile] of this.tiles) {
      if (wanted.has(key)) continue;
      tile.element.remove();
      this.tiles.delete(key);
    }
    for (const [key, entry] of wanted) {
      if (!this.tiles.has(key)) this.tiles.set(key, new Tile(() => this.open(board, image, entry.index)));
      this.tiles.get(key).show(board, image, entry);
    }
    arrange(this.grid, [...wanted.keys()].map((key) => this.tiles.get(key).element));
    if (order.length > MOST_TILES && !board.stop_asked) {
      this.note.textContent = `The best ${MOST_TILES} of ${order.length} are shown.`;
    }
  }
}

/** A candidate's thumbnail with its score. */
class Tile {
  constructor(open) {
    this.picture = element("img", { loading: "lazy", decoding: "async", alt: "", draggable: "false" });
    this.score = element("span", { class: "value" });
    this.tag = element("span", { class: "tag" });
    this.element = element("button", { type: "button", class: "tile", onclick: open }, this.picture, this.tag, this.score);
  }

  show(board, image, entry) {
    const source = pictureURL("tile", board.board, image, entry);
    if (this.source !== source) this.picture.src = this.source = source;
    const isBest = entry.index === board.best[image];
    this.score.textContent = digits(entry.score);
    this.tag.textContent = tag(entry, isBest);
    this.element.classList.toggle("best", isBest);
    this.element.classList.toggle("stopped", entry.step !== null && !entry.running);
    this.element.classList.toggle("running", entry.running);
    this.element.title = describe(entry, isBest);
  }
}

function tag(entry, isBest) {
  if (entry.index === 0) return isBest ? "best: no search" : "no search";
  if (isBest) return "best";
  return entry.running ? "…" : "";
}

function describe(entry, isBest) {
  const facts = [`Candidate ${entry.index}`, `score ${digits(entry.score)}`];
  if (entry.nfe) facts.push(`${entry.nfe} NFE`);
  if (isBest) facts.push("the best so far");
  if (entry.index === 0) facts.push("the image without search");
  if (entry.running) facts.push(`still running, judged after ${entry.step} steps`);
  else if (entry.step !== null) facts.push(`stopped after ${entry.step} steps`);
  return facts.join(" · ");
}

function spending(board) {
  const parts = [`${amount(board.done)} of ${amount(board.total)} ${board.unit}`];
  if (board.nfe) parts.push(`${board.nfe} NFE`);
  if (board.stopped) parts.push(duration(board.seconds.spent), ENDS[board.stopped] ?? board.stopped);
  else if (board.seconds.left !== null) parts.push(`about ${duration(board.seconds.left)} left`);
  return parts.join(" · ");
}

function note(board) {
  if (board.stopped) return "";
  if (board.stop_asked) {
    return board.best.includes(null)
      ? "Nothing is finished yet: the search ends as soon as something is."
      : "The search ends at the next step, with the best so far.";
  }
  return board.images.some((entries) => entries.size) ? "" : "The first candidates are on their way.";
}
