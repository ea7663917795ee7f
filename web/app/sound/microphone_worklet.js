/** The audio thread's side of the microphone: sound in, pieces of 40 ms of 16-bit samples out, with their level. */

const PIECE_S = 0.04;

class MicrophoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(PIECE_S * sampleRate));
    this.filled = 0;
    this.energy = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const channels = inputs[0];
    for (let i = 0; i < (channels[0]?.length ?? 0); i++) {
      let sample = 0;
      for (const channel of channels) sample += channel[i] / channels.length;
      this.take(Math.max(-1, Math.min(1, sample)));
    }
    return true;
  }

  /** @param {number} sample */
  take(sample) {
    this.piece[this.filled++] = Math.round(sample * 32767);
    this.energy += sample * sample;
    if (this.filled < this.piece.length) return;
    const level = Math.sqrt(this.energy / this.filled);
    this.port.postMessage({ pcm: this.piece, level });
    this.filled = this.energy = 0;
  }
}

registerProcessor("chatanon-microphone", MicrophoneProcessor);
