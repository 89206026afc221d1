import { element } from "./dom.js";
import { fixed, lowest } from "./numbers.js";
import { texts } from "./texts.js";

const WIDTH = 100;
const HEIGHT = 40;
const EDGE = 3;

/** The best score so far against NFE, a dot per candidate, the score without search as a dashed line. */
export class Curve {
  constructor() {
    const names = ["baseline", "best", "dots", "below", "winner"];
    this.lines = Object.fromEntries(names.map((name) => [name, line(name)]));
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.append(...Object.values(this.lines));
    this.high = element("span", { class: "high" });
    this.low = element("span", { class: "low" });
    this.end = element("span", { class: "end" });
    this.element = element("div", { class: "curve" });
    this.element.append(svg, this.high, this.low, this.end);
  }

  /**
   * entries: candidates in the order they ran; those that failed only cost something. total: NFE at the right edge.
   * best: the winner's index. places: decimals of a score.
   */
  draw(entries, total, best, baseline, places) {
    const counted = entries.filter((entry) => !entry.running);
    const scores = counted.filter((entry) => !entry.failed).map((entry) => entry.score);
    this.element.classList.toggle("empty", scores.length === 0);
    if (!scores.length) return;
    const unit = counted.some((entry) => entry.nfe) ? "NFE" : texts().candidates;
    const axes = new Axes(lowest(scores), Math.max(...scores));
    const points = [];
    let spent = 0;
    for (const entry of counted) {
      spent += unit === "NFE" ? entry.nfe : 1;
      if (!entry.failed) points.push({ entry, spent });
    }
    axes.total = Math.max(total, spent);
    const winner = points.filter(({ entry }) => entry.index === best);
    const below = points.filter(({ entry }) => entry.score < axes.low);
    const shown = points.filter(({ entry }) => entry.score >= axes.low);
    this.lines.dots.setAttribute("d", shown.map((point) => axes.dot(point)).join(""));
    this.lines.below.setAttribute("d", below.map((point) => axes.dot(point)).join(""));
    this.element.title = below.length ? texts().curveWithout(below.length) : texts().curve;
    this.lines.winner.setAttribute("d", winner.map((point) => axes.dot(point)).join(""));
    this.lines.best.setAttribute("d", steps(points, axes));
    this.lines.baseline.setAttribute("d", baseline ? `M0 ${axes.y(baseline.score)}H${WIDTH}` : "");
    this.high.textContent = fixed(axes.high, places);
    this.low.textContent = fixed(axes.low, places);
    this.end.textContent = `${Math.round(axes.total)} ${unit}`;
  }
}

class Axes {
  constructor(low, high) {
    this.low = low;
    this.high = high;
    this.total = 1;
  }

  x(spent) {
    return EDGE / 2 + ((WIDTH - EDGE) * spent) / this.total;
  }

  y(score) {
    const share = this.high > this.low ? Math.max(0, (score - this.low) / (this.high - this.low)) : 0.5;
    return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share;
  }

  dot({ entry, spent }) {
    return `M${this.x(spent)} ${this.y(entry.score)}h0`;
  }
}

/** The path of the best score: it rises where a candidate that ran to its end is better than all before. */
function steps(points, axes) {
  let best = -Infinity;
  let path = "";
  for (const { entry, spent } of points) {
    if (entry.step === null && entry.score > best) {
      path += path ? `H${axes.x(spent)}V${axes.y(entry.score)}` : `M${axes.x(spent)} ${axes.y(entry.score)}`;
      best = entry.score;
    }
  }
  return path && `${path}H${axes.x(points.at(-1).spent)}`;
}

function line(name) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("class", name);
  return path;
}
