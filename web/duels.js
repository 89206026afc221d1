import { baseline, isBaseline } from "./boards.js";

const KEY = "noise_search.duels"; // in the browser's storage
export const [WINNER, OWN, NEITHER] = ["winner", "without search", "no difference"]; // what people answer

const COLUMNS = {
  time: (answer) => answer.time,
  board: (answer) => answer.board,
  node: (answer) => answer.node,
  image: (answer) => answer.image,
  judged_by: (answer) => answer.judge,
  winner: (answer) => answer.winner.index,
  winner_seed: (answer) => answer.winner.seed,
  winner_score: (answer) => answer.winner.score,
  score_without_search: (answer) => answer.own.score,
  winner_was: (answer) => answer.side,
  preferred: (answer) => answer.preferred,
};

/**
 * The pairs that the searches on these boards make: the winner and the image without search, each {board, image, key,
 * winner, own}. A search that goes on and finds the same makes no second one: its scores are the same to the last digit.
 * left: how many make none, by why.
 */
export function pairsOf(boards) {
  const pairs = new Map();
  const left = { isOwn: 0, noOwn: 0, byPerson: 0, refines: 0 };
  for (const board of boards) {
    board.images.forEach((candidates, image) => {
      const [winner, own] = [candidates.get(board.best[image]), baseline(board, image)];
      const key = [board.node, image, winner?.index, winner?.score, own?.score].join("/");
      if (board.refines) left.refines += 1;
      else if (!winner || !own) left.noOwn += 1;
      else if (board.chosen[image] !== null) left.byPerson += 1;
      else if (isBaseline(winner)) left.isOwn += 1;
      else pairs.set(key, { board, image, key, winner, own });
    });
  }
  return { pairs: [...pairs.values()], left };
}

/** What people have answered so far, in this browser. */
export const answers = () => JSON.parse(localStorage.getItem(KEY) ?? "[]");

/** side: where the winner was. judge: the names of the verifiers. */
export function remember({ board, image, key, winner, own }, { preferred, side, judge }) {
  const { index, seed, score } = winner;
  const pair = { key, board: board.board, node: board.node, image, winner: { index, seed, score }, own: { score: own.score } };
  const answer = { ...pair, time: new Date().toISOString(), preferred, side, judge };
  localStorage.setItem(KEY, JSON.stringify([...answers(), answer]));
}

export const forgetAnswers = () => localStorage.removeItem(KEY);

/** won: how often the winner was preferred, of how many; ties are apart. */
export function tally(given) {
  const count = (what) => given.filter(({ preferred }) => preferred === what).length;
  return { won: count(WINNER), of: count(WINNER) + count(OWN), ties: count(NEITHER) };
}

/** By the names of the verifiers. */
export function byJudge(given) {
  const judges = [...new Set(given.map(({ judge }) => judge))].sort();
  return judges.map((judge) => [judge, tally(given.filter((answer) => answer.judge === judge))]);
}

/** How likely at least so many of so many are where each is heads or tails: the sign test, one-sided. */
export function chance({ won, of }) {
  let [sum, log] = [0, -of * Math.LN2]; // of all of them
  for (let count = of; count >= won; count--) {
    sum += Math.exp(log);
    log += Math.log(count) - Math.log(of - count + 1); // one less
  }
  return Math.min(1, sum);
}

/** A table of all answers. */
export function csv(given) {
  const rows = given.map((answer) => Object.values(COLUMNS).map((value) => cell(value(answer))));
  return [Object.keys(COLUMNS), ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

const cell = (value) => (/[",\r\n]/.test(value ?? "") ? `"${value.replaceAll('"', '""')}"` : (value ?? ""));
