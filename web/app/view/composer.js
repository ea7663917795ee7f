/** Where one types, holds a button to talk, or talks hands-free. */

import { tell } from "../language.js";
import { byId, make, onClick, press } from "./dom.js";

const DRAFT = "chatanon-draft";

export class Composer {
  #text = byId("text", HTMLTextAreaElement);
  #hold = byId("hold", HTMLButtonElement);
  #holding = false;

  /**
   * @param {{say: (text: string) => void, holdStart: () => void, holdEnd: () => void, handsFree: () => void,
   *   stop: () => void}} does
   */
  constructor(does) {
    this.does = does;
    byId("composer", HTMLFormElement).addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault(); // Enter that ends the choice of a character in an input method is none of ours
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#keep());
    this.#text.value = sessionStorage.getItem(DRAFT) ?? ""; // a page that is loaded anew loses nothing typed
    onClick("agent", () => does.handsFree());
    onClick("stop", () => does.stop());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) does.stop();
    });
    this.#listenToHold();
    this.#keep();
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text) return;
    this.#text.value = "";
    this.#keep();
    this.does.say(text);
  }

  #keep() {
    sessionStorage.setItem(DRAFT, this.#text.value);
    this.#text.style.height = "auto";
    if (this.#text.scrollHeight) this.#text.style.height = `${Math.min(this.#text.scrollHeight, 140)}px`;
  }

  /** Refused: what is being typed now stays behind it. @param {string} text */
  giveBack(text) {
    this.#text.value = [text, this.#text.value].filter(Boolean).join("\n");
    this.#keep();
  }

  #listenToHold() {
    const begin = () => this.#holding || ((this.#holding = true), this.does.holdStart());
    const end = () => this.#holding && ((this.#holding = false), this.does.holdEnd());
    this.#hold.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.#hold.setPointerCapture(event.pointerId);
      begin();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) this.#hold.addEventListener(name, end);
    this.#hold.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press on a phone
    this.#hold.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      if (!event.repeat) begin();
    });
    this.#hold.addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter") && end());
    this.#hold.addEventListener("blur", end);
    // Screen readers press without holding: the first press begins, the second one ends.
    this.#hold.addEventListener("click", (event) => event.detail === 0 && (this.#holding ? end() : begin()));
  }

  /** @param {boolean} on */
  showHolding(on) {
    press("hold", on);
    if (!on) this.#holding = false;
    const label = /** @type {HTMLElement} */ (this.#hold.querySelector("span"));
    label.textContent = tell(on ? "holding" : "hold");
  }

  /** @param {boolean} on */
  showHandsFree(on) {
    press("agent", on);
    const label = /** @type {HTMLElement} */ (byId("agent", HTMLButtonElement).querySelector("span"));
    label.textContent = tell(on ? "listening" : "handsFree");
    byId("hold", HTMLButtonElement).disabled = on;
  }

  /** @param {boolean} on whether there is something to stop */
  showStop(on) {
    byId("stop", HTMLButtonElement).hidden = !on;
  }

  /** @param {string[]} phrases @param {boolean} onlyThese the recogniser knows no others */
  suggest(phrases, onlyThese) {
    const buttons = phrases.map((phrase) => {
      const button = make("button", { type: "button", class: "hint", text: phrase });
      button.addEventListener("click", () => this.does.say(phrase));
      return button;
    });
    const label = make("span", { class: "hint-label", text: tell("hint") });
    if (onlyThese) label.title = tell("phrasesOnly");
    byId("hints", HTMLElement).replaceChildren(...(buttons.length ? [label, ...buttons] : []));
  }
}
