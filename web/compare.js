import { baseline } from "./boards.js";
import { button, element } from "./dom.js";
import { pictureURL } from "./server.js";
import { texts } from "./texts.js";

const MOST = 16; // times that a picture can be enlarged
const STEP = 1.5; // of a key or button
const TWICE = 3; // times, where somebody clicks twice
const WHEEL = 0.002; // of the logarithm of the size, a pixel of the wheel
const STRIDE = 0.1; // of the view, by which Shift and an arrow key move it
const KEYS = { "+": STEP, "=": STEP, "-": 1 / STEP };
const WAYS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * A picture large, which can be enlarged and moved; left of a line it, right of the line another one to compare it with,
 * which is enlarged and moved with it.
 */
export class Compare {
  constructor() {
    this.others = []; // what the picture can be compared with: {name, does, url, alt}
    this.chosen = null; // the name of the one that it is compared with; kept where a candidate does not have it
    this.size = 1;
    this.at = [0, 0]; // of the picture's corner, from the view's
    this.picture = element("img", { alt: "", draggable: "false" });
    this.other = element("img", { alt: "", draggable: "false", class: "other" });
    this.names = [element("span", { class: "name" }), element("span", { class: "name right" })];
    this.line = element("div", { class: "line" });
    this.slider = element("input", { type: "range", min: "0", max: "100", step: "1", value: "50", class: "slider" });
    this.slider.addEventListener("input", () => this.split());
    this.view = element("div", { class: "view" }, this.picture);
    this.stage = element("div", { class: "stage" }, this.view);
    this.choices = element("span", { class: "choices", role: "group", "aria-label": texts().compareWith });
    this.whole = button("", () => this.reset(), { title: texts().zoomWhole });
    this.note = element("p", { class: "hint" });
    const larger = button("+", () => this.zoom(STEP), { title: texts().zoomIn });
    const smaller = button("−", () => this.zoom(1 / STEP), { title: texts().zoomOut });
    this.tools = element("div", { class: "tools" }, this.choices, smaller, this.whole, larger);
    this.element = element("div", { class: "compare" }, this.stage, this.tools, this.note);
    for (const picture of [this.picture, this.other]) picture.addEventListener("load", () => this.loaded());
    this.stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.view.addEventListener("dblclick", (event) => this.zoom(this.size > 1 ? 1 / this.size : TWICE, event));
    this.view.addEventListener("pointerdown", (event) => this.onDown(event));
    this.view.addEventListener("pointermove", (event) => this.onMove(event));
    new ResizeObserver(() => this.place()).observe(this.view);
  }

  /** url: "" where there is no picture. alt: what it is. others: as above. */
  show(url, alt, others) {
    this.stage.hidden = this.tools.hidden = !url;
    if (url) this.picture.src = url;
    this.picture.alt = this.names[0].textContent = alt;
    this.others = url ? others : [];
    this.showOther();
  }

  showOther() {
    const other = this.others.find(({ name }) => name === this.chosen);
    const choices = this.others.map((one) => this.choice(one));
    this.choices.replaceChildren(...(choices.length ? [texts().compareWith, ...choices] : []));
    if (other) {
      this.other.src = other.url;
      this.other.alt = this.names[1].textContent = other.alt;
      this.slider.setAttribute("aria-label", texts().compareSlider(this.picture.alt, other.alt));
      this.view.append(this.other, this.line, ...this.names);
      this.stage.append(this.slider);
    } else {
      this.other.removeAttribute("src");
      for (const one of [this.other, this.line, ...this.names, this.slider]) one.remove();
    }
    this.loaded();
    this.split();
  }

  choice({ name, does }) {
    const isChosen = name === this.chosen;
    return button(name, () => this.choose(isChosen ? null : name), { "aria-pressed": String(isChosen), title: does });
  }

  choose(name) {
    const at = [...this.choices.children].indexOf(document.activeElement);
    this.chosen = name;
    this.showOther();
    this.choices.children[at]?.focus();
  }

  /** The form of the picture is that of the view; a smaller one beside it looks less sharp for that alone. */
  loaded() {
    const [{ naturalWidth: width, naturalHeight: height }, other] = [this.picture, this.other.naturalWidth];
    if (width) this.stage.style.aspectRatio = `${width} / ${height}`;
    const isSmaller = this.other.isConnected && this.other.complete && this.picture.complete && other !== width;
    this.note.textContent = isSmaller ? texts().unlikeSizes(width, other) : "";
  }

  split() {
    const share = Number(this.slider.value);
    this.line.style.left = `${share}%`;
    this.slider.setAttribute("aria-valuetext", texts().share(share));
    this.place();
  }

  /** Both pictures in the same place. The line stands still in the view, so it moves over the pictures. */
  place() {
    const { width, height } = this.bounds();
    this.at = [inside(this.at[0], width, this.size), inside(this.at[1], height, this.size)];
    const [x, y] = this.at;
    for (const picture of [this.picture, this.other]) {
      picture.style.transform = `translate(${x}px, ${y}px) scale(${this.size})`;
    }
    const left = ((Number(this.slider.value) / 100) * width - x) / this.size;
    this.other.style.clipPath = `inset(0 0 0 ${left}px)`;
    this.whole.textContent = `${Math.round(100 * this.size)} %`;
    this.view.classList.toggle("enlarged", this.size > 1);
  }

  bounds() {
    const { left, top, width, height } = this.view.getBoundingClientRect();
    return { left, top, width, height };
  }

  reset() {
    this.size = 1;
    this.place();
  }

  /** What is at this point of the page stays there; without one, the middle of the view. */
  zoom(by, { clientX, clientY } = {}) {
    const { left, top, width, height } = this.bounds();
    const point = clientX === undefined ? [width / 2, height / 2] : [clientX - left, clientY - top];
    const size = Math.min(MOST, Math.max(1, this.size * by));
    this.at = point.map((value, axis) => value - ((value - this.at[axis]) * size) / this.size);
    this.size = size;
    this.place();
  }

  move(x, y) {
    this.at = [this.at[0] + x, this.at[1] + y];
    this.place();
  }

  onWheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-WHEEL * event.deltaY), event);
  }

  onDown(event) {
    if (event.button === 0) this.view.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    if (this.view.hasPointerCapture(event.pointerId)) this.move(event.movementX, event.movementY);
  }

  /** Whether a key was meant for the view: + and -, 0, and Shift with the arrow keys; on the slider, the slider's own. */
  takesKey(event) {
    const { key, shiftKey } = event;
    if (event.ctrlKey || event.metaKey) return false;
    if (key in KEYS) this.zoom(KEYS[key]);
    else if (key === "0") this.reset();
    else if (shiftKey && key in WAYS) {
      event.preventDefault(); // the slider stays where it is
      const { width, height } = this.bounds();
      this.move(WAYS[key][0] * STRIDE * width, WAYS[key][1] * STRIDE * height);
    } else return event.target === this.slider && key.startsWith("Arrow");
    return true;
  }
}

/** What a candidate can be compared with: the winner, and the image without search where that has run to its end. */
export function othersOf(board, image, entry) {
  const own = baseline(board, image);
  const best = board.images[image].get(board.best[image]);
  const others = [
    { one: best === own ? null : best, name: texts().theBest, does: texts().compareBest },
    board.refines
      ? { one: own, name: texts().theStart, does: texts().compareStart }
      : { one: own, name: texts().withoutSearch, does: texts().compareOwn },
  ];
  return others.filter(({ one }) => one && one.index !== entry.index).map(({ one, name, does }) => ({
    name,
    does,
    url: pictureURL("picture", board.board, image, one),
    alt: `${texts().candidate(one.index)}${texts().comma}${name}`,
  }));
}

/** Where a picture of this size may begin, so that it fills the view. */
const inside = (at, length, size) => Math.min(0, Math.max(length * (1 - size), at));
