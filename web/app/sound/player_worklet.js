/** The audio thread's side of the player: samples in, sound out, and a word to the page every few milliseconds. */

import { Ring } from "./ring.js";

const REPORT_EVERY = 3; // blocks of 128 samples: 24 ms at 16 kHz, a little more often than a screen needs
const FIRST_CUSHION_S = 0.06; // one chunk is 80 ms: the first one may begin at once
const LARGEST_CUSHION_S = 0.4;
const FADE_S = 0.005; // an end without a click

class PlayerProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Ring();
    this.cushion = FIRST_CUSHION_S * sampleRate;
    this.flowing = false;
    this.whole = false; // nothing more will come: what waits need not wait for more
    this.fading = 0;
    this.turn = 0;
    this.played = 0; // samples of this turn
    this.blocks = 0;
    this.energy = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  /** @param {{kind: "play", pcm: Int16Array, turn: number, sentence: number} | {kind: "end"} | {kind: "stop"}} word */
  take(word) {
    if (word.kind === "play") {
      if (this.fading) this.silence();
      this.whole = false;
      this.ring.write(word.pcm, word.turn, word.sentence);
    } else if (word.kind === "end") {
      this.whole = true;
      if (!this.ring.waiting) this.rest();
    } else if (this.flowing) {
      this.fading = Math.round(FADE_S * sampleRate);
    } else {
      this.silence();
    }
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const [out] = outputs[0];
    const enough = this.ring.waiting >= (this.whole ? 1 : this.cushion);
    if (!this.flowing && enough) this.flowing = true;
    if (this.flowing) this.render(out);
    for (const channel of outputs[0].slice(1)) channel.set(out);
    for (let i = 0; i < out.length; i++) this.energy += out[i] * out[i];
    if (++this.blocks === REPORT_EVERY) this.report(out.length);
    return true;
  }

  /** @param {Float32Array} out */
  render(out) {
    const count = this.ring.read(out);
    for (const { turn, sentence } of this.ring.passed()) {
      if (turn !== this.turn) this.played = 0;
      this.turn = turn;
      this.port.postMessage({ kind: "sentence", turn, sentence });
    }
    this.played += count;
    if (this.fading) this.fade(out);
    else if (count < out.length) this.rest();
  }

  /** It has run dry: at the end of a reply as it should be, else the next pause is made longer. */
  rest() {
    this.flowing = false;
    if (this.whole) {
      this.port.postMessage({ kind: "ended", turn: this.turn });
      this.cushion = FIRST_CUSHION_S * sampleRate;
    } else {
      this.cushion = Math.min(LARGEST_CUSHION_S * sampleRate, 2 * this.cushion);
      this.port.postMessage({ kind: "dry", turn: this.turn });
    }
    this.whole = false;
  }

  /** @param {Float32Array} out */
  fade(out) {
    const whole = Math.round(FADE_S * sampleRate);
    for (let i = 0; i < out.length; i++) out[i] *= Math.max(0, this.fading - i) / whole;
    this.fading = Math.max(0, this.fading - out.length);
    if (!this.fading) this.silence();
  }

  silence() {
    this.ring.clear();
    this.flowing = this.whole = false;
    this.fading = 0;
    this.port.postMessage({ kind: "stopped", turn: this.turn });
  }

  /** @param {number} block */
  report(block) {
    const level = Math.sqrt(this.energy / (REPORT_EVERY * block));
    const playedMs = (1000 * this.played) / sampleRate;
    this.port.postMessage({ kind: "progress", turn: this.turn, playedMs, level, flowing: this.flowing });
    this.blocks = this.energy = 0;
  }
}

registerProcessor("chatanon-player", PlayerProcessor);
