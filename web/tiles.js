import { isBaseline, scoreDecimals } from "./boards.js";
import { arrange, button, element } from "./dom.js";
import { runsOn } from "./hands.js";
import { Marks } from "./marks.js";
import { fixed } from "./numbers.js";
import { partsLine, partsText } from "./parts.js";
import { offerRefine, refusing } from "./refine.js";
import { pictureURL } from "./server.js";
import { texts } from "./texts.js";
import { usable } from "./use.js";

export const MOST_TILES = 200;
const NEAR = "150px"; // of what is in sight: there pictures are fetched

/** The thumbnails of an image's candidates. actions: what is called when people press, see extension.js. */
export class Tiles {
  constructor(actions) {
    this.actions = actions;
    this.tiles = new Map();
    this.element = element("div", { class: "grid", "data-capture-wheel": "true" });
    this.sight = new IntersectionObserver((seen) => this.look(seen), { root: this.element, rootMargin: NEAR });
  }

  /** order: candidates, the first ones first; more than MOST_TILES are left out. */
  show(board, image, order) {
    this.board = board;
    const places = scoreDecimals(board, image);
    const key = (entry) => `${board.board}/${image}/${entry.index}`;
    const wanted = new Map(order.slice(0, MOST_TILES).map((entry) => [key(entry), entry]));
    const [isUsable, refused] = [usable(board), refusing(board)];
    for (const known of [...this.tiles.keys()]) {
      if (!wanted.has(known)) this.remove(known);
    }
    for (const [name, entry] of wanted) {
      if (!this.tiles.has(name)) this.add(name);
      this.tiles.get(name).show(board, image, entry, { places, isUsable: isUsable(entry), refused: refused(entry) });
    }
    const elements = [...wanted.keys()].map((name) => this.tiles.get(name).element);
    arrange(this.element, elements);
  }

  add(name) {
    const tile = new Tile(this.actions);
    this.tiles.set(name, tile);
    this.sight.observe(tile.element);
  }

  remove(name) {
    const tile = this.tiles.get(name).element;
    this.sight.unobserve(tile);
    tile.remove();
    this.tiles.delete(name);
  }

  look(seen) {
    const near = new Map(seen.map(({ target, isIntersecting }) => [target, isIntersecting]));
    for (const tile of this.tiles.values()) {
      if (!near.has(tile.element)) continue;
      tile.isNear = near.get(tile.element);
      tile.load();
    }
  }
}

/** A candidate's thumbnail with what one can do with it; below it its score, its number, and what there is to say. */
class Tile {
  constructor({ open, use, mark, refine }) {
    const act = (does) => () => does(this.board, this.image, this.entry);
    this.source = "";
    this.isNear = false;
    this.picture = element("img", { decoding: "async", alt: "", draggable: "false" });
    this.score = element("span", { class: "value" });
    this.tag = element("span", { class: "tag" });
    this.parts = element("span", { class: "parts" });
    this.look = button("", act((board, image, { index }) => open(board, image, index)), { class: "look" });
    this.look.append(element("span", { class: "frame" }, this.picture), this.parts, this.score, this.tag);
    this.use = button("✓", act(use), { class: "use", title: texts().useThis, "aria-label": texts().useThis });
    this.marks = new Marks((kind) => mark(this.board, this.image, this.entry, kind));
    this.refine = button("↻", act(refine), { class: "refine", "aria-label": texts().refine });
    const acts = element("div", { class: "acts" }, ...this.marks.buttons, this.refine, this.use);
    const star = element("span", { class: "starred", "aria-hidden": "true" }, "★");
    const on = { onkeydown: (event) => this.onKey(event), onpointerenter: () => this.again(), onfocusin: () => this.again() };
    this.element = element("div", { class: "tile", ...on }, this.look, star, acts);
  }

  /** The graph may have changed since. */
  again() {
    offerRefine(this.refine, refusing(this.board)(this.entry));
  }

  /** The canvas has keys of its own, which are not meant here. */
  onKey(event) {
    if (this.marks.takesKey(event)) event.stopPropagation();
  }

  show(board, image, entry, { places, isUsable, refused }) {
    Object.assign(this, { board, image, entry });
    this.use.hidden = !isUsable;
    offerRefine(this.refine, refused);
    this.marks.show(entry);
    this.source = entry.failed || entry.away ? "" : pictureURL("tile", board.board, image, entry); // there may be none
    this.look.disabled = Boolean(entry.away);
    this.picture.hidden = !this.source;
    this.load();
    const isBest = entry.index === board.best[image];
    this.score.textContent = entry.failed ? texts().failed : entry.begun ? "…" : fixed(entry.score, places);
    this.tag.textContent = tag(board, entry, isBest && (board.chosen[image] === entry.index ? texts().chosen : texts().best));
    this.parts.replaceChildren(...(entry.failed ? [] : partsLine(entry)));
    this.element.classList.toggle("best", isBest);
    this.element.classList.toggle("star", entry.mark === "star");
    this.element.classList.toggle("reject", entry.mark === "reject");
    this.element.classList.toggle("stopped", entry.step !== null && !entry.running);
    this.element.classList.toggle("running", entry.running);
    this.element.classList.toggle("begun", Boolean(entry.begun));
    this.element.classList.toggle("failed", Boolean(entry.failed));
    this.element.title = describe(board, entry, isBest, places);
  }

  load() {
    if (this.source && this.isNear && this.picture.getAttribute("src") !== this.source) this.picture.src = this.source;
  }
}

/** Why a candidate failed, in the language of the front end where the reason is a known one. */
export const reason = (entry) => texts().reasons[entry.failed] ?? entry.failed;

/** best: what to call it when it is what the search gives out. */
function tag(board, entry, best) {
  const words = [];
  if (best) words.push(best);
  if (isBaseline(entry)) words.push(texts()[board.refines ? "start" : "yours"]);
  else if (entry.step !== null && !entry.failed) words.push(texts().atStep(entry.step));
  return `#${entry.index} ${words.join(texts().comma)}`;
}

function describe(board, entry, isBest, places) {
  const outcome = entry.failed ? texts().failedBecause(reason(entry)) : texts().scored(fixed(entry.score, places));
  const facts = [texts().candidate(entry.index), outcome];
  if (entry.details && !entry.failed) facts.push(partsText(entry));
  if (entry.seed !== null) facts.push(texts().seed(entry.seed));
  if (entry.nfe) facts.push(`${entry.nfe} NFE`);
  if (isBest) facts.push(texts().bestSoFar);
  if (entry.mark) facts.push(texts().marked[entry.mark]);
  if (isBaseline(entry)) facts.push(texts()[board.refines ? "imageRefined" : "imageWithoutSearch"]);
  if (entry.repeats !== null) facts.push(texts().inFull(entry.repeats));
  const who = entry.running ? runsOn(board, entry.index) : null;
  if (who) facts.push(texts().runsOn(who));
  if (entry.begun) {
    const seen = entry.away ? [] : [texts().onlyBegun(entry.step)];
    return [texts().candidate(entry.index), ...seen, ...(who ? [texts().runsOn(who)] : [])].join(" · ");
  }
  if (entry.running) facts.push(texts().stillRunning(entry.step));
  else if (entry.step !== null) facts.push(texts().afterSteps(entry.step));
  return facts.join(" · ");
}
