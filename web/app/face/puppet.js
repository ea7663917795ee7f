/**
 * Where a figure attaches to the talk: a face of your own, a Live2D model, a lamp.
 *
 *     import { attach } from "./face/puppet.js";
 *     attach({
 *       onMouth: (openness) => ...,   // 0 to 1, some 40 times a second while the voice really sounds, 0 at its end
 *       onEmotion: (name) => ...,     // happy sad angry fearful disgusted surprised calm auto, as each sentence begins
 *     });
 *
 * A worked example for Live2D: examples/live2d.html.
 */

/** @typedef {{onMouth?: (openness: number) => void, onEmotion?: (name: string) => void}} Figure */

/** @type {Set<Figure>} */
const figures = new Set();

/** @param {Figure} figure */
export function attach(figure) {
  figures.add(figure);
  return () => void figures.delete(figure);
}

const SILENT = 0.008;
const LOUD = 0.16;

/** How loud the voice is now, as the player says it. @param {number} level */
export function hearVoice(level) {
  const loudness = Math.max(0, Math.min(1, (level - SILENT) / (LOUD - SILENT)));
  for (const figure of figures) figure.onMouth?.(loudness ** 0.6); // ears and mouths are not linear
}

/** @param {string} name */
export function feel(name) {
  for (const figure of figures) figure.onEmotion?.(name);
}
