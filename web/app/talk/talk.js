/**
 * One talk: what the person does in, what the server says in; the conversation, the sound and the face out.
 *
 * @typedef {object} Screen
 * @property {(code: string, detail?: string) => void} fault
 * @property {(text: string) => void} giveBack a text that the server did not take
 * @property {(name: string) => void} character
 * @property {(on: boolean) => void} holding
 * @property {(on: boolean) => void} handsFree
 * @property {(on: boolean) => void} busy whether there is a reply that can be stopped
 * @property {() => void} cleared
 * @property {() => void} timed a turn is over
 * @property {(level: number) => void} microphoneLevel
 * @property {(level: number) => void} voiceLevel
 * @property {(reply: string) => void} announce for who listens to the screen
 * @property {import("./conversation.js").Conversation["screen"]} conversation
 */

import { feel, hearVoice } from "../face/puppet.js";
import { Microphone } from "../sound/microphone.js";
import { Player } from "../sound/player.js";
import { Conversation } from "./conversation.js";
import { Timings } from "./timings.js";

/** @typedef {import("../chatanon-client.js").ChatAnonClient} ChatAnonClient */

const VOICE_RATE = 16_000;
const LAST_SOUND_MS = 100; // who lets go with the last syllable is heard whole
const KEEP_MICROPHONE_MS = 15_000; // between two presses; the browser shows that it is on
const HISTORY_PAGE = 30;
const LONGEST_HISTORY_PAGE = 200;
// After these the server has ended the stream by itself.
const ENDS_STREAM = new Set(["stream_timeout", "audio_too_long", "asr_failed", "asr_timeout", "busy", "rate_limited"]);
const NO_HISTORY = new Set(["history_unavailable", "rate_limited", "unknown_type"]);

export class Talk {
  timings = new Timings();
  /** @type {"" | "opening" | "stream" | "agent"} */ #mode = "";
  #released = false;
  #voiceRate = VOICE_RATE;
  #fresh = true;
  #asking = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #closing = undefined;

  /** @param {ChatAnonClient} client @param {Screen} screen */
  constructor(client, screen) {
    this.client = client;
    this.screen = screen;
    this.conversation = new Conversation(screen.conversation);
    this.player = new Player({
      progress: ({ level, flowing }) => this.#sounds(flowing ? level : 0),
      sentence: (turn, index) => this.#speaks(turn, index),
      ended: () => this.#silent(),
    });
    this.microphone = new Microphone({
      piece: (pcm, level) => this.#hear(pcm, level),
      lost: (code) => (this.#letGo(), screen.fault(code)),
    });
    this.#listenToTurns();
    this.#listenToTheRest();
  }

  // ---------------------------------------------------------------- what the person does

  /** @param {string} text */
  say(text) {
    void this.player.open(this.#voiceRate);
    if (this.#mode === "stream") this.holdEnd();
    this.conversation.said(text);
    this.timings.said();
    this.client.say(text);
  }

  async holdStart() {
    if (this.#mode) return;
    this.interrupt();
    this.#released = false;
    if (!(await this.#openMicrophone())) return;
    if (this.#released) return this.#endMode();
    this.client.startStream();
    this.#mode = "stream";
    this.screen.holding(true);
  }

  holdEnd() {
    this.#released = true;
    if (this.#mode !== "stream") return;
    this.screen.holding(false);
    setTimeout(() => this.#mode === "stream" && this.#letGo(), LAST_SOUND_MS);
  }

  async handsFree() {
    if (this.#mode === "agent") {
      this.#letGo();
      this.microphone.close();
    } else if (!this.#mode && (await this.#openMicrophone())) {
      this.client.startAgent();
      this.#mode = "agent";
      this.screen.handsFree(true);
    }
  }

  /** Stop the reply, wherever it is. */
  interrupt() {
    const playedMs = this.player.stop();
    if (this.#busy) this.client.interrupt(playedMs);
  }

  /** Older lines, where there are any. */
  older(limit = HISTORY_PAGE) {
    const before = this.conversation.older;
    if (before === null || this.#asking) return;
    this.#asking = true;
    this.client.askHistory(limit, before);
  }

  /** The talk from its first line on, as far as the server can be asked for it. */
  async whole() {
    let more = this.client.state.state === "open";
    while (more && this.conversation.older !== null) {
      const answer = this.#historyAnswer();
      this.older(LONGEST_HISTORY_PAGE);
      more = await answer;
    }
    return this.conversation.entries;
  }

  /** Whether the next page comes, or something that is none. @returns {Promise<boolean>} */
  #historyAnswer() {
    return new Promise((resolve) => {
      const done = (/** @type {boolean} */ came) => (off.forEach((end) => end()), resolve(came));
      const off = [
        this.client.on("history", () => done(true)),
        this.client.on("error", () => done(false)),
        this.client.on("state", () => done(false)),
      ];
    });
  }

  /** @param {number} value 0 to 1 */
  set volume(value) {
    this.player.volume = value;
  }

  // ---------------------------------------------------------------- the microphone

  async #openMicrophone() {
    this.#mode = "opening";
    clearTimeout(this.#closing);
    void this.player.open(this.#voiceRate);
    try {
      const rate = await this.microphone.open();
      if (rate !== this.client.audioSampleRate) {
        this.client.audioSampleRate = rate; // what the server is told in `connect`
        await this.client.connect();
      }
      return true;
    } catch (error) {
      this.#endMode();
      this.screen.fault(/** @type {{code?: string}} */ (error).code ?? "microphone_missing");
      return false;
    }
  }

  /** Nothing more is said in this mode: what was heard of a stream is answered. */
  #letGo() {
    if (this.#mode === "agent") {
      this.client.stopAgent();
      this.conversation.forgetHearing();
    } else if (this.#mode === "stream") {
      this.client.endStream();
      this.timings.said();
    }
    this.#endMode();
  }

  #endMode() {
    this.#mode = "";
    this.screen.holding(false);
    this.screen.handsFree(false);
    this.screen.microphoneLevel(0);
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.#mode || this.microphone.close(), KEEP_MICROPHONE_MS);
  }

  /** @param {Int16Array} pcm @param {number} level */
  #hear(pcm, level) {
    if (this.#mode !== "stream" && this.#mode !== "agent") return;
    this.client.sendAudio(pcm, this.#mode);
    this.screen.microphoneLevel(level);
  }

  // ---------------------------------------------------------------- the voice

  #busy = false;

  /** @param {boolean} on */
  #setBusy(on) {
    this.#busy = on;
    this.screen.busy(on);
  }

  /** @param {number} level */
  #sounds(level) {
    hearVoice(level);
    this.screen.voiceLevel(level);
  }

  /** @param {number} turn @param {number} index */
  #speaks(turn, index) {
    this.timings.sounded(turn);
    this.conversation.speaking(turn, index);
    const entry = this.conversation.entries.find((each) => each.turn === turn && each.who === "character");
    feel(entry?.lines[index]?.emotion ?? "auto");
    this.screen.timed();
  }

  #silent() {
    this.#sounds(0);
    this.conversation.speaking(-1, -1);
    if (!this.#running) this.#setBusy(false);
  }

  // ---------------------------------------------------------------- what the server says

  #running = false;

  #listenToTurns() {
    const { client, conversation, player, timings } = this;
    client.on("turn_started", (message) => {
      conversation.turnStarted(message);
      timings.started(message.turn_number, message.input);
      this.#running = true;
      this.#setBusy(true);
      feel("thinking");
    });
    client.on("sentence", (message) => conversation.sentence(message));
    client.on("audio", (audio) => (timings.arrived(audio.turn), player.play(audio)));
    client.on("audio_end", () => player.end());
    client.on("interrupted", (message) => (player.stop(), conversation.interrupted(message)));
    client.on("response", (message) => {
      conversation.response(message);
      if (message.audio_error) feel(message.emotion); // nothing will sound
      this.screen.announce(message.content_jp && message.content_cn ? message.content_cn : message.content_jp);
    });
    client.on("turn_end", ({ status, timings_ms = {} }) => {
      this.#running = false;
      if ("first_audio" in timings_ms) timings.ended(timings_ms); // also of one that was broken off later
      if (status !== "completed") feel("auto");
      if (!player.isPlaying) this.#setBusy(false);
      this.screen.timed();
    });
  }

  #listenToTheRest() {
    const { client, conversation, screen } = this;
    client.on("connected", (greeting) => this.#connected(greeting));
    client.on("state", ({ state }) => state === "open" || this.#lost());
    client.on("transcription", (message) => conversation.heard(message));
    client.on("agent_listening", () => conversation.forgetHearing());
    client.on("history", ({ messages, more }) => {
      this.#asking = false;
      conversation.remember(messages, more);
    });
    client.on("character_switched", ({ character }) => this.#begin(character));
    client.on("history_cleared", () => (conversation.clear(), screen.cleared()));
    client.on("refused", ({ text }) => (conversation.takeBack(text), screen.giveBack(text)));
    client.on("error", (message) => {
      if (message.code === "no_speech" || ENDS_STREAM.has(message.code)) conversation.forgetHearing();
      if (NO_HISTORY.has(message.code)) this.#asking = false;
      if (ENDS_STREAM.has(message.code) && this.#mode === "stream") this.#endMode();
      if (!conversation.failed(message)) screen.fault(message.code, message.message);
    });
  }

  /** @param {import("../chatanon-client.js").Connected} greeting */
  #connected({ character, audio_sample_rate }) {
    this.#voiceRate = audio_sample_rate ?? VOICE_RATE;
    if (this.#fresh) this.#begin(character);
    if (this.#mode === "agent") this.client.startAgent();
  }

  /** A talk with this character, from what they said before. @param {string} character */
  #begin(character) {
    this.#fresh = false;
    this.player.stop();
    this.conversation.clear();
    this.#asking = true;
    this.client.askHistory(HISTORY_PAGE);
    this.screen.character(character);
    feel("auto");
  }

  #lost() {
    this.conversation.lost();
    this.player.end(); // what has come is heard to its end
    this.#running = this.#asking = false;
    if (this.#mode === "stream") this.#endMode();
    if (!this.player.isPlaying) this.#setBusy(false);
  }
}
