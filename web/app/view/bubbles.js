/** The talk on the screen: entries in, bubbles out. It stays at its end unless the reader has scrolled up. */

import { tell, tellError } from "../language.js";
import { byId, make } from "./dom.js";

/** @typedef {import("../talk/conversation.js").Entry} Entry */
/** @typedef {import("../talk/conversation.js").Conversation} Conversation */

const NEAR_END = 80;
const NEAR_TOP = 40;

export class Bubbles {
  /** @type {Map<number, HTMLElement>} */ #shown = new Map();
  #log = byId("log", HTMLElement);
  #empty = make("div", { class: "empty" });
  #queued = new Set(/** @type {Entry[]} */ ([]));

  /**
   * @param {{again: (text: string) => void, older: () => void, entries: () => Entry[],
   *   name: (who: Entry["who"]) => string}} talk
   */
  constructor(talk) {
    this.talk = talk;
    this.#log.addEventListener("scroll", () => this.#log.scrollTop < NEAR_TOP && this.talk.older());
  }

  /** What stands there before anything was said. @param {string} greeting */
  greet(greeting) {
    this.#empty.replaceChildren(make("p", { class: "greeting", text: greeting }));
  }

  /** @param {Entry} entry */
  changed(entry) {
    if (!this.#queued.size) queueMicrotask(() => this.#draw());
    this.#queued.add(entry);
  }

  #draw() {
    const atEnd = this.#isAtEnd();
    for (const entry of this.#queued) {
      const known = this.#shown.get(entry.key);
      const bubble = this.#bubbleOf(entry);
      if (known) known.replaceWith(bubble);
      else if (this.talk.entries().includes(entry)) this.#log.append(bubble);
      this.#shown.set(entry.key, bubble);
    }
    this.#queued.clear();
    this.#empty.remove();
    if (atEnd) this.toEnd();
  }

  /** All anew. @param {Entry[]} entries */
  reset(entries) {
    this.#shown.clear();
    this.#queued.clear();
    const bubbles = entries.map((entry) => {
      const bubble = this.#bubbleOf(entry);
      this.#shown.set(entry.key, bubble);
      return bubble;
    });
    this.#log.replaceChildren(...(bubbles.length ? bubbles : [this.#empty]));
    this.toEnd();
  }

  /** Older ones have come: what one was reading stays where it is. @param {Entry[]} entries */
  prepended(entries) {
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    const atEnd = this.#isAtEnd();
    this.reset(entries);
    if (!atEnd) this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
    if (this.#log.scrollHeight <= this.#log.clientHeight) this.talk.older(); // a screen so large is never scrolled
  }

  /** @param {Entry} entry */
  #bubbleOf(entry) {
    const bubble = bubbleOf(entry, this.talk.again);
    bubble.setAttribute("aria-label", this.talk.name(entry.who)); // who sees tells them by side and colour
    return bubble;
  }

  #isAtEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END;
  }

  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}

/** @param {Entry} entry @param {(text: string) => void} again */
function bubbleOf(entry, again) {
  const bubble = make("article", { class: `bubble ${entry.who} ${entry.state}`, "data-key": String(entry.key) });
  if (entry.who === "user") bubble.append(make("p", { class: "said", text: entry.lines[0]?.cn || tell("hearing") }));
  else bubble.append(...linesOf(entry));
  const notes = notesOf(entry);
  if (notes.length) bubble.append(make("p", { class: "notes" }, ...notes));
  if (entry.state === "failed") {
    const asked = make("button", { type: "button", class: "small", text: tell("again") });
    asked.addEventListener("click", () => again(bubble.previousElementSibling?.querySelector(".said")?.textContent ?? ""));
    bubble.append(asked);
  }
  return bubble;
}

/** @param {Entry} entry */
function linesOf(entry) {
  if (!entry.lines.length && entry.state === "thinking") {
    const dots = [make("i"), make("i"), make("i")];
    return [make("p", { class: "dots", role: "img", "aria-label": tell("thinking") }, ...dots)];
  }
  return entry.lines.map(({ jp, cn }, index) => {
    const line = make("div", { class: entry.spoken === index ? "line spoken" : "line" });
    if (jp) line.append(make("p", { class: "jp", lang: "ja", text: jp }));
    if (cn) line.append(make("p", { class: "cn", lang: "zh-Hans", text: cn }));
    return line;
  });
}

/** @param {Entry} entry */
function notesOf(entry) {
  const notes = [];
  const emotion = entry.emotion;
  if (entry.who === "character" && emotion && emotion !== "auto" && entry.state === "done") {
    notes.push(make("span", { class: `feeling ${emotion}`, text: tell(emotion) }));
  }
  if (entry.state === "waiting") notes.push(make("span", { text: tell("notSent") }));
  if (entry.cut) notes.push(make("span", { text: tell("cut") }));
  if (entry.fault) notes.push(make("span", { class: "broken", text: tellError(entry.fault, entry.detail) }));
  return notes;
}
