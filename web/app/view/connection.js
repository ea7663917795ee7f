/** How the connection is, what went wrong, and what the server is made of. */

import { tell, tellError } from "../language.js";
import { byId, make } from "./dom.js";

/** @typedef {import("../chatanon-client.js").ChatAnonClient} ChatAnonClient */
/** @typedef {import("../talk/server_facts.js").About} About */

// These go by themselves; the rest stays until it is closed or something is said.
const OF_THE_CONNECTION = new Set(["lost", "server_shutdown", "server_busy", "too_slow", "idle", "handshake_timeout"]);
const OF_THE_MICROPHONE = /^microphone_/;

export class ConnectionView {
  #fault = byId("fault", HTMLElement);
  #code = "";
  #detail = "";
  #until = 0;

  /** @param {ChatAnonClient} client */
  constructor(client) {
    this.client = client;
    byId("fault-close", HTMLElement).addEventListener("click", () => this.#hide());
    client.on("state", (state) => {
      this.#until = Date.now() + (state.retryInMs ?? 0);
      if (state.state === "open") this.#hide();
      if (state.state === "waiting") this.fault(state.code ?? "lost", state.message);
      this.show();
    });
    // What is wrong with the microphone is to be read, also while the last that it heard is answered.
    client.on("turn_started", ({ input }) => (input === "text" || !OF_THE_MICROPHONE.test(this.#code)) && this.#hide());
    setInterval(() => this.client.state.state === "waiting" && this.show(), 500);
  }

  /** The state in words. */
  show() {
    const { state } = this.client.state;
    const seconds = Math.max(0, Math.ceil((this.#until - Date.now()) / 1000));
    const place = byId("connection", HTMLElement);
    place.className = `connection ${state}`;
    const [seen, said] = place.children;
    seen.textContent = tell(state, { seconds });
    const text = tell(state === "waiting" ? "waitingSaid" : state); // who listens is not told of every second
    if (said.textContent !== text) said.textContent = text;
    byId("connection-facts", HTMLElement).replaceChildren(...this.#facts());
    if (this.#code) this.#tellFault();
  }

  #tellFault() {
    const words = /** @type {HTMLElement} */ (this.#fault.querySelector("span"));
    const text = tellError(this.#code, this.#detail);
    if (words.textContent !== text) words.textContent = text; // what stays the same is not told again
  }

  #facts() {
    const { state, closeCode } = this.client.state;
    /** @type {[string, string][]} */
    const rows = [
      ["WebSocket", this.client.url],
      [tell("connectionRow"), `${state}${closeCode ? ` (${closeCode})` : ""}`],
    ];
    return rows.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]);
  }

  /**
   * @param {string} code @param {string} [detail] the server's own words
   * @param {{text: string, then: () => void}} [help] what one can press
   */
  fault(code, detail = "", help) {
    if (code.startsWith("no_speech") && OF_THE_MICROPHONE.test(this.#code)) return; // that is why
    this.#code = code;
    this.#detail = detail;
    const button = byId("fault-do", HTMLButtonElement);
    button.hidden = !help;
    button.textContent = help?.text ?? "";
    button.onclick = () => (this.#hide(), help?.then());
    this.#tellFault();
    this.#fault.dataset.code = code;
    this.#fault.classList.toggle("mild", OF_THE_CONNECTION.has(this.#code));
    this.#fault.hidden = false;
  }

  #hide() {
    this.#fault.hidden = true;
    this.#code = "";
  }

  /** @param {About} about */
  showServer(about) {
    const rows = Object.entries(about.engines).flatMap(([kind, { name, reason, note, out = {} }]) => [
      make("dt", { text: kind.toUpperCase() }),
      make("dd", {}, make("b", { text: name }), make("small", { text: ` ${note ?? reason}` }), ...Object.entries(out).map(fallenOut)),
    ]);
    byId("engines", HTMLElement).replaceChildren(make("dt", { text: "ChatAnon" }), make("dd", { text: about.version }), ...rows);
  }
}

/** An engine that would be asked first, and how it fails. @param {[string, string]} engine */
function fallenOut([name, how]) {
  return make("small", { class: "broken", text: ` ${tell("engineOut", { name, how })}` });
}
