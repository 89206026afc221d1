import { app } from "../../scripts/app.js";
import { element } from "./dom.js";
import { headline } from "./headline.js";
import { decimals } from "./numbers.js";
import { recipePanel } from "./recipe.js";
import { texts } from "./texts.js";

const KEY = "noise_search"; // in the workflow's `extra`, and in the metadata of saved pictures: see search/host/prompts.py

const PERSON = "a person"; // as in search/records/report.py

/** What the open workflow, or the picture it came from, says of an earlier search: the winners by search node. */
export function savedResults() {
  const results = new Map();
  for (const winner of saved()) {
    results.set(winner.node, [...(results.get(winner.node) ?? []), winner]);
  }
  return results;
}

/** A new search of this node, on another board, makes what was saved of the one before untrue. */
export function forgetSaved({ node, board }) {
  const { extra } = app.rootGraph;
  const left = saved().filter((winner) => winner.node !== node || winner.board === board);
  if (left.length) extra[KEY] = left;
  else delete extra[KEY];
}

/** A picture may come from anywhere: what is no winner is left out. */
function saved() {
  const found = app.rootGraph.extra?.[KEY];
  return Array.isArray(found) ? found.filter(isWinner) : [];
}

/** Whether this is what the report says of a winner (search/records/report.py), as far as it is shown. */
function isWinner(value) {
  const { node, board, best, baseline, nfe, candidates } = value ?? {};
  const named = [node, board].every((text) => typeof text === "string");
  return named && baseline instanceof Object && [best?.index, nfe?.total, candidates].every(Number.isFinite);
}

/** The winners of a search that is over, one per image, without its candidates. */
export function savedView(winners) {
  return element(
    "div",
    { class: "noise-search noise-search-board saved" },
    element("p", { class: "hint" }, texts().savedWith),
    ...winners.map(result),
  );
}

/** Whether a seed alone gives the image, in this workflow. */
function isPlain(recipe) {
  const { seed, moves, ...more } = recipe ?? {};
  return Number.isFinite(seed) && moves?.length === 0 && !Object.keys(more).length;
}

function result(winner, number, winners) {
  const { best, baseline, nfe, candidates, around } = winner;
  const own = baseline.score ?? null;
  const seed = isPlain(best.recipe) ? best.recipe.seed : null;
  const isOwn = best.index === 0;
  const said = { best: { ...best, seed }, own, isOwn, count: candidates, places: decimals([best.score, own]), refines: Boolean(around) };
  const cost = nfe.total ? ` · ${nfe.total} NFE` : "";
  const chosen = winner.chosen_by === PERSON ? ` · ${texts().chosenByPerson}` : "";
  return element(
    "section",
    {},
    winners.length > 1 ? element("p", { class: "hint" }, texts().image(number + 1)) : null,
    headline(said),
    element("p", { class: "hint" }, `${texts().candidateOf(best.index, candidates)}${cost}${chosen}`),
    recipePanel(best.recipe),
  );
}
