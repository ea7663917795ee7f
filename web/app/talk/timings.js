/** Times of turns: what `turn_end.timings_ms` says, and when the first sound really left the loudspeaker of this page. */

/**
 * @typedef {{number: number, input: string, marks: [string, number][], heard: number | null}} TurnTimes
 * @typedef {{number: number, input: string, zero: number, arrived: number | null, sounded: number | null}} Now
 *   `marks` in milliseconds, in their order; `heard`: first sound in this page, on the same clock.
 */

const KEPT = 50;

export class Timings {
  /** @type {TurnTimes[]} */ turns = [];
  /** @type {Now | null} */
  #now = null;
  #saidAt = 0;

  /** The person has sent something, or has finished speaking. */
  said() {
    this.#saidAt = performance.now();
  }

  /** @param {number} number @param {string} input */
  started(number, input) {
    this.#now = { number, input, zero: this.#saidAt, arrived: null, sounded: null };
  }

  /** A piece of its voice has come. @param {number} turn */
  arrived(turn) {
    if (this.#now?.number === turn) this.#now.arrived ??= performance.now();
  }

  /** It is heard. @param {number} turn */
  sounded(turn) {
    const now = this.#now;
    if (now?.number !== turn || now.sounded !== null) return;
    now.sounded = performance.now();
    const last = this.turns.at(-1);
    if (last?.number === turn) last.heard = this.#heard(now, last.marks);
  }

  /** @param {Record<string, number>} timings */
  ended(timings) {
    if (!this.#now) return;
    const marks = Object.entries(timings);
    const { number, input } = this.#now;
    this.turns = [...this.turns.slice(1 - KEPT), { number, input, marks, heard: this.#heard(this.#now, marks) }];
  }

  /**
   * Of hands-free talk only the server knows when speech ended: from its first sound on it is counted here. The server
   * counts a piece as sent when it has left, which may be a little after it was heard: the later one counts.
   * @param {Now} now @param {[string, number][]} marks
   */
  #heard(now, marks) {
    if (now.sounded === null || now.arrived === null) return null;
    const sent = marks.find(([name]) => name === "first_audio")?.[1] ?? 0;
    const heard = now.input === "agent" ? sent + now.sounded - now.arrived : now.sounded - now.zero;
    return Math.round(Math.max(sent, heard));
  }

  /** Of the first sound, as it was heard. */
  get median() {
    const all = this.turns.flatMap(({ heard }) => (heard === null ? [] : [heard])).sort((a, b) => a - b);
    return all.length ? all[Math.floor(all.length / 2)] : null;
  }
}
