/**
 * ChatAnon's protocol for browsers: one ES module, no dependency. It covers docs/protocol.en.md whole, with all extensions.
 *
 * How to get it: import it from any running server (`https://your.server/app/chatanon-client.js`), or copy this one
 * file; it needs nothing beside it. In Node.js 22 and newer, which has `WebSocket`, it works as it is.
 *
 *     const client = new ChatAnonClient({ url: "ws://localhost:8765/ws", token: "dev_token_001" });
 *     client.on("response", (reply) => console.log(reply.content_cn));
 *     await client.connect();
 *     client.say("你好");
 *
 * Events: every message of the server under its `type`, and
 * `audio`   a piece of the voice, whether it came as a binary frame or as base64: `Audio`;
 * `state`   how the connection is: `State`;
 * `refused` a text that the server did not take (`busy`, `rate_limited`...): give it back to who typed it;
 * `frame`   everything that goes over the wire, for a log; tokens are left out.
 *
 * When the connection is lost it comes back by itself, with growing pauses, and says then what was typed meanwhile, or
 * was not begun to be answered. It does not come back where the server says that it should not (codes from 4500 on).
 */

/** All extensions there are, in the order of docs/protocol.en.md. What one gets is `connected.extensions`. */
export const EXTENSIONS = ["turns", "sentences", "stages", "speech_events", "binary_audio", "history", "barge_in"];

/** A refusal or a close that is final; `code` is that of the `error`, the `reason` of `disconnected`, or `lost`. */
export class ChatAnonError extends Error {
  /** @param {string} code @param {string} message @param {number} [closeCode] */
  constructor(code, message, closeCode = 0) {
    super(message);
    this.code = code;
    this.closeCode = closeCode;
  }
}

/**
 * @typedef {{pcm: Int16Array, sampleRate: number, turn: number, sentence: number}} Audio
 *   `turn` counts the turns of the connection from 1, `sentence` those of the turn from 0.
 * @typedef {{state: "connecting" | "open" | "waiting" | "closed", code?: string, closeCode?: number, message?: string,
 *   retryInMs?: number}} State
 * @typedef {{sent: boolean, at: number, message?: Message, bytes: number, note?: string}} Frame
 * @typedef {{type: string} & Record<string, any>} Message
 * @typedef {{type: "error", message: string, code: string, retryable: boolean, retry_after_ms?: number, ref?: string,
 *   turn_id?: string}} ServerError
 * @typedef {{id: number, role: "user" | "assistant", content_cn: string, content_jp: string | null,
 *   emotion: string | null, at: string, cut?: boolean}} HistoryMessage
 * @typedef {{type: "connected", character: string, character_display_name: string, message: string,
 *   extensions?: string[], session_id?: string, audio_sample_rate?: number}} Connected
 * @typedef {{type: "response", content_cn: string, content_jp: string, emotion: string, turn_id?: string,
 *   audio_error?: {code: string, message: string}, incomplete?: boolean, reason?: string}} Response
 * @typedef {{type: "sentence", turn_id: string, index: number, content_jp: string | null, content_cn: string | null,
 *   emotion: string, start_ms: number}} Sentence
 * @typedef {{type: "turn_started", turn_id: string, input: "text" | "audio" | "stream" | "agent",
 *   turn_number: number}} TurnStarted
 * @typedef {{type: "turn_end", turn_id?: string, status?: string, timings_ms?: Record<string, number>}} TurnEnd
 * @typedef {{type: "history", messages: HistoryMessage[], more: boolean}} History
 * @typedef {{connected: Connected, response: Response, sentence: Sentence, turn_started: TurnStarted,
 *   turn_end: TurnEnd, history: History, error: ServerError, audio: Audio, state: State, refused: {text: string},
 *   frame: Frame, transcription: {type: string, text: string, is_partial: boolean},
 *   interrupted: {type: string, turn_id?: string, reason: string, heard_ms: number},
 *   character_switched: {type: string, character: string, character_display_name: string, message: string}}} Known
 */

const HEADER_BYTES = 8;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
// A peer that is gone is not noticed by a browser for minutes: it is asked, and hung up on when nothing comes at all.
const ASK_EVERY_MS = 20_000;
const PATIENCE_MS = 15_000;
const MAY_NOT_RETURN = 4500;
const REFUSES_A_TEXT = new Set(["busy", "rate_limited", "empty_message", "message_too_long"]);

/** Who listens to what. */
class Listeners {
  /** @type {Map<string, Set<(event: any) => void>>} */ #of = new Map();

  /** @param {string} type @param {(event: any) => void} listener */
  add(type, listener) {
    const those = this.#of.get(type) ?? new Set();
    this.#of.set(type, those.add(listener));
    return () => void those.delete(listener);
  }

  /** @param {string} type @param {any} event */
  tell(type, event) {
    for (const listener of this.#of.get(type) ?? []) listener(event);
  }
}

/** One user's connection. */
export class ChatAnonClient {
  #listeners = new Listeners();
  /** Texts from when they are typed until the server begins to answer them. @type {string[]} */ #outbox = [];
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {State} */ #state = { state: "closed" };
  /** @type {{code: string, message: string, waitMs: number} | null} */ #farewell = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer = undefined;
  #attempts = 0;
  #heardAt = 0;
  #turn = 0;
  #sentence = 0;
  /** Of `connected`: the voice's rate in binary frames. */
  #voiceRate = 16_000;

  /**
   * @param {{url: string, token: string, character?: string | null, extensions?: string[], audioSampleRate?: number,
   *   reconnect?: boolean}} options
   *   `audioSampleRate`: at which rate this client will send all its audio, 8000 to 48000.
   */
  constructor({ url, token, character = null, extensions = EXTENSIONS, audioSampleRate, reconnect = true }) {
    this.url = socketAddress(url);
    this.token = token;
    this.character = character;
    this.extensions = extensions;
    this.audioSampleRate = audioSampleRate;
    this.reconnects = reconnect;
    globalThis.addEventListener?.("online", () => this.#state.state === "waiting" && this.#open());
  }

  /** How the connection is. */
  get state() {
    return this.#state;
  }

  /** Texts that the server has not begun to answer. */
  get unanswered() {
    return [...this.#outbox];
  }

  /**
   * Listen. Gives a function that ends it.
   * @template {keyof Known | (string & {})} K
   * @param {K} type
   * @param {(event: K extends keyof Known ? Known[K] : Message) => void} listener
   */
  on(type, listener) {
    return this.#listeners.add(type, listener);
  }

  /**
   * Connect, however many attempts it takes. Rejects with a ChatAnonError where the server does not want this client.
   * @returns {Promise<Connected>}
   */
  connect() {
    return new Promise((resolve, reject) => {
      const off = [
        this.on("connected", (greeting) => (leave(), resolve(greeting))),
        this.on("state", (now) => {
          if (now.state !== "closed") return;
          leave();
          reject(new ChatAnonError(now.code ?? "lost", now.message ?? "", now.closeCode));
        }),
      ];
      const leave = () => off.forEach((end) => end());
      this.#attempts = 0;
      this.#open();
    });
  }

  /** Hang up, and stay away. */
  close() {
    clearTimeout(this.#timer);
    this.#drop(1000);
    this.#become({ state: "closed", code: "left" });
  }

  /** Say something. Without a connection it is kept, and said when there is one. @param {string} text */
  say(text) {
    this.#outbox.push(text);
    if (this.#state.state === "open") this.send("message", { content: text });
  }

  /** A whole recording: raw samples, or a WAV file. @param {ArrayBuffer} recording */
  sendRecording(recording) {
    this.send("audio_message", { audio_base64: toBase64(new Uint8Array(recording)) });
  }

  /** Begin to send what is being said; the client knows when it ends. */
  startStream = () => this.send("audio_stream_start");
  endStream = () => this.send("audio_stream_end");
  /** Talk hands-free: the server hears when somebody begins and has finished. */
  startAgent = () => this.send("agent_mode_start");
  stopAgent = () => this.send("agent_mode_stop");

  /**
   * A piece of sound for the mode that is open, at the rate of `connect`; 20 to 200 ms are good.
   * @param {Int16Array} pcm
   * @param {"stream" | "agent"} mode
   */
  sendAudio(pcm, mode) {
    if (this.#state.state !== "open") return;
    const samples = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    if (!this.#granted.has("binary_audio")) {
      this.send(mode === "agent" ? "agent_audio_chunk" : "audio_stream_chunk", { audio_base64: toBase64(samples) });
      return;
    }
    const frame = new Uint8Array(HEADER_BYTES + samples.length);
    frame[0] = 1;
    frame.set(samples, HEADER_BYTES);
    this.#write(frame.buffer, { sent: true, at: Date.now(), bytes: frame.length, note: `audio (${mode})` });
  }

  /** Stop the reply. @param {number} playedMs how much of it was heard */
  interrupt(playedMs) {
    if (this.#granted.has("barge_in")) this.send("interrupt", { played_ms: Math.max(0, Math.round(playedMs)) });
  }

  /** @param {string} name of a character */
  switchCharacter(name) {
    this.send("switch_character", { character_name: name });
  }

  clearHistory() {
    this.send("clear_history");
  }

  /** Older lines of the talk; the answer is the event `history`. @param {number} limit @param {number | null} before */
  askHistory(limit = 50, before = null) {
    this.send("get_history", { limit, before });
  }

  ping() {
    this.send("ping");
  }

  /** Any message. Without a connection it is dropped. @param {string} type @param {Record<string, unknown>} fields */
  send(type, fields = {}) {
    const text = JSON.stringify({ type, ...fields });
    const shown = "api_token" in fields ? { type, ...fields, api_token: "..." } : { type, ...fields };
    this.#write(text, { sent: true, at: Date.now(), message: shown, bytes: text.length });
  }

  // ---------------------------------------------------------------- the connection

  /** @type {Set<string>} */ #granted = new Set();

  #open() {
    clearTimeout(this.#timer);
    if (this.#socket) this.#drop();
    this.#farewell = null;
    this.#become({ state: "connecting" });
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const mine = (/** @type {() => void} */ then) => this.#socket === socket && then();
    socket.onopen = () => mine(() => this.#shakeHands());
    socket.onmessage = (event) => mine(() => this.#receive(event.data));
    socket.onclose = (event) => mine(() => this.#closed(event.code));
  }

  #shakeHands() {
    this.#heardAt = Date.now();
    this.send("connect", {
      api_token: this.token,
      character_name: this.character,
      extensions: this.extensions,
      ...(this.audioSampleRate ? { audio_sample_rate: this.audioSampleRate } : {}),
    });
  }

  /** @param {Connected} greeting */
  #connected(greeting) {
    this.#attempts = 0;
    this.#granted = new Set(greeting.extensions ?? []);
    this.#voiceRate = greeting.audio_sample_rate ?? this.#voiceRate;
    this.#turn = this.#sentence = 0;
    this.character = greeting.character;
    this.#become({ state: "open" });
    for (const text of this.#outbox) this.send("message", { content: text });
    this.#watch();
  }

  /** Notice a peer that is gone. */
  #watch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const asked = Date.now();
      this.ping();
      this.#timer = setTimeout(() => (this.#heardAt >= asked ? this.#watch() : this.#closed(1006)), PATIENCE_MS);
    }, ASK_EVERY_MS);
  }

  /** @param {number} [closeCode] */
  #drop(closeCode) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(closeCode);
  }

  /** @param {number} closeCode */
  #closed(closeCode) {
    this.#drop();
    clearTimeout(this.#timer);
    const { code, message, waitMs } = this.#farewell ?? { code: "lost", message: "", waitMs: 0 };
    if (!this.reconnects || closeCode >= MAY_NOT_RETURN) {
      this.#become({ state: "closed", code, message, closeCode });
      return;
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#attempts++);
    const retryInMs = Math.max(waitMs, Math.round(pause * (0.75 + Math.random() / 2)));
    this.#become({ state: "waiting", code, message, closeCode, retryInMs });
    this.#timer = setTimeout(() => this.#open(), retryInMs);
  }

  /** @param {State} state */
  #become(state) {
    this.#state = state;
    this.#listeners.tell("state", state);
  }

  /** @param {string | ArrayBuffer} data @param {Frame} frame */
  #write(data, frame) {
    if (this.#socket?.readyState !== 1) return;
    this.#socket.send(data);
    this.#listeners.tell("frame", frame);
  }

  // ---------------------------------------------------------------- what the server says

  /** @param {string | ArrayBuffer} data */
  #receive(data) {
    const at = (this.#heardAt = Date.now());
    if (typeof data !== "string") {
      this.#listeners.tell("frame", { sent: false, at, bytes: data.byteLength, note: "audio" });
      this.#binaryAudio(data);
      return;
    }
    /** @type {Message} */ const message = JSON.parse(data);
    this.#listeners.tell("frame", { sent: false, at, message, bytes: data.length });
    this.#keep(message);
    this.#listeners.tell(message.type, message);
  }

  /** What this client itself must know of a message. @param {Message} message */
  #keep(message) {
    const { type } = message;
    if (type === "connected") this.#connected(/** @type {Connected} */ (message));
    else if (type === "turn_started") this.#turnStarted(message);
    else if (type === "thinking" && !this.#granted.has("turns")) this.#turnStarted({ type, turn_number: this.#turn + 1 });
    else if (type === "sentence") this.#sentence = message.index;
    else if (type === "audio_chunk") this.#base64Audio(message);
    else if (type === "character_switched") this.character = message.character;
    else if (type === "disconnected") this.#part(message.reason, message);
    else if (type === "error") this.#error(message);
  }

  /** @param {Message} message */
  #turnStarted({ turn_number, input = "text" }) {
    this.#turn = turn_number;
    this.#sentence = 0;
    if (input === "text") this.#outbox.shift();
  }

  /** @param {Message} message */
  #error(message) {
    this.#part(message.code, message);
    if (message.turn_id || !REFUSES_A_TEXT.has(message.code)) return;
    const text = this.#outbox.pop(); // what came last: those before it keep their places
    if (text !== undefined) this.#listeners.tell("refused", { text });
  }

  /** Should a close follow, this is why. @param {string} code @param {Message} message */
  #part(code, message) {
    this.#farewell = { code, message: message.message, waitMs: message.retry_after_ms ?? 0 };
  }

  /** @param {ArrayBuffer} data */
  #binaryAudio(data) {
    const head = new DataView(data);
    if (data.byteLength < HEADER_BYTES || head.getUint8(0) !== 1 || head.getUint8(1) !== 0) return; // of a later version
    const pcm = new Int16Array(data.slice(HEADER_BYTES));
    const [turn, sentence, sampleRate] = [head.getUint32(4), head.getUint16(2), this.#voiceRate];
    this.#listeners.tell("audio", { pcm, sampleRate, turn, sentence });
  }

  /** @param {Message} message */
  #base64Audio({ audio_base64, audio_sample_rate }) {
    const bytes = Uint8Array.from(atob(audio_base64), (letter) => letter.charCodeAt(0));
    const [turn, sentence, sampleRate] = [this.#turn, this.#sentence, audio_sample_rate];
    this.#listeners.tell("audio", { pcm: new Int16Array(bytes.buffer), sampleRate, turn, sentence });
  }

}

/** Of a page's own server a path will do: "/ws". @param {string} url */
function socketAddress(url) {
  return new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 0x8000) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  }
  return btoa(pieces.join(""));
}
