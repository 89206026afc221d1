import { element } from "./dom.js";
import { texts } from "./texts.js";

/**
 * Who scores the candidates of a search that is spread over several GPUs: `hands` of a board, as search/records/hand.py
 * tells them.
 */

const MOST_ROWS = 6;
const THIS_GPU = "this GPU"; // as search/crew/seam.py calls it

const named = (who) => (who === THIS_GPU ? texts().thisGPU : who);

/** The name of who has this candidate now; null where nobody has. */
export function runsOn(board, index) {
  const hand = board.hands.first.find(({ numbers }) => numbers.includes(index));
  return hand ? named(hand.who) : null;
}

/** The candidates that somebody has and nothing is known of yet, as begun entries without a picture. */
export function away(board, image) {
  const numbers = board.hands.first.flatMap((hand) => hand.numbers);
  const begun = { begun: true, running: true, away: true, score: null, nfe: 0, step: null, repeats: null, seed: null };
  return numbers.filter((index) => !board.images[image].has(index)).map((index) => ({ index, ...begun }));
}

/** A line that says how many there are, and below it what each has now and how far it is. */
export class Hands {
  constructor() {
    this.line = element("p", { class: "hint" });
    this.rows = element("ul");
    this.element = element("div", { class: "hands" }, this.line, this.rows);
  }

  show({ hands: { count, first } }) {
    this.element.hidden = !count;
    if (!count) return;
    const running = first.filter(({ state }) => state === "runs").length;
    const left = count - Math.min(count, MOST_ROWS);
    this.line.textContent = texts().onGPUs(count, running);
    const more = left ? [element("li", {}, texts().moreGPUs(left))] : [];
    this.rows.replaceChildren(...byState(first).slice(0, MOST_ROWS).map(row), ...more);
  }
}

/** Of more than there are rows, those that run first. */
const byState = (hands) =>
  hands.length > MOST_ROWS ? [...hands].sort((one, other) => waits(one) - waits(other)) : hands;

const waits = ({ state }) => Number(state !== "runs");

function row(hand) {
  const { who, state, numbers, steps, work, done } = hand;
  const told = work ? texts().hasCandidates(ranges(numbers), steps, work) : `#${ranges(numbers)}`; // none of loops
  const has = state === "runs" ? told : texts().handIs[state];
  const share = work ? Math.min(100, (100 * steps) / work) : 0;
  return element(
    "li",
    { class: state, style: `--share: ${share}%` },
    element("b", {}, named(who)),
    element("span", { class: "has" }, has),
    element("span", {}, texts().handDone(done)),
  );
}

/** 3, 5–8 */
function ranges(numbers) {
  const runs = [];
  for (const number of numbers) {
    if (runs.at(-1)?.[1] === number - 1) runs.at(-1)[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(texts().comma);
}
