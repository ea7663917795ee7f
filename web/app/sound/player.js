/**
 * The voice of the character: what `client.on("audio", ...)` gives in, sound out.
 *
 * It begins after 60 ms of sound are there, and waits for more after it has run dry. `stop` is silence within a few
 * milliseconds, whatever waits.
 */

import { loudspeaker } from "./loudspeaker.js";

/**
 * @typedef {{turn: number, playedMs: number, level: number, flowing: boolean}} Progress
 *   `level`: how loud it is now, 0 to about 0.3; `playedMs`: of this turn.
 * @typedef {{progress: (now: Progress) => void, sentence: (turn: number, sentence: number) => void,
 *   ended: (turn: number) => void}} Ears
 */

export class Player {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {import("./loudspeaker.js").Loudspeaker | null} */ #loudspeaker = null;
  /** @type {GainNode | null} */ #gain = null;
  /** @type {Promise<void> | null} */ #opening = null;
  /** @type {import("./playback.js").Order[]} */ #waiting = [];
  #volume = 1;
  #playedMs = 0;
  #isPlaying = false;

  /** @param {Partial<Ears>} ears what is told of the sound that is really being played */
  constructor(ears = {}) {
    this.ears = ears;
  }

  /**
   * Make the loudspeaker ready. Browsers want this to happen because a person has pressed something.
   * @param {number} sampleRate
   */
  open(sampleRate = 16_000) {
    if (this.#context && this.#context.sampleRate !== sampleRate) this.close();
    /** @type {Promise<void>} */
    const opening = (this.#opening ??= this.#open(sampleRate).catch(() => {
      if (this.#opening === opening) this.#fail(); // without the server; the next call tries again
    }));
    void this.#context?.resume();
    return opening;
  }

  /** @param {number} sampleRate */
  async #open(sampleRate) {
    const context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    this.#context = context;
    void context.resume();
    const made = await loudspeaker(context, (word) => this.#loudspeaker === made && this.#hear(word));
    if (this.#context !== context) return;
    const gain = new GainNode(context, { gain: this.#volume });
    made.node.connect(gain).connect(context.destination);
    this.#loudspeaker = made;
    this.#gain = gain;
    for (const order of this.#waiting.splice(0)) made.say(order);
  }

  /** No sound can be made: nobody is to wait for its end. */
  #fail() {
    this.close();
    this.#waiting = [];
    this.#isPlaying = false;
    this.ears.ended?.(0);
  }

  /** @param {{pcm: Int16Array, sampleRate: number, turn: number, sentence: number}} audio */
  play({ pcm, sampleRate, turn, sentence }) {
    void this.open(sampleRate);
    this.#isPlaying = true;
    this.#say({ kind: "play", pcm, turn, sentence });
  }

  /** Nothing more of this reply will come. */
  end() {
    this.#say({ kind: "end" });
  }

  /** Silence, now. Gives how many milliseconds of the reply were heard. */
  stop() {
    this.#waiting = [];
    this.#isPlaying = false;
    this.#say({ kind: "stop" });
    return this.playedMs;
  }

  /** How much of the present reply has left the loudspeaker. */
  get playedMs() {
    const behind = 1000 * (this.#context?.outputLatency || this.#context?.baseLatency || 0);
    return Math.max(0, this.#playedMs - behind);
  }

  /** Whether anything sounds, or waits to. */
  get isPlaying() {
    return this.#isPlaying;
  }

  /** From 0 to 1. */
  set volume(/** @type {number} */ value) {
    this.#volume = value;
    if (this.#gain) this.#gain.gain.value = value;
  }

  /** Whether a browser keeps it silent until a person presses something. */
  get isHeldBack() {
    return this.#context?.state === "suspended";
  }

  close() {
    void this.#context?.close();
    this.#context = this.#loudspeaker = this.#gain = this.#opening = null;
  }

  /** @param {import("./playback.js").Order} order */
  #say(order) {
    if (this.#loudspeaker) this.#loudspeaker.say(order);
    else if (order.kind !== "stop") this.#waiting.push(order);
  }

  /** @param {import("./playback.js").Word} word */
  #hear(word) {
    if (word.kind === "progress") {
      this.#playedMs = word.playedMs;
      this.ears.progress?.(word);
    } else if (word.kind === "sentence") {
      if (word.sentence === 0) this.#playedMs = 0;
      this.ears.sentence?.(word.turn, word.sentence);
    } else if (word.kind === "ended" || word.kind === "stopped") {
      this.#isPlaying = false;
      this.ears.ended?.(word.turn);
    }
  }
}
