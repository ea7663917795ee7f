/** How long each step of a turn took: a small chart, and the same as a table for who cannot see it. */

import { tell } from "../language.js";
import { byId, make } from "./dom.js";

/** @typedef {import("../talk/timings.js").Timings} Timings */
/** @typedef {import("../talk/timings.js").TurnTimes} TurnTimes */

const WIDTH = 300;
const ROW = 22;
const LABELS = 108;
const SVG = "http://www.w3.org/2000/svg";

/** @param {Timings} timings */
export function showLatency(timings) {
  const place = byId("latency", HTMLElement);
  const last = timings.turns.at(-1);
  if (!last) {
    place.replaceChildren(make("p", { class: "note", text: tell("noTurns") }));
    return;
  }
  const median = timings.median === null ? "–" : tell("milliseconds", { value: timings.median });
  const head = make("p", { class: "median" }, make("span", { text: tell("median") }), make("b", { text: median }));
  const marks = stepsOf(last);
  place.replaceChildren(head, historyOf(timings.turns), chartOf(marks), tableOf(marks));
}

/** In the order in which they happened. @param {TurnTimes} turn @returns {[string, number][]} */
function stepsOf({ marks, heard }) {
  const all = heard === null ? marks : [...marks, /** @type {[string, number]} */ (["heard", heard])];
  return all.sort((a, b) => a[1] - b[1]);
}

/** @param {string} tag @param {Record<string, string | number>} attributes @param {string} [text] */
function draw(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text) element.textContent = text;
  return element;
}

/** Each step is a bar from the one before it to itself. @param {[string, number][]} marks */
function chartOf(marks) {
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${marks.length * ROW}`, class: "chart", "aria-hidden": "true" });
  // What a listener waits for fills the chart; the end of the reply, seconds later, may run out of it.
  const end = Math.max(1, ...marks.filter(([name]) => name !== "audio_end").map(([, at]) => 1.25 * at));
  const place = (/** @type {number} */ at) => LABELS + Math.min(1, at / end) * (WIDTH - LABELS - 44);
  let before = 0;
  marks.forEach(([name, at], row) => {
    const y = row * ROW;
    const width = Math.max(2, place(at) - place(before));
    svg.append(
      draw("text", { x: 0, y: y + 15, class: "step" }, tell(name)),
      draw("rect", { x: place(before), y: y + 5, width, height: 12, rx: 3, class: `bar-${name}` }),
      draw("text", { x: place(at) + 5, y: y + 15, class: "value" }, String(Math.round(at))),
    );
    before = at;
  });
  return svg;
}

/** @param {[string, number][]} marks */
function tableOf(marks) {
  const head = make("tr", {}, make("th", { scope: "col", text: tell("step") }), make("th", { scope: "col", text: tell("time") }));
  const rows = marks.map(([name, at]) =>
    make("tr", {}, make("th", { scope: "row", text: tell(name) }), make("td", { text: tell("milliseconds", { value: Math.round(at) }) })),
  );
  return make("table", { class: "unseen" }, make("caption", { text: tell("lastTurn") }), head, ...rows);
}

/** First sounds of the last turns as small columns. @param {TurnTimes[]} turns */
function historyOf(turns) {
  const heard = turns.slice(-30).map((turn) => turn.heard ?? 0);
  const most = Math.max(1, ...heard);
  const svg = draw("svg", { viewBox: "0 0 300 34", class: "history", "aria-hidden": "true" });
  heard.forEach((ms, i) => {
    const height = Math.max(1, (ms / most) * 32);
    svg.append(draw("rect", { x: i * 10, y: 34 - height, width: 7, height, rx: 2 }));
  });
  return svg;
}
