import { app } from "../../scripts/app.js";
import { digits, element } from "./dom.js";
import { recipePanel } from "./recipe.js";
import { candidate, pictureURL } from "./server.js";
import { ranked } from "./boards.js";

/** Show a candidate large, with its scores and its recipe; the arrow keys go to the next and to the one before. */
export async function openDetails(board, image, index) {
  const order = ranked(board, image);
  const dialog = element("dialog", { class: "noise-search noise-search-details" });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  let at = order.findIndex((entry) => entry.index === index);
  const go = async (step) => {
    at = (at + step + order.length) % order.length;
    await fill(dialog, board, image, order, at, go);
  };
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the canvas has keys of its own
    if (event.target.tagName !== "TEXTAREA" && event.key === "ArrowLeft") go(-1);
    if (event.target.tagName !== "TEXTAREA" && event.key === "ArrowRight") go(1);
  });
  await go(0);
  document.body.append(dialog);
  dialog.showModal();
}

async function fill(dialog, board, image, order, at, go) {
  const entry = order[at];
  let details;
  try {
    details = await candidate(board.board, image, entry.index);
  } catch (error) {
    app.extensionManager.toast.add({ severity: "warn", summary: "Noise Search", detail: error.message, life: 5000 });
    return;
  }
  const isBest = entry.index === board.best[image];
  dialog.replaceChildren(
    element("img", { src: pictureURL("picture", board.board, image, entry), alt: `Candidate ${entry.index}` }),
    element(
      "div",
      { class: "side" },
      element("h3", {}, `Candidate ${entry.index}`, isBest ? element("span", { class: "badge best" }, "best") : null),
      element("p", { class: "hint" }, `${at + 1} of ${order.length} by score`),
      table(details),
      ...remarks(entry, details).map((text) => element("p", { class: "hint" }, text)),
      recipePanel(details.recipe),
      element(
        "div",
        { class: "buttons" },
        element("button", { type: "button", title: "Better one", onclick: () => go(-1) }, "‹"),
        element("button", { type: "button", title: "Next one", onclick: () => go(1) }, "›"),
        element("button", { type: "button", class: "close", autofocus: true, onclick: () => dialog.close() }, "Close"),
      ),
    ),
  );
}

function table({ score, scores, nfe }) {
  const names = Object.keys(scores);
  const rows = [["Score", digits(score)], ...(names.length > 1 ? names.map((name) => [name, digits(scores[name])]) : [])];
  if (nfe) rows.push(["NFE", String(nfe)]);
  return element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function remarks(entry, details) {
  const remarks = [];
  if (entry.index === 0) remarks.push("The image without search: the sampler's own noise.");
  if (entry.step !== null) {
    remarks.push(`Not run to its end: the picture and the score are what was predicted after ${entry.step} steps.`);
  }
  if (!details.preview) remarks.push("A small picture: larger ones are kept of the best only.");
  if (details.recipe) remarks.push("Replay Noise makes the whole image again from this recipe.");
  return remarks;
}
