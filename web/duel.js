import { app } from "../../scripts/app.js";
import { scoreDecimals, whole } from "./boards.js";
import { searches } from "./board_widget.js";
import { button, element } from "./dom.js";
import { answers, byJudge, chance, csv, forgetAnswers, NEITHER, OWN, pairsOf, remember, tally, WINNER } from "./duels.js";
import { complain } from "./notice.js";
import { fixed, percent } from "./numbers.js";
import { candidate, endedBoards, pictureURL } from "./server.js";
import { texts } from "./texts.js";

/** The winner against the image without search, unlabelled: which one would you take? */

app.registerExtension({
  name: "noise_search.duel",
  getNodeMenuItems(node) {
    return searches(node) ? [{ content: texts().duel, callback: () => openDuel() }] : [];
  },
});

/** A button that begins, with how it stands; look() looks again. */
export function duelPanel() {
  const said = element("div");
  const look = () => said.replaceChildren(...standing(answers()).map((text) => element("p", { class: "hint" }, text)));
  const begin = button(texts().duel, () => openDuel(look), { title: texts().duelDoes });
  look();
  return element("section", { class: "duel" }, begin, said);
}

async function openDuel(closed = () => {}) {
  try {
    const { pairs, left } = pairsOf((await endedBoards()).map(whole));
    const known = new Set(answers().map(({ key }) => key));
    const duel = new Duel(shuffled(pairs.filter(({ key }) => !known.has(key))), left, closed);
    await duel.next();
    duel.open();
  } catch (error) {
    complain(error);
  }
}

/** The pairs of a session, one after the other. */
class Duel {
  constructor(pairs, left, closed) {
    this.pairs = pairs;
    this.left = { ...left, gone: 0 };
    this.at = -1;
    this.shown = null; // {pair, sides, judge} of the pair that waits for an answer
    this.asks = element("h3");
    this.hint = element("p", { class: "hint" });
    this.said = element("p", { class: "said", "aria-live": "polite" });
    this.sides = [0, 1].map((side) => new Side(side, () => this.answer(side)));
    this.tie = button(texts().noDifference, () => this.answer(null), { title: texts().noDifferenceKey });
    this.go = button(texts().nextPair, () => this.next(), { class: "next" });
    this.standing = element("div", { class: "standing" });
    this.reset = button(texts().startOver, () => this.startOver());
    this.save = button(texts().exportAnswers, () => download("noise-search-duels.csv", csv(answers())));
    const close = button(texts().close, () => this.dialog.close(), { class: "close" });
    this.dialog = element(
      "dialog",
      { class: "noise-search noise-search-duel", tabindex: "-1", "aria-label": texts().duel },
      this.asks,
      this.hint,
      element("div", { class: "pair" }, ...this.sides.map((side) => side.element)),
      element("div", { class: "row" }, this.said, this.tie, this.go),
      this.standing,
      element("div", { class: "row" }, this.save, this.reset, close),
    );
    this.dialog.addEventListener("keydown", (event) => this.onKey(event));
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      closed();
    });
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.dialog.focus();
  }

  /** The canvas has keys of its own, which are not meant here. */
  onKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.dialog.close();
    const side = { ArrowLeft: 0, ArrowRight: 1, ArrowDown: null }[event.key];
    if (side !== undefined) this.answer(side);
  }

  async next() {
    this.at += 1;
    this.shown = null;
    const pair = this.pairs[this.at];
    if (!pair) return this.end();
    try {
      this.show(pair, await picturesOf(pair));
    } catch {
      this.left.gone += 1; // the server keeps the boards of the latest searches only
      await this.next();
    }
  }

  show(pair, { own, winner, judge }) {
    const side = Math.random() < 0.5 ? 0 : 1; // of the winner
    const size = [Math.min(own.naturalWidth, winner.naturalWidth), Math.min(own.naturalHeight, winner.naturalHeight)];
    this.shown = { pair, side, judge };
    this.sides[side].show(winner, size);
    this.sides[1 - side].show(own, size);
    this.asks.textContent = texts().duelAsks;
    this.hint.textContent = texts().duelExplains(this.at + 1, this.pairs.length);
    this.said.textContent = "";
    this.wait(true);
    this.dialog.focus();
  }

  /** side: 0 or 1, the one that was taken; null when there is no difference. */
  answer(side) {
    if (!this.shown) return;
    const { pair, side: winners, judge } = this.shown;
    this.shown = null;
    const preferred = side === null ? NEITHER : side === winners ? WINNER : OWN;
    remember(pair, { preferred, side: winners ? "right" : "left", judge });
    const places = scoreDecimals(pair.board, pair.image);
    this.sides[winners].tell(texts().wasWinner(fixed(pair.winner.score, places)), side === winners);
    this.sides[1 - winners].tell(texts().wasOwn(fixed(pair.own.score, places)), side === 1 - winners);
    this.said.textContent = texts().preferred[preferred];
    this.wait(false);
    this.go.focus();
  }

  end() {
    this.asks.textContent = this.pairs.length ? texts().allJudged : texts().nothingToJudge;
    this.hint.textContent = texts().whichPairs;
    this.said.textContent = "";
    this.sides.forEach((side) => side.hide());
    this.wait(false);
    this.go.hidden = true;
    this.dialog.focus();
  }

  /** Until the answer there are no numbers: they would tell. */
  wait(isAsking) {
    this.tie.hidden = !isAsking;
    this.go.hidden = isAsking;
    const given = answers();
    const lines = isAsking ? [] : [...standing(given), ...leftOut(this.left)];
    this.standing.replaceChildren(...lines.map((line) => element("p", { class: "hint" }, line)));
    this.reset.textContent = texts().startOver;
    this.reset.hidden = this.save.hidden = isAsking || !given.length;
  }

  /** Asks once more: what is forgotten is gone. */
  startOver() {
    if (this.reset.textContent !== texts().startOver) {
      forgetAnswers();
      this.wait(false);
    } else this.reset.textContent = texts().startOverAsks;
  }
}

/** One of the two pictures: a button, and what it was. */
class Side {
  constructor(side, take) {
    this.picture = element("canvas");
    this.button = button("", take, { class: "take", "aria-label": [texts().leftPicture, texts().rightPicture][side] });
    this.button.append(this.picture);
    this.was = element("p", { class: "was" });
    this.element = element("div", { class: "side" }, this.button, this.was);
  }

  /** Both in the size of the smaller one: of earlier runs only small pictures are kept, and that would tell. */
  show(image, [width, height]) {
    [this.picture.width, this.picture.height] = [width, height];
    this.picture.getContext("2d").drawImage(image, 0, 0, width, height);
    this.element.hidden = false;
    this.button.disabled = false;
    this.button.classList.remove("taken");
    this.was.textContent = "";
  }

  tell(was, isTaken) {
    this.was.textContent = was;
    this.button.disabled = true;
    this.button.classList.toggle("taken", isTaken);
  }

  hide() {
    this.element.hidden = true;
  }
}

async function picturesOf({ board, image, winner, own }) {
  const load = async (entry) => {
    const picture = new Image();
    picture.src = pictureURL("picture", board.board, image, entry);
    await picture.decode();
    return picture;
  };
  const asked = [load(own), load(winner), candidate(board.board, image, winner.index)];
  const [without, best, { scores }] = await Promise.all(asked);
  return { own: without, winner: best, judge: Object.keys(scores).join(" + ") };
}

/** How it stands, in sentences. */
function standing(given) {
  if (!given.length) return [];
  const all = tally(given);
  const lines = all.of ? [texts().tally(all.won, all.of), texts().byChance(all.won, all.of, percent(chance(all)))] : [];
  if (all.ties) lines.push(texts().ties(all.ties));
  const judges = byJudge(given);
  if (judges.length > 1) lines.push(...judges.map(([judge, { won, of, ties }]) => texts().tallyOf(judge, won, of, ties)));
  return lines;
}

const leftOut = (left) =>
  Object.entries(left)
    .filter(([, count]) => count)
    .map(([why, count]) => texts().leftOut[why](count));

function shuffled(all) {
  const left = [...all];
  return all.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
