import { api } from "../../scripts/api.js";

const BOARDS = "/noise_search/boards";

/** The server's answer to what it can not do, as people can read it. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  const response = await api.fetchApi(BOARDS + path, options);
  if (!response.ok) throw new Refused(await response.text(), response.status);
  return response.json();
}

/** The boards of the latest searches in a workflow, and those of these ids that the server still has. */
export const boardsOf = (workflow, ids) =>
  ask(`?${new URLSearchParams([["workflow", workflow], ...ids.map((id) => ["board", id])])}`);

/** The boards of all searches that are running, and those of these ids that the server still has. */
export const runningBoards = (ids) =>
  ask(`?${new URLSearchParams([["running", ""], ...ids.map((id) => ["board", id])])}`);

/** The boards of all searches that have ended, as far as the server still has them. */
export const endedBoards = () => ask("?ended");

/** What is new on a board since a revision. */
export const boardSince = (board, revision) => ask(`/${board}?since=${revision}`);

/** The search ends with the best so far. */
export const keepBest = (board) => ask(`/${board}/keep_best`, { method: "POST" });

/** The candidates, of each image, that go on after a cut by hand. */
export const answer = (board, step, keep) =>
  ask(`/${board}/answer`, { method: "POST", body: JSON.stringify({ step, keep }) });

/** The search ends with this candidate. */
export const useCandidate = (board, image, index) => ask(`/${board}/${image}/${index}/use`, { method: "POST" });

/** What a person thinks of a candidate: `star`, `reject`, or null to take that back. */
export const markCandidate = (board, image, index, mark) =>
  ask(`/${board}/${image}/${index}/mark?as=${mark ?? ""}`, { method: "POST" });

/** The next run of its node searches, whatever ComfyUI has in its cache. */
export const goOn = (board) => ask(`/${board}/go_on`, { method: "POST" });

/** A candidate's scores and recipe. */
export const candidate = (board, image, index) => ask(`/${board}/${image}/${index}`);

/** The address of a candidate's picture, `tile` or `picture`; another one when the picture has changed. */
export function pictureURL(kind, board, image, entry) {
  const at = entry.running ? `${entry.step}-${entry.begun ? "begun" : "running"}` : (entry.step ?? "end");
  return api.apiURL(`${BOARDS}/${board}/${image}/${entry.index}/${kind}?at=${at}`);
}
