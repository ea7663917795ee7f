/**
 * Samples on their way to the loudspeaker, and where in them each sentence begins.
 *
 * A ring, because the audio thread must not make garbage; it grows where a server sends a whole reply at once. Knows no
 * clock and no browser.
 */

/** @typedef {{at: number, turn: number, sentence: number}} Mark */

const FIRST_CAPACITY = 1 << 16;

export class Ring {
  #samples = new Float32Array(FIRST_CAPACITY);
  #read = 0;
  #written = 0;
  /** @type {Mark[]} */ #marks = [];
  /** @type {Mark | null} */ #last = null;

  /** How many samples wait. */
  get waiting() {
    return this.#written - this.#read;
  }

  /** @param {Int16Array} pcm @param {number} turn @param {number} sentence */
  write(pcm, turn, sentence) {
    if (this.#last?.turn !== turn || this.#last.sentence !== sentence) {
      this.#last = { at: this.#written, turn, sentence };
      this.#marks.push(this.#last);
    }
    while (this.waiting + pcm.length > this.#samples.length) this.#grow();
    const mask = this.#samples.length - 1;
    for (let i = 0; i < pcm.length; i++) this.#samples[(this.#written + i) & mask] = pcm[i] / 32768;
    this.#written += pcm.length;
  }

  /**
   * Fill as much of `out` as there is. Gives how much that was.
   * @param {Float32Array} out
   */
  read(out) {
    const count = Math.min(out.length, this.waiting);
    const mask = this.#samples.length - 1;
    for (let i = 0; i < count; i++) out[i] = this.#samples[(this.#read + i) & mask];
    this.#read += count;
    return count;
  }

  /** The sentences that have begun since this was asked last. */
  passed() {
    const begun = [];
    while (this.#marks.length && this.#marks[0].at < this.#read) begun.push(/** @type {Mark} */ (this.#marks.shift()));
    return begun;
  }

  /** Forget what waits. */
  clear() {
    this.#read = this.#written;
    this.#marks = [];
    this.#last = null;
  }

  #grow() {
    const larger = new Float32Array(2 * this.#samples.length);
    for (let i = this.#read; i < this.#written; i++) {
      larger[i & (larger.length - 1)] = this.#samples[i & (this.#samples.length - 1)];
    }
    this.#samples = larger;
  }
}
