/**
 * What is on the screen of one talk: messages of the server in, entries out. Knows no screen, no sound and no socket.
 *
 * @typedef {{jp: string, cn: string, emotion: string}} Line
 * @typedef {object} Entry
 * @property {number} key
 * @property {"user" | "character"} who
 * @property {Line[]} lines of a user, one whose `cn` is what was said
 * @property {string | null} emotion
 * @property {"waiting" | "hearing" | "thinking" | "speaking" | "done" | "failed"} state
 * @property {boolean} cut broken off before its end
 * @property {string | null} fault a code of errors.js
 * @property {string} detail the server's own words on it
 * @property {string} at ISO 8601
 * @property {number} spoken index of the line that sounds now, or -1
 * @property {number} turn its number on this connection, or 0
 */

/** @typedef {import("../chatanon-client.js").Message} Message */
/** @typedef {import("../chatanon-client.js").HistoryMessage} HistoryMessage */

let keys = 0;

/** @param {Entry["who"]} who @param {Partial<Entry>} [more] @returns {Entry} */
function entryOf(who, more = {}) {
  return {
    key: ++keys, who, lines: [], emotion: null, state: "done", cut: false, fault: null, detail: "",
    at: new Date().toISOString(), spoken: -1, turn: 0, ...more,
  };
}

export class Conversation {
  /** @type {Entry[]} */ entries = [];
  /** @type {Entry | null} */ #hearing = null;
  /** @type {Map<string, Entry>} */ #turns = new Map();
  /** @type {Entry | null} */ #reply = null;
  /** Whether there are older lines, and before which. @type {number | null} */ older = null;

  /** @param {{changed: (entry: Entry) => void, reset: () => void, prepended: () => void}} screen */
  constructor(screen) {
    this.screen = screen;
  }

  /** Typed. @param {string} text */
  said(text) {
    return this.#add(entryOf("user", { lines: [{ jp: "", cn: text, emotion: "auto" }], state: "waiting" }));
  }

  /** The server did not take it: it goes back to where it was typed. @param {string} text */
  takeBack(text) {
    const index = this.entries.findLastIndex((entry) => entry.state === "waiting" && entry.lines[0]?.cn === text);
    if (index < 0) return;
    this.entries.splice(index, 1);
    this.screen.reset();
  }

  /** What was recognised so far. @param {Message} message */
  heard({ text, is_partial }) {
    const entry = this.#hearing ?? this.#add(entryOf("user", { state: "hearing" }));
    entry.lines = [{ jp: "", cn: text, emotion: "auto" }];
    entry.state = is_partial ? "hearing" : "done";
    this.#hearing = is_partial ? entry : null;
    this.screen.changed(entry);
  }

  /** What was being said leads to nothing. */
  forgetHearing() {
    if (!this.#hearing) return;
    this.entries = this.entries.filter((entry) => entry !== this.#hearing);
    this.#hearing = null;
    this.screen.reset();
  }

  /** @param {Message} message */
  turnStarted({ turn_id, turn_number, input }) {
    const asked = input === "text" ? this.entries.find((entry) => entry.state === "waiting") : null;
    if (asked) this.#set(asked, { state: "done" });
    const reply = entryOf("character", { state: "thinking", turn: turn_number });
    this.#reply = reply;
    this.#turns.set(turn_id, this.#add(reply, asked));
  }

  /** @param {Message} message */
  sentence({ turn_id, index, content_jp, content_cn, emotion }) {
    const entry = this.#turns.get(turn_id);
    if (!entry) return;
    const lines = [...entry.lines];
    lines[index] = { jp: content_jp ?? "", cn: content_cn ?? "", emotion };
    this.#set(entry, { lines, state: "speaking" });
  }

  /** The whole reply. Its lines stay as they came, sentence by sentence, where they are all of it. @param {Message} message */
  response(message) {
    const entry = this.#turns.get(message.turn_id ?? "") ?? this.#reply;
    if (!entry) return;
    const { content_jp: jp, content_cn: cn, emotion, audio_error, incomplete, reason } = message;
    const bare = (/** @type {string} */ text) => text.replace(/\s/g, "");
    const whole = bare(entry.lines.map((line) => line.cn).join("")) === bare(cn);
    const fault = audio_error?.code ?? (incomplete ? `incomplete_${reason}` : null);
    this.#set(entry, {
      emotion, fault, detail: audio_error?.message ?? "", state: "done",
      ...(whole ? {} : { lines: jp || cn ? [{ jp, cn, emotion }] : [] }), // of one broken off: what was heard
    });
  }

  /** @param {Message} message */
  interrupted({ turn_id }) {
    const entry = this.#turns.get(turn_id ?? "") ?? this.#reply;
    if (entry) this.#set(entry, { cut: true, spoken: -1 });
  }

  /** @param {Message} message @returns {boolean} whether it belonged to a reply, and is shown there */
  failed({ turn_id, code, message }) {
    const entry = this.#turns.get(turn_id ?? "");
    if (!entry) return false;
    this.#set(entry, { state: "failed", fault: code, detail: message, spoken: -1 });
    return true;
  }

  /** Which line sounds now; -1: none. @param {number} turn @param {number} index */
  speaking(turn, index) {
    for (const entry of this.entries) {
      const spoken = entry.turn === turn && entry.who === "character" ? index : -1;
      if (entry.spoken !== spoken) this.#set(entry, { spoken });
    }
  }

  /** The connection is gone: what was half done stays as it is, and numbers of turns begin anew. */
  lost() {
    this.forgetHearing();
    for (const entry of this.entries) {
      const half = entry.state === "thinking" || entry.state === "speaking";
      if (half && entry.lines.length) this.#set(entry, { state: "done", cut: true });
      else if (half) this.#set(entry, { state: "failed", fault: "lost" });
      if (entry.turn) this.#set(entry, { turn: 0, spoken: -1 });
    }
    this.#turns.clear();
    this.#reply = null;
  }

  /** Older lines, from the server. @param {HistoryMessage[]} messages @param {boolean} more */
  remember(messages, more) {
    const older = messages.map((message) =>
      entryOf(message.role === "user" ? "user" : "character", {
        lines: [{ jp: message.content_jp ?? "", cn: message.content_cn, emotion: message.emotion ?? "auto" }],
        emotion: message.emotion, cut: message.cut ?? false, at: message.at,
      }),
    );
    this.entries = [...older, ...this.entries];
    this.older = more && messages.length ? messages[0].id : null;
    this.screen.prepended();
  }

  /** Begin anew: another character, or nothing to remember. What waits to be sent stays. */
  clear() {
    this.entries = this.entries.filter((entry) => entry.state === "waiting");
    this.#turns.clear();
    this.#hearing = this.#reply = this.older = null;
    this.screen.reset();
  }

  /** @param {Entry} entry @param {Entry | null} [after] */
  #add(entry, after = null) {
    const place = after ? this.entries.indexOf(after) + 1 : this.entries.length;
    this.entries.splice(place, 0, entry);
    if (place === this.entries.length - 1) this.screen.changed(entry);
    else this.screen.reset();
    return entry;
  }

  /** @param {Entry} entry @param {Partial<Entry>} change */
  #set(entry, change) {
    Object.assign(entry, change);
    this.screen.changed(entry);
  }
}
