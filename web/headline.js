import { element } from "./dom.js";
import { difference, fixed } from "./numbers.js";
import { texts } from "./texts.js";

/**
 * What a search has come to, in words: "13.18 +0.44 over your image, seed 12".
 *
 * best: its score and, where a seed alone gives the image again, that. own: the score of the image without search, null
 * when there is none. isOwn: whether that is the best. count: of candidates. places: decimals of a score. refines:
 * whether own is that of an image which the search went on from.
 */
export function headline({ best, own, isOwn, count, places, refines }) {
  const { over, ownIsBest } = refines ? texts().refined : texts();
  const gain = own === null ? texts().bestOf(count) : over(difference(best.score - own, places));
  const words = isOwn ? [ownIsBest(count)] : [gain];
  if (best.seed != null) words.push(texts().seed(best.seed));
  return element("p", { class: "score" }, element("b", {}, fixed(best.score, places)), ` ${words.join(texts().comma)}`);
}

/** A headline where nothing has a score yet. */
export const noHeadline = () => element("p", { class: "score" }, element("b", {}, "–"), ` ${texts().nothingFinished}`);
