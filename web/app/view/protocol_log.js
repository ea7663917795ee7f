/** Every frame, newest last: drawn only while it is looked at. */

import { tell } from "../language.js";
import { byId, make, onClick } from "./dom.js";

/** @typedef {import("../chatanon-client.js").Frame} Frame */

const KEPT = 500;

/** @param {Frame} frame */
function asText({ sent, at, message, bytes, note }) {
  const time = new Date(at).toISOString().slice(11, 23);
  return `${time} ${sent ? "→" : "←"} ${message ? JSON.stringify(shortened(message)) : `[${note}, ${bytes} bytes]`}`;
}

/** Audio in base64 is of no use to readers. @param {Record<string, any>} message */
function shortened(message) {
  const audio = message.audio_base64;
  return typeof audio === "string" ? { ...message, audio_base64: `... ${audio.length} characters` } : message;
}

/** Without https a page has no clipboard, and copies what is selected. @param {string} text */
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const selected = make("textarea", { class: "unseen" });
  selected.value = text;
  document.body.append(selected);
  selected.select();
  const done = document.execCommand("copy");
  selected.remove();
  return done;
}

export class ProtocolLog {
  /** @type {Frame[]} */ #frames = [];
  #details = byId("protocol", HTMLDetailsElement);
  #list = byId("frames", HTMLElement);

  constructor() {
    this.#details.addEventListener("toggle", () => this.#details.open && this.#drawAll());
    onClick("copy", async () => {
      const button = byId("copy", HTMLButtonElement);
      button.textContent = tell((await copied(this.#frames.map(asText).join("\n"))) ? "copied" : "notCopied");
      button.focus();
      setTimeout(() => (button.textContent = tell("copy")), 1500);
    });
  }

  /** @param {Frame} frame */
  add(frame) {
    const last = this.#frames.at(-1);
    const more = last && !last.message && !frame.message && last.sent === frame.sent && last.note === frame.note;
    if (more) this.#frames[this.#frames.length - 1] = { ...last, bytes: last.bytes + frame.bytes };
    else this.#frames.push(frame);
    if (this.#frames.length > KEPT) this.#frames.shift();
    if (this.#details.open) this.#draw(Boolean(more));
  }

  #drawAll() {
    this.#list.replaceChildren(...this.#frames.map(rowOf));
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {boolean} inPlace pieces of audio that follow each other are one row */
  #draw(inPlace) {
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    const row = rowOf(this.#frames[this.#frames.length - 1]);
    if (inPlace && this.#list.lastElementChild) this.#list.lastElementChild.replaceWith(row);
    else this.#list.append(row);
    if (this.#list.childElementCount > KEPT) this.#list.firstElementChild?.remove();
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}

/** @param {Frame} frame */
function rowOf(frame) {
  return make("code", { class: frame.sent ? "sent" : "received", text: asText(frame) });
}
