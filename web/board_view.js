import { app } from "../../scripts/app.js";
import { canGoOn, isSeedGone, numberOf } from "./again.js";
import { baseline, isBaseline, ranked, scoreDecimals } from "./boards.js";
import { ByHand } from "./by_hand.js";
import { Curve } from "./curve.js";
import { button, duration, element } from "./dom.js";
import { Hands, away } from "./hands.js";
import { headline, noHeadline } from "./headline.js";
import { agreement, passedOver } from "./marks.js";
import { fixed } from "./numbers.js";
import { refinesStill } from "./refine.js";
import { pictureURL } from "./server.js";
import { texts } from "./texts.js";
import { MOST_TILES, Tiles } from "./tiles.js";

const UNFINISHED = ["user", "time", "interrupted"]; // how searches end that have something left to do

/** A board as an element. actions: what is called when people press, see extension.js. */
export class BoardView {
  constructor(actions) {
    const { keepBest, open, runAgain, searchAnew } = actions;
    this.boards = [];
    this.chosen = null; // the place of the board and image in `tracks` that somebody has chosen; else the newest
    this.tiles = new Tiles(actions);
    this.byHand = new ByHand(actions);
    this.byHand.element.hidden = true;
    this.curve = new Curve();
    this.hands = new Hands();
    this.score = element("div", { class: "headline" });
    this.number = element("span");
    this.chooser = element(
      "div",
      { class: "chooser" },
      button("‹", () => this.choose(-1), { title: texts().before }),
      this.number,
      button("›", () => this.choose(1), { title: texts().after }),
    );
    this.face = element("img", { class: "face", alt: "", draggable: "false" });
    this.bar = element("div");
    this.spent = element("p", { class: "hint" });
    this.keep = button(texts().keepBest, () => keepBest(this.track.board), {
      class: "keep",
      title: texts().keepBestDoes,
    });
    this.recipe = button(texts().recipe, () => open(this.track.board, this.track.image, this.track.best), {
      title: texts().recipeShows,
    });
    this.goOn = button("", () => runAgain(this.track.board));
    this.more = button("", () => runAgain(this.track.board, 2 * numberOf(this.track.board).widget.value));
    this.anew = button(texts().anew, () => searchAnew(this.track.board), { title: texts().anewDoes });
    this.actions = element("div", { class: "row actions" }, this.keep, this.goOn, this.more, this.recipe, this.anew);
    this.note = element("p", { class: "hint note" });
    this.element = element(
      "div",
      { class: "noise-search noise-search-board" },
      element("div", { class: "row" }, this.face, this.score),
      this.curve.element,
      element("div", { class: "progress" }, this.bar),
      element("div", { class: "row" }, this.spent, this.chooser),
      this.actions,
      this.hands.element,
      this.note,
      this.byHand.element,
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
    return this.boards.flatMap((board) => board.images.map((_, image) => ({ board, image, best: board.best[image] })));
  }

  get track() {
    const { tracks } = this;
    return tracks[this.chosen] ?? tracks.find(({ board }) => board === this.boards.at(-1));
  }

  /** What scrolls. */
  get grid() {
    return this.byHand.element.hidden ? this.tiles.element : this.byHand.grid;
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
    const order = ranked(board, image, away(board, image));
    const places = scoreDecimals(board, image);
    this.drawNumbers(board, image, places);
    this.note.textContent = [note(board, order, places), ...aboutMarks(board, image)].join(" ").trim();
    this.hands.show(board);
    this.tiles.show(board, image, order);
    this.element.classList.toggle("asking", this.byHand.show(board, image));
    const entries = [...board.images[image].values()].sort((one, other) => one.index - other.index);
    this.curve.draw(entries, cost(board, image).total, board.best[image], baseline(board, image), places);
  }

  drawNumbers(board, image, places) {
    const best = board.images[image].get(board.best[image]);
    const own = baseline(board, image)?.score ?? null;
    const isOwn = Boolean(best) && isBaseline(best);
    const count = judged(board, image).length;
    this.face.hidden = !best;
    if (best) this.face.src = pictureURL("tile", board.board, image, best);
    this.score.replaceChildren(best ? headline({ best, own, isOwn, count, places, refines: board.refines }) : noHeadline());
    const { tracks } = this;
    this.chooser.hidden = tracks.length < 2;
    const at = tracks.findIndex((track) => track.board === board && track.image === image);
    const place = this.boards.length > 1 ? texts().searchOf : texts().imageOf;
    this.number.textContent = place(at + 1, tracks.length);
    this.bar.style.width = `${Math.min(100, (100 * board.done) / board.total)}%`;
    this.spent.textContent = spending(board, image);
    this.drawActions(board, best);
  }

  drawActions(board, best) {
    const hasEnded = board.stopped !== null;
    this.keep.hidden = hasEnded;
    this.keep.disabled = board.stop_asked;
    this.recipe.hidden = !best;
    const isThere = hasEnded && board.workflow === app.rootGraph.id && canGoOn(board);
    const isLeft = UNFINISHED.includes(board.stopped);
    this.goOn.hidden = !isThere || !(isLeft || isSeedGone(board));
    this.goOn.textContent = isLeft ? texts().goOn : texts().sameSeed;
    this.goOn.title = isLeft ? texts().goOnDoes : texts().sameSeedDoes(board.seed);
    const number = isThere ? numberOf(board)?.widget.value : null;
    this.anew.hidden = !isThere || !refinesStill(board);
    this.more.hidden = !number;
    this.more.textContent = texts().more(number);
    this.more.title = texts().moreDoes(2 * number, board.seed);
  }
}

const judged = (board, image) => [...board.images[image].values()].filter((entry) => !entry.running);

/** NFE of one image of the batch: spent, and what the search will have cost. */
function cost(board, image) {
  if (board.stopped) {
    const spent = judged(board, image).reduce((sum, entry) => sum + entry.nfe, 0);
    return { spent, total: spent };
  }
  const spent = board.nfe / board.images.length;
  return { spent: Math.round(spent), total: board.done ? Math.round((spent / board.done) * board.total) : 0 };
}

/** How many candidates there are, where some stop on the way or run again in full; else how many of how many. */
function counted(board, image) {
  const entries = [...board.images[image].values()];
  const isCut = entries.some((entry) => entry.step !== null && !entry.running);
  const ended = judged(board, image).filter((entry) => entry.step === null);
  return isCut || entries.length > board.total
    ? texts().inFullOf(ended.length, entries.length)
    : texts().counted(ended.length, Math.ceil(board.total));
}

function spending(board, image) {
  const parts = [counted(board, image)];
  const { spent, total } = cost(board, image);
  if (spent) parts.push(total > spent ? texts().nfeOf(spent, total) : texts().nfe(spent));
  if (board.stopped) parts.push(duration(board.seconds.spent), texts().ends[board.stopped]);
  else if (board.seconds.left !== null) parts.push(texts().left(duration(board.seconds.left)));
  return parts.join(" · ");
}

function aboutMarks(board, image) {
  const passed = passedOver(board, image);
  return [agreement(board, image), passed.length ? texts().passedOver(passed) : null].filter(Boolean);
}

function note(board, order, places) {
  const candidates = order.length;
  const failed = order.filter((entry) => entry.failed).length;
  if (board.stop_asked && !board.stopped) {
    return board.best.includes(null) ? texts().endingLater : texts().ending;
  }
  const notes = [...board.notes];
  const own = order.find((entry) => entry.index === 0);
  if (board.refines) notes.unshift(texts().refines);
  if (own && own.step !== null && !own.running && !own.failed && !order.some((entry) => entry.repeats === 0)) {
    notes.unshift(texts().ownStopped(own.step, fixed(own.score, places)));
  }
  if (failed) notes.push(texts().someFailed(failed, candidates));
  if (candidates > MOST_TILES) notes.push(texts().mostAreShown(MOST_TILES, candidates));
  if (!candidates && !board.stopped) notes.push(texts().firstToCome);
  return notes.join(" ");
}
