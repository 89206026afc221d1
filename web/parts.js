import { element } from "./dom.js";
import { fixed } from "./numbers.js";

/** What verifiers told of an image's parts, such as words or requirements: {text, score, holds, read}, those of all. */
export const partsOf = (entry) => Object.values(entry.details ?? {}).flat();

/** A line below a tile: each word as it stands in the picture, each requirement as a tick or a cross. */
export function partsLine(entry) {
  return partsOf(entry).map((part) => {
    const said = part.read === undefined ? mark(part) : part.read || "–";
    return element("span", { class: part.holds ? "holds" : "fails", title: described(part) }, said);
  });
}

/** A list of all parts, large; none of a candidate without. */
export function partsList(entry) {
  const rows = partsOf(entry).map((part) => element("li", { class: part.holds ? "holds" : "fails" }, described(part)));
  return rows.length ? [element("ul", { class: "parts" }, ...rows)] : [];
}

/** All parts in a row, as text. */
export const partsText = (entry) => partsOf(entry).map(described).join(", ");

const mark = (part) => (part.holds ? "✓" : "✗");

function described(part) {
  const stands = part.read === undefined || part.read === part.text ? "" : ` → ${part.read || "–"}`;
  return `${mark(part)} ${part.text}${stands} (${fixed(part.score, 2)})`;
}
