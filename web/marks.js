import { button } from "./dom.js";
import { texts } from "./texts.js";

const KINDS = { star: { sign: "★", key: "s" }, reject: { sign: "✕", key: "x" } };

/** Two buttons by which a person stars or rejects a candidate. give(mark) is called with null to take it back. */
export class Marks {
  constructor(give) {
    this.give = give;
    this.buttons = Object.entries(KINDS).map(([kind, { sign }]) =>
      button(sign, () => this.toggle(kind), { class: kind, "aria-label": texts()[kind] }),
    );
  }

  show(entry) {
    this.entry = entry;
    Object.keys(KINDS).forEach((kind, at) => {
      const isMarked = entry.mark === kind;
      this.buttons[at].hidden = Boolean(entry.begun || entry.failed);
      this.buttons[at].setAttribute("aria-pressed", isMarked);
      this.buttons[at].title = isMarked ? texts().takeBack : texts()[`${kind}Does`];
    });
  }

  /** Whether a key was one of theirs. */
  takesKey({ key, ctrlKey, metaKey, altKey }) {
    const kind = Object.keys(KINDS).find((one) => KINDS[one].key === key.toLowerCase());
    if (!kind || ctrlKey || metaKey || altKey || this.buttons[0].hidden) return false;
    this.toggle(kind);
    return true;
  }

  toggle(kind) {
    void this.give(this.entry.mark === kind ? null : kind);
  }
}

/** How well the verifier agrees with this person, in a sentence; null where no image is marked. */
export function agreement(board, image) {
  const images = [...board.images[image].values()].filter((one) => one.step === null && !one.running && !one.failed);
  images.sort((one, other) => other.score - one.score || one.index - other.index);
  const places = (kind) => images.flatMap(({ mark }, at) => (mark === kind ? [at + 1] : []));
  const [stars, rejected] = [places("star"), places("reject")];
  return stars.length || rejected.length ? texts().agreement(stars, rejected, images.length) : null;
}

/** The candidates that score higher than what the search gives out and were rejected. */
export function passedOver(board, image) {
  const entries = [...board.images[image].values()];
  const best = board.images[image].get(board.best[image]);
  if (!best || best.mark === "reject" || board.chosen[image] !== null) return [];
  const isHigher = (one) => one.mark === "reject" && one.step === null && !one.running && one.score > best.score;
  return entries.filter(isHigher).map(({ index }) => index);
}
