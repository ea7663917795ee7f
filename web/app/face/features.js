/** The parts of the face that move, as paths: numbers in, `d` of SVG out. Knows no screen. */

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;

/** @param {TemplateStringsArray} parts @param {...number} numbers */
function d(parts, ...numbers) {
  return parts.map((part, i) => part + (i < numbers.length ? round(numbers[i]) : "")).join("");
}

const HALF_WIDTH = 27;
const UP = 30; // from the line between the corners to the middle of the upper lid, and below to the lower one
const DOWN = 23;

/**
 * One eye, its outer corner to the left; the other one is its mirror image.
 * @param {number} open 0 is shut @param {number} lower how far the lower lid is raised
 * @param {number} closed which way the shut lids bend: 1 as in a laugh, -1 as in sleep
 */
export function eye(open, lower, closed) {
  const shut = Math.max(0, 1 - open * 2.2);
  const bend = closed * 13 * shut;
  const top = -UP * Math.max(0, open) * (1 - shut) - bend;
  const bottom = DOWN * Math.max(0, open) * (1 - 0.55 * lower) * (1 - shut) - bend;
  const w = HALF_WIDTH;
  const upper = d`M${-w} ${2}C${-w + 3} ${top * 0.95} ${-6} ${top * 1.22} ${6} ${top * 1.12}S${w - 1} ${top * 0.62} ${w} ${4}`;
  return {
    opening: `${upper}${d`C${w - 4} ${bottom * 0.95} ${8} ${bottom * 1.2} ${-3} ${bottom * 1.16}S${-w + 2} ${bottom * 0.8} ${-w} ${2}Z`}`,
    lash: `${upper}${d`C${w - 4} ${top * 0.5} ${10} ${top * 1.0 + 6} ${4} ${top * 1.02 + 5}S${-w + 6} ${top * 0.78 + 5} ${-w} ${2}L${-w - 7} ${-3}L${-w + 1} ${-6}Z`}`,
    crease: d`M${-w + 4} ${top * 0.98 - 9}C${-10} ${top * 1.24 - 9} ${10} ${top * 1.24 - 9} ${w - 6} ${top * 0.66 - 6}`,
    under: d`M${-w + 9} ${bottom * 0.92 + 2}C${-6} ${bottom * 1.18 + 2} ${6} ${bottom * 1.18 + 2} ${w - 10} ${bottom * 0.86 + 1}`,
  };
}

/** @param {number} raise @param {number} tilt degrees; inner end down is positive. For the left eye; mirrored for the right. */
export function brow(raise, tilt) {
  const inner = tilt * 0.55;
  const outer = -tilt * 0.25;
  return d`M${-25} ${4 - raise + outer}C${-14} ${-6 - raise + outer * 0.5} ${4} ${-8 - raise + inner * 0.5} ${23} ${-1 - raise + inner}C${4} ${-4 - raise + inner * 0.5} ${-12} ${-1 - raise + outer * 0.5} ${-25} ${4 - raise + outer}Z`;
}

/** @param {number} open 0 to 1 @param {number} smile -1 to 1 @param {number} wide 1 is as drawn */
export function mouth(open, smile, wide) {
  const w = 15 * wide * (1 - 0.12 * open);
  const corner = -4.5 * smile;
  const bow = 6.5 * smile;
  const gap = open * (15 + 3 * Math.max(0, smile));
  const top = bow - gap * 0.28;
  const bottom = bow + gap;
  return {
    line: d`M${-w} ${corner}Q${-w * 0.45} ${top} ${0} ${top}Q${w * 0.45} ${top} ${w} ${corner}`,
    inside: d`M${-w} ${corner}Q${-w * 0.45} ${top} ${0} ${top}Q${w * 0.45} ${top} ${w} ${corner}C${w * 0.8} ${bottom * 0.9 + 1} ${w * 0.45} ${bottom + 2} ${0} ${bottom + 2}S${-w * 0.8} ${bottom * 0.9 + 1} ${-w} ${corner}Z`,
    tongue: { x: 0, y: round(bottom + 2), rx: round(w * 0.62), ry: round(Math.max(0, gap * 0.5)) },
    openness: open,
  };
}
