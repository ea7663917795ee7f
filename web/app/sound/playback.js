/**
 * The voice between what came and what sounds: samples in, blocks of sound out, and a word every few milliseconds.
 *
 * It begins with a cushion of 60 ms, makes it larger where it runs dry, and fades out within 5 ms when told to stop.
 * Knows no browser and no clock: time is counted in samples. Who calls it: loudspeaker.js, player_worklet.js.
 */

import { Ring } from "./ring.js";

const REPORT_EVERY_S = 0.024; // a little more often than a screen needs
const FIRST_CUSHION_S = 0.06; // one chunk is 80 ms: the first one may begin at once
const LARGEST_CUSHION_S = 0.4;
const FADE_S = 0.005; // an end without a click

/** @typedef {{kind: "play", pcm: Int16Array, turn: number, sentence: number} | {kind: "end"} | {kind: "stop"}} Order */
/**
 * @typedef {{kind: "progress", turn: number, playedMs: number, level: number, flowing: boolean} |
 *   {kind: "sentence", turn: number, sentence: number} | {kind: "ended" | "stopped" | "dry", turn: number}} Word
 */

export class Playback {
  /** @param {number} rate samples a second @param {(word: Word) => void} tell */
  constructor(rate, tell) {
    this.rate = rate;
    this.tell = tell;
    this.ring = new Ring();
    this.cushion = FIRST_CUSHION_S * rate;
    this.flowing = false;
    this.whole = false; // nothing more will come: what waits need not wait for more
    this.fading = 0;
    this.turn = 0;
    this.played = 0; // samples of this turn
    this.since = 0; // samples since the last report
    this.energy = 0;
  }

  /** @param {Order} order */
  take(order) {
    if (order.kind === "play") {
      if (this.fading) this.silence();
      this.whole = false;
      this.ring.write(order.pcm, order.turn, order.sentence);
    } else if (order.kind === "end") {
      this.whole = true;
      if (!this.ring.waiting) this.rest();
    } else if (this.flowing) {
      this.fading = Math.round(FADE_S * this.rate);
    } else {
      this.silence();
    }
  }

  /** The next block of sound; `out` comes silent. @param {Float32Array} out */
  fill(out) {
    const enough = this.ring.waiting >= (this.whole ? 1 : this.cushion);
    if (!this.flowing && enough) this.flowing = true;
    if (this.flowing) this.render(out);
    for (let i = 0; i < out.length; i++) this.energy += out[i] * out[i];
    this.since += out.length;
    if (this.since >= REPORT_EVERY_S * this.rate) this.report();
  }

  /** @param {Float32Array} out */
  render(out) {
    const count = this.ring.read(out);
    for (const { turn, sentence } of this.ring.passed()) {
      if (turn !== this.turn) this.played = 0;
      this.turn = turn;
      this.tell({ kind: "sentence", turn, sentence });
    }
    this.played += count;
    if (this.fading) this.fade(out);
    else if (count < out.length) this.rest();
  }

  /** It has run dry: at the end of a reply as it should be, else the next pause is made longer. */
  rest() {
    this.flowing = false;
    if (this.whole) {
      this.tell({ kind: "ended", turn: this.turn });
      this.cushion = FIRST_CUSHION_S * this.rate;
    } else {
      this.cushion = Math.min(LARGEST_CUSHION_S * this.rate, 2 * this.cushion);
      this.tell({ kind: "dry", turn: this.turn });
    }
    this.whole = false;
  }

  /** @param {Float32Array} out */
  fade(out) {
    const whole = Math.round(FADE_S * this.rate);
    for (let i = 0; i < out.length; i++) out[i] *= Math.max(0, this.fading - i) / whole;
    this.fading = Math.max(0, this.fading - out.length);
    if (!this.fading) this.silence();
  }

  silence() {
    this.ring.clear();
    this.flowing = this.whole = false;
    this.fading = 0;
    this.tell({ kind: "stopped", turn: this.turn });
  }

  report() {
    const level = Math.sqrt(this.energy / this.since);
    const playedMs = (1000 * this.played) / this.rate;
    this.tell({ kind: "progress", turn: this.turn, playedMs, level, flowing: this.flowing });
    this.since = this.energy = 0;
  }
}
