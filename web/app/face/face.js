/** The living figure: it breathes, blinks, feels what it says, and its mouth follows the sound that is really played. */

import { drawing } from "./drawing.js";
import { expressionOf } from "./expressions.js";
import { brow, eye, mouth } from "./features.js";
import { lookOf } from "./looks.js";

let figures = 0;

/** What is a number in an expression, and moves towards its aim. */
const MOVING = /** @type {const} */ ([
  "open", "lower", "brow", "tilt", "smile", "wide", "pupil", "blush", "lookX", "lookY", "nod", "closed",
]);

const EASE_S = 0.11;
const BLINK_S = 0.16;
const FRAME_MS = 28; // some 30 pictures a second are enough, and spare a phone's battery

export class Face {
  #aim = expressionOf("auto");
  #now = { ...expressionOf("auto") };
  #mouthAim = 0;
  #mouth = 0;
  #last = 0;
  #blinkAt = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLElement} place @param {string} character @param {boolean} alive a small one in a list is still */
  constructor(place, character, alive = true) {
    place.innerHTML = drawing(lookOf(character), `face${++figures}`);
    this.svg = /** @type {SVGSVGElement} */ (place.firstElementChild);
    this.draw(0);
    if (alive) requestAnimationFrame((now) => this.#frame(now));
  }

  /** @param {string} name */
  feel(name) {
    this.#aim = expressionOf(name);
    this.svg.dataset.emotion = name;
    for (const mark of this.#all(".mark")) mark.classList.toggle("shown", mark.classList.contains(this.#aim.mark || "-"));
  }

  /** @param {number} openness 0 to 1 */
  speak(openness) {
    this.#mouthAim = openness;
  }

  /** @param {number} time of requestAnimationFrame */
  #frame(time) {
    if (!this.svg.isConnected) return;
    if (time - this.#last < FRAME_MS) return void requestAnimationFrame((next) => this.#frame(next));
    const seconds = Math.min(0.1, (time - this.#last) / 1000);
    this.#last = time;
    const step = 1 - Math.exp(-seconds / EASE_S);
    for (const name of MOVING) this.#now[name] += (this.#aim[name] - this.#now[name]) * step;
    this.#mouth += (this.#mouthAim - this.#mouth) * (1 - Math.exp(-seconds / 0.03));
    this.draw(time / 1000);
    requestAnimationFrame((next) => this.#frame(next));
  }

  /** How far the eyes are open for the blink. @param {number} time */
  #blink(time) {
    if (time > this.#blinkAt + BLINK_S) {
      const twice = Math.random() < 0.15;
      this.#blinkAt = time + (twice ? 0.1 : 2 + 3.5 * Math.random());
    }
    const since = time - this.#blinkAt;
    return since < 0 ? 1 : Math.abs(2 * (since / BLINK_S) - 1);
  }

  /** @param {number} time in seconds */
  draw(time) {
    const now = this.#now;
    const parts = eye(now.open * (time ? this.#blink(time) : 1), now.lower, now.closed);
    for (const [name, path] of Object.entries(parts)) this.#set(`.${name}`, { d: path });
    const look = `translate(${now.lookX.toFixed(1)} ${now.lookY.toFixed(1)})`;
    const mirrored = `translate(${(-now.lookX).toFixed(1)} ${now.lookY.toFixed(1)})`;
    this.#set(".iris.left, .shine.left", { transform: look });
    this.#set(".iris.right, .shine.right", { transform: mirrored });
    this.#set(".pupil", { transform: `scale(${now.pupil.toFixed(2)})` });
    this.#set(".brow", { d: brow(now.brow, now.tilt) });
    this.#set(".blush", { opacity: now.blush.toFixed(2) });
    this.#drawMouth();
    this.#sway(time);
  }

  #drawMouth() {
    const { line, inside, tongue, openness } = mouth(this.#mouth, this.#now.smile, this.#now.wide);
    this.#set(".line", { d: line });
    this.#set(".inside", { d: inside, opacity: openness > 0.06 ? "1" : "0" });
    this.#set(".tongue", { cx: String(tongue.x), cy: String(tongue.y), rx: String(tongue.rx), ry: String(tongue.ry) });
    this.svg.dataset.mouth = openness.toFixed(2);
  }

  /** @param {number} time */
  #sway(time) {
    const moves = this.#still.matches ? 0 : 1;
    const turn = moves * 1.1 * Math.sin(time * 0.9);
    const rise = moves * 1.6 * Math.sin(time * 1.9) + this.#now.nod - 2.2 * this.#mouth;
    this.#set(".head", { transform: `translate(0 ${rise.toFixed(2)}) rotate(${turn.toFixed(2)} 200 340)` });
    this.#set(".swing", { transform: `translate(0 ${(rise * 0.6).toFixed(2)}) rotate(${(turn * 0.5).toFixed(2)} 200 60)` });
  }

  /** @type {Map<string, Element[]>} */ #found = new Map();

  /** @param {string} selector */
  #all(selector) {
    const known = this.#found.get(selector) ?? [...this.svg.querySelectorAll(selector)];
    this.#found.set(selector, known);
    return known;
  }

  /** @param {string} selector @param {Record<string, string>} attributes */
  #set(selector, attributes) {
    for (const element of this.#all(selector)) {
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    }
  }
}
