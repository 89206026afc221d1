import { isBaseline, ranked, scoreDecimals } from "./boards.js";
import { Compare, othersOf } from "./compare.js";
import { button, element } from "./dom.js";
import { complain } from "./notice.js";
import { Marks } from "./marks.js";
import { decimals, fixed } from "./numbers.js";
import { partsList } from "./parts.js";
import { recipePanel } from "./recipe.js";
import { offerRefine, refusing } from "./refine.js";
import { candidate, pictureURL } from "./server.js";
import { texts } from "./texts.js";
import { reason } from "./tiles.js";
import { canUse } from "./use.js";

/** Show a candidate large, with its scores and its recipe; the arrow keys go to the next and to the one before. */
export async function openDetails(board, image, index, actions) {
  const details = new Details(board, image, actions);
  if (!(await details.show(details.order.findIndex((entry) => entry.index === index)))) return;
  document.querySelector("dialog.noise-search-details")?.close(); // of another tile, pressed while this one was fetched
  details.open();
}

class Details {
  /** actions: use, mark and refine, see extension.js. */
  constructor(board, image, { use, mark, refine }) {
    this.use = button(texts().useThis, () => this.choose(use), { class: "use", title: texts().useThisDoes });
    this.refine = button(texts().refine, () => this.canRefine && this.choose(refine), { class: "refine" });
    this.marks = new Marks((kind) => this.mark(mark, kind));
    this.board = board;
    this.image = image;
    this.order = ranked(board, image);
    this.compare = new Compare();
    this.facts = element("div", { class: "facts" });
    this.dialog = element(
      "dialog",
      { class: "noise-search noise-search-details", tabindex: "-1" },
      this.compare.element,
      element(
        "div",
        { class: "side" },
        this.facts,
        element(
          "div",
          { class: "buttons" },
          this.use,
          this.refine,
          ...this.marks.buttons,
          element(
            "span",
            { class: "steps" },
            button("‹", () => this.step(-1), { title: texts().before }),
            button("›", () => this.step(1), { title: texts().after }),
            button(texts().close, () => this.dialog.close(), { class: "close", autofocus: true }),
          ),
        ),
      ),
    );
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
  }

  /** The canvas has keys of its own, which are not meant here. */
  onKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.dialog.close();
    if (event.target.tagName === "TEXTAREA" || this.compare.takesKey(event)) return;
    if (this.marks.takesKey(event)) return;
    if (event.key === "ArrowLeft") this.step(-1);
    if (event.key === "ArrowRight") this.step(1);
  }

  choose(use) {
    this.dialog.close();
    void use(this.board, this.image, this.order[this.at]);
  }

  get canRefine() {
    return this.refine.getAttribute("aria-disabled") === "false";
  }

  async mark(mark, kind) {
    const entry = this.order[this.at];
    await mark(this.board, this.image, entry, kind);
    this.marks.show(this.order[this.at]);
  }

  step(by) {
    return this.show((this.asked + by + this.order.length) % this.order.length);
  }

  /** Whether there is something to show: the server keeps the boards of the latest searches only. */
  async show(at) {
    const entry = this.order[at];
    this.asked = at; // somebody may step on before the server has answered
    try {
      const begun = { score: null, scores: {}, nfe: 0, recipe: null, preview: false };
      const details = entry.begun ? begun : await candidate(this.board.board, this.image, entry.index);
      if (this.asked !== at) return true;
      this.at = at;
      this.use.hidden = !canUse(this.board, entry);
      offerRefine(this.refine, refusing(this.board)(entry));
      this.marks.show(entry);
      const url = entry.failed ? "" : pictureURL("picture", this.board.board, this.image, entry);
      this.compare.show(url, texts().candidate(entry.index), othersOf(this.board, this.image, entry));
      this.facts.replaceChildren(...this.describe(entry, details));
      if (!this.dialog.contains(document.activeElement)) this.dialog.focus(); // what had it may be gone
      return true;
    } catch (error) {
      complain(error);
      return false;
    }
  }

  describe(entry, details) {
    const isBest = entry.index === this.board.best[this.image];
    return [
      element("h3", {}, texts().candidate(entry.index), isBest ? element("span", { class: "badge" }, texts().best) : null),
      element("p", { class: "hint" }, texts().placeByScore(this.at + 1, this.order.length)),
      this.table(details, entry),
      ...(entry.failed ? [] : partsList(entry)),
      ...remarks(entry, details, this.board.refines).map((text) => element("p", { class: "hint" }, text)),
      entry.begun ? "" : recipePanel(details.recipe, details.recipe_text),
    ];
  }

  /** The score, those of each verifier when there are several, the cost, which nobody counts in a loop, and the seed. */
  table({ score, scores, nfe }, { seed }) {
    const names = Object.keys(scores);
    const parts = names.length > 1 ? names.map((name) => [name, fixed(scores[name], decimals([scores[name]]))]) : [];
    const rows = [[texts().score, fixed(score, scoreDecimals(this.board, this.image))], ...parts];
    if (nfe) rows.push(["NFE", String(nfe)]);
    if (seed !== null) rows.push([texts().seedName, String(seed)]);
    return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }
}

function remarks(entry, details, refines) {
  const remarks = [];
  if (entry.failed) remarks.push(texts().hasFailed(reason(entry)));
  if (isBaseline(entry)) remarks.push(texts()[refines ? "ownRefined" : "ownNoise"]);
  if (entry.repeats !== null) remarks.push(texts().repeated(entry.repeats));
  if (entry.begun) return [...remarks, texts().onlyBegun(entry.step)];
  if (entry.step !== null && !entry.failed) remarks.push(texts().notFinal(entry.step));
  if (!details.preview && !entry.failed) remarks.push(texts().smallPicture);
  if (details.recipe) remarks.push(texts().replay);
  return remarks;
}
