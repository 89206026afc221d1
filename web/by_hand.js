import { ranked, scoreDecimals } from "./boards.js";
import { arrange, button, duration, element } from "./dom.js";
import { fixed } from "./numbers.js";
import { pictureURL } from "./server.js";
import { texts } from "./texts.js";

/** Pruning by hand: while a search pauses, its candidates with tick boxes, the verifier's choice ticked. */
export class ByHand {
  /** open(board, image, index) shows a candidate large; answer(board, step, keep) sends those that go on, of each image. */
  constructor({ open, answer }) {
    this.open = open;
    this.answer = answer;
    this.key = ""; // of what is asked: its board and step
    this.picks = []; // of each image a Map from index to its tile
    this.asked = element("p", { class: "hint asked" });
    this.ends = element("p", { class: "hint ends" });
    this.grid = element("div", { class: "grid", "data-capture-wheel": "true" });
    this.go = button("", () => this.send(), { class: "go" });
    const buttons = [
      button(texts().tickAll, () => this.tick(() => true)),
      button(texts().tickNone, () => this.tick(() => false)),
      button(texts().tickSuggested, () => this.tick((index) => this.asks.suggested[this.image].includes(index))),
      this.go,
    ];
    this.element = element("div", { class: "by-hand" }, this.asked, element("div", { class: "row actions" }, ...buttons), this.ends);
    this.element.append(this.grid);
  }

  /** Returns whether the search waits for an answer. */
  show(board, image) {
    this.element.hidden = !board.asks || board.stopped !== null;
    if (this.element.hidden) return false;
    Object.assign(this, { board, image, asks: board.asks });
    const { step, cut, cuts, waiting, suggested, left } = board.asks;
    const key = `${board.board}/${step}`;
    if (this.key !== key) this.picks = waiting.map((own, at) => this.made(board, at, own, suggested[at]));
    this.key = key;
    this.asked.textContent = texts().handAsks(step, cut, cuts);
    this.until = performance.now() + 1000 * left;
    arrange(this.grid, this.inOrder());
    for (const child of [...this.grid.children].slice(this.picks[image].size)) child.remove();
    this.count();
    this.tell();
    this.timer ??= setInterval(() => this.tell(), 1000);
    return true;
  }

  /** The tiles of an image's candidates that wait. */
  made(board, image, waiting, suggested) {
    const places = scoreDecimals(board, image);
    const tiles = waiting.map((index) => [index, this.tile(board, image, index, places)]);
    for (const [index, { box }] of tiles) box.checked = suggested.includes(index);
    return new Map(tiles);
  }

  tile(board, image, index, places) {
    const entry = board.images[image].get(index);
    const box = element("input", { type: "checkbox", "aria-label": texts().tickOf(index), onchange: () => this.count() });
    const picture = element("img", { alt: "", draggable: "false", src: pictureURL("tile", board.board, image, entry) });
    const large = button("⤢", () => this.open(this.board, image, index), { class: "large", title: texts().enlarge });
    const label = element(
      "label",
      { class: "look" },
      element("span", { class: "frame" }, picture),
      element("span", { class: "value" }, fixed(entry.score, places)),
      element("span", { class: "tag" }, `#${index}`),
      box,
    );
    return { box, element: element("div", { class: "tile pick" }, label, large) };
  }

  /** The best by the verifier first. */
  inOrder() {
    const picks = this.picks[this.image];
    return ranked(this.board, this.image).flatMap(({ index }) => (picks.has(index) ? [picks.get(index).element] : []));
  }

  tick(wants) {
    for (const [index, { box }] of this.picks[this.image]) box.checked = wants(index);
    this.count();
  }

  get chosen() {
    return this.picks.map((own) => [...own].filter(([, { box }]) => box.checked).map(([index]) => index));
  }

  count() {
    const { chosen } = this;
    this.go.textContent = texts().goOnWith(chosen.flat().length);
    this.go.disabled = chosen.some((own) => !own.length);
    this.go.title = this.go.disabled ? texts().tickOne : "";
  }

  /** How long there is, as long as it is asked. */
  tell() {
    if (this.element.hidden || !this.element.isConnected) {
      clearInterval(this.timer);
      this.timer = null;
      return;
    }
    this.ends.textContent = texts().handEnds(duration(Math.max(0, this.until - performance.now()) / 1000));
  }

  send() {
    void this.answer(this.board, this.asks.step, this.chosen);
  }
}
