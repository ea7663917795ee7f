/**
 * What each emotion looks like. A line more is an emotion more.
 *
 * `open` of the eyes, 1 is as drawn; `lower` raises the lower lid; `brow` raises the brows, `tilt` turns their inner
 * ends down (angry) or up (sad); `smile` of the mouth from -1 to 1; `wide` of the mouth; `pupil` its size; `blush`;
 * `look` where the eyes look, right and down; `closed` is how the eyes look when shut: up like a laugh, or down.
 *
 * @typedef {{open: number, lower: number, brow: number, tilt: number, smile: number, wide: number, pupil: number,
 *   blush: number, lookX: number, lookY: number, nod: number, closed: number, mark: "" | "sweat" | "tear" | "vein" |
 *   "sparkle" | "gloom"}} Expression
 */

/** @type {Expression} */
const REST = {
  open: 1, lower: 0, brow: 0, tilt: 0, smile: 0.35, wide: 1, pupil: 1, blush: 0.45, lookX: 0, lookY: 0, nod: 0,
  closed: -1, mark: "",
};

/** @type {Record<string, Expression>} */
export const EXPRESSIONS = {
  auto: REST,
  calm: { ...REST, open: 0.84, smile: 0.42, brow: 1, wide: 0.92 },
  happy: { ...REST, open: 0.9, lower: 0.5, brow: 5, smile: 1, wide: 1.3, blush: 0.9, nod: -1.5, closed: 1, mark: "sparkle" },
  sad: { ...REST, open: 0.72, brow: 1, tilt: -13, smile: -0.6, wide: 0.85, blush: 0.25, lookX: -2, lookY: 5, nod: 3, mark: "tear" },
  angry: { ...REST, open: 0.82, lower: 0.25, brow: -5, tilt: 15, smile: -0.55, wide: 0.95, blush: 0.75, mark: "vein" },
  fearful: { ...REST, open: 1.12, brow: 7, tilt: -11, smile: -0.4, wide: 0.75, pupil: 0.7, blush: 0.05, mark: "gloom" },
  disgusted: { ...REST, open: 0.56, lower: 0.35, brow: -3, tilt: 7, smile: -0.7, wide: 0.8, blush: 0.1, lookX: 6, mark: "sweat" },
  surprised: { ...REST, open: 1.18, brow: 12, smile: 0, wide: 0.62, pupil: 0.82, blush: 0.5, nod: -2 },
  thinking: { ...REST, open: 0.9, brow: 4, tilt: -3, smile: 0.1, wide: 0.7, lookX: 6, lookY: -8, nod: -1 },
};

/** @param {string} name */
export const expressionOf = (name) => EXPRESSIONS[name] ?? REST;
