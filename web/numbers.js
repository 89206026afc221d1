const SIGNIFICANT = 4; // digits of a score, unless it is far below the others
const TELLING = 2; // digits of how far scores are apart
const MOST_PLACES = 6;
const FAR = 8; // times the median distance from the median: below that a score is off the chart, as in report_plot.py

/** With so many decimals; a dash for no number. */
export const fixed = (number, places) => (Number.isFinite(number) ? number.toFixed(places) : "–");

/** A share in percent: 50 %, 7.3 %, < 0.1 % */
export const percent = (share) =>
  share < 0.001 ? "< 0.1 %" : `${fixed(100 * share, share < 0.1 ? 1 : 0)} %`;

/** +0.44, -0.10 */
export const difference = (number, places) => `${number < 0 ? "" : "+"}${fixed(number, places)}`;

/** How many decimals show these scores, all with the same number of them. */
export function decimals(scores) {
  const sorted = scores.filter(Number.isFinite).sort((one, other) => one - other);
  if (!sorted.length) return 2;
  const typical = SIGNIFICANT - digitsBefore(Math.max(Math.abs(lowest(sorted)), Math.abs(sorted.at(-1))));
  const apart = sorted.at(-1 - Math.floor(sorted.length / 4)) - sorted[Math.floor(sorted.length / 4)];
  return Math.min(MOST_PLACES, Math.max(0, typical, apart ? TELLING - digitsBefore(apart) : 0));
}

/** Where a chart of these scores begins: one that is far below the others does not press those together. */
export function lowest(scores) {
  const middle = median(scores);
  const apart = median(scores.map((score) => Math.abs(score - middle)));
  return Math.min(...scores.filter((score) => !apart || score >= middle - FAR * apart));
}

/** 2 for 13.18, 0 for 0.97, -1 for 0.097; 1 for nothing at all. */
const digitsBefore = (number) => (number ? Math.floor(Math.log10(number)) + 1 : 1);

function median(numbers) {
  const sorted = [...numbers].sort((one, other) => one - other);
  const last = sorted.length - 1;
  return (sorted[Math.floor(last / 2)] + sorted[Math.ceil(last / 2)]) / 2;
}
