import { baseline, ranked } from "./boards.js";
import { Curve } from "./curve.js";
import { amount, button, digits, duration, element } from "./dom.js";
import { texts } from "./texts.js";
import { MOST_TILES, Tiles } from "./tiles.js";

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
      button("‹", () => this.choose(-1), { title: texts().before }),
      this.number,
      button("›", () => this.choose(1), { title: texts().after }),
    );
    this.bar = element("div");
    this.spent = element("p", { class: "hint" });
    this.keep = button(texts().keepBest, () => keepBest(this.track.board), {
      class: "keep",
      title: texts().keepBestDoes,
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

  /** The searches one can look at: one per image of a batch. */
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
    this.note.textContent = note(board, order);
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
      ` ${best ? texts().best : texts().nothingFinished}`,
      best && without ? element("span", { class: "hint" }, ` · ${texts().withoutSearch(digits(without.score))}`) : "",
    );
    const { tracks } = this;
    this.chooser.hidden = tracks.length < 2;
    const at = tracks.findIndex((track) => track.board === board && track.image === image);
    const place = this.boards.length > 1 ? texts().searchOf : texts().imageOf;
    this.number.textContent = place(at + 1, tracks.length);
    this.bar.style.width = `${Math.min(100, (100 * board.done) / board.total)}%`;
    this.spent.textContent = spending(board);
    this.keep.hidden = board.stopped !== null;
    this.keep.disabled = board.stop_asked;
  }
}

function spending(board) {
  const parts = [texts().spent[board.unit](amount(board.done), amount(board.total))];
  if (board.nfe) parts.push(`${board.nfe} NFE`);
  if (board.stopped) parts.push(duration(board.seconds.spent), texts().ends[board.stopped]);
  else if (board.seconds.left !== null) parts.push(texts().left(duration(board.seconds.left)));
  return parts.join(" · ");
}

function note(board, order) {
  const candidates = order.length;
  const failed = order.filter((entry) => entry.failed).length;
  if (board.stop_asked && !board.stopped) {
    return board.best.includes(null) ? texts().endingLater : texts().ending;
  }
  const notes = [...board.notes];
  if (failed) notes.push(texts().someFailed(failed, candidates));
  if (candidates > MOST_TILES) notes.push(texts().mostAreShown(MOST_TILES, candidates));
  if (!candidates && !board.stopped) notes.push(texts().firstToCome);
  return notes.join(" ");
}
