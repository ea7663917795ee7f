/** The audio thread's side of the player: what playback.js makes of the samples, block by block. */

import { Playback } from "./playback.js";

class PlayerProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    const playback = new Playback(sampleRate, (word) => this.port.postMessage(word));
    this.port.onmessage = ({ data }) => playback.take(data);
    this.playback = playback;
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const [out, ...others] = outputs[0];
    this.playback.fill(out);
    for (const channel of others) channel.set(out);
    return true;
  }
}

registerProcessor("chatanon-player", PlayerProcessor);
