/**
 * What is known of the boards of the open workflow.
 *
 * A board is what the server last said of it (search/board/board.py, Board.message), with `images`: for each image of the
 * batch a Map from index to candidate.
 */

import { decimals } from "./numbers.js";

const boards = new Map();

export function forgetAll() {
  boards.clear();
}

/** Take in what the server says. Returns the board, or null when something before it is missing. */
export function take({ candidates, ...said }) {
  const known = boards.get(said.board);
  if (said.since > (known?.revision ?? 0)) return null;
  const isOlder = known?.stopped ? known.revision >= said.revision : known?.revision > said.revision;
  if (isOlder) return known; // people may mark candidates after the end
  const images = known?.images ?? candidates.map(() => new Map());
  candidates.forEach((entries, image) => entries.forEach((entry) => images[image].set(entry.index, filled(entry))));
  if (said.stopped) images.forEach(forgetBegun);
  const board = { ...said, images, heard: performance.now() };
  if (!known) forgetOthers(board);
  boards.set(board.board, board);
  return board;
}

/** A board from all that the server has of it. */
export const whole = ({ candidates, ...said }) => ({
  ...said,
  images: candidates.map((entries) => new Map(entries.map((entry) => [entry.index, filled(entry)]))),
});

/** A candidate that has only begun has a number and a step. */
const filled = (entry) =>
  entry.begun ? { ...entry, running: true, score: null, nfe: 0, repeats: null, seed: null } : entry;

function forgetBegun(image) {
  for (const entry of [...image.values()].filter(({ begun }) => begun)) image.delete(entry.index);
}

/** A node shows the searches of one prompt, the last. */
function forgetOthers({ node, prompt }) {
  for (const other of boardsOfNode(node)) {
    if (other.prompt !== prompt) boards.delete(other.board);
  }
}

export const revisionOf = (id) => boards.get(id)?.revision ?? 0;

/** Those of a node, in the order they began. */
export const boardsOfNode = (node) => [...boards.values()].filter((board) => board.node === node);

/** Those of the nodes in the subgraph that this node is. */
export const boardsInside = (node) => [...boards.values()].filter((board) => board.node.startsWith(`${node}:`));

/** Those that run and were not heard of for so many milliseconds. */
export const silentFor = (milliseconds) =>
  [...boards.values()].filter((board) => !board.stopped && performance.now() - board.heard > milliseconds);

/** A board that the server does not know any more: as it is shown from now on. */
export function lose(id) {
  const board = boards.get(id);
  if (!board) return null;
  board.images.forEach(forgetBegun);
  boards.set(id, { ...board, stopped: "interrupted", hands: { count: 0, first: [] } });
  return boards.get(id);
}

/**
 * The candidates of an image as people want to see them: finished ones first, failed ones last, each kind by score.
 * away: those that somebody else has, see hands.js.
 */
export function ranked(board, image, away = []) {
  const kind = (entry) => (entry.failed ? 3 : entry.running ? 1 : entry.step === null ? 0 : 2);
  const entries = [...board.images[image].values(), ...away];
  return entries.sort((one, other) => kind(one) - kind(other) || worth(other) - worth(one));
}

/** What is only begun comes after what has a score. */
const worth = (entry) => entry.score ?? -Number.MAX_VALUE;

/** Whether this is the image without search, on few steps or in full. */
export const isBaseline = (entry) => entry.index === 0 || entry.repeats === 0;

/** How many decimals the scores of an image's candidates have. */
export const scoreDecimals = (board, image) =>
  decimals([...board.images[image].values()].filter((entry) => !entry.failed).map((entry) => entry.score));

/** The image without search, when it ran to its end and has not failed. */
export function baseline(board, image) {
  const isThere = (entry) => entry.step === null && !entry.running && !entry.failed;
  return [...board.images[image].values()].find((entry) => isBaseline(entry) && isThere(entry));
}
