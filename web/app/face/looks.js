/** How each character looks where there is no portrait: colours and hair. Others get colours of their own by their name. */

/**
 * @typedef {{hair: string, shade: string, deep: string, shine: string, eye: string, eyeDeep: string, coat: string,
 *   ribbon: string, clip: string, long: boolean}} Look
 */

/** @type {Record<string, Look>} */
const LOOKS = {
  anon: {
    hair: "#f7a8bd", shade: "#ee86a3", deep: "#cf5f82", shine: "#ffe0e9", eye: "#8fb6c9", eyeDeep: "#3f5f7d",
    coat: "#5b6784", ribbon: "#e0567f", clip: "#ffd166", long: true,
  },
  tomori: {
    hair: "#b5aaa6", shade: "#978b88", deep: "#6d6260", shine: "#e2dcda", eye: "#e0a37e", eyeDeep: "#8a4a32",
    coat: "#4d5b6a", ribbon: "#6fa0c4", clip: "#8fd0e8", long: false,
  },
};

/** @param {string} name @returns {Look} */
export function lookOf(name) {
  if (Object.hasOwn(LOOKS, name)) return LOOKS[name];
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  const color = (/** @type {number} */ turn, /** @type {number} */ s, /** @type {number} */ l) => `hsl(${(hue + turn) % 360} ${s}% ${l}%)`;
  return {
    hair: color(0, 42, 66), shade: color(0, 38, 56), deep: color(0, 32, 40), shine: color(0, 60, 88),
    eye: color(180, 45, 60), eyeDeep: color(180, 45, 30), coat: color(220, 18, 42), ribbon: color(40, 60, 55),
    clip: color(90, 65, 65), long: hue % 2 === 0,
  };
}
