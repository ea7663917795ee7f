/** In which language the page speaks, and its sentences. */

import { ERRORS } from "./errors.js";
import { TEXTS } from "./texts.js";

export const LANGUAGES = /** @type {const} */ (["zh", "ja", "en"]);
/** @typedef {typeof LANGUAGES[number]} Language */

/** The first of the reader's languages that there is; English for all others. @returns {Language} */
function ofReader() {
  for (const wanted of navigator.languages) {
    const found = LANGUAGES.find((language) => wanted.toLowerCase().startsWith(language));
    if (found) return found;
  }
  return "en";
}

/** @type {Language} */
let chosen = ofReader();

/** @param {string} wanted one of LANGUAGES; anything else is the reader's own */
export function speak(wanted) {
  chosen = LANGUAGES.find((language) => language === wanted) ?? ofReader();
  document.documentElement.lang = { zh: "zh-Hans", ja: "ja", en: "en" }[chosen];
}

export const language = () => chosen;

/** @param {[string, string, string]} texts @param {Record<string, string | number>} values */
function filled(texts, values) {
  const text = texts[LANGUAGES.indexOf(chosen)];
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")).trim();
}

/** @param {string} name @param {Record<string, string | number>} [values] */
export function tell(name, values = {}) {
  return filled(TEXTS[name] ?? [name, name, name], values);
}

/** A sentence for a code. @param {string} code @param {string} [message] the server's own words */
export function tellError(code, message = "") {
  return filled(ERRORS[code] ?? ERRORS.unknown, { message: message || code });
}

/** Give every element with `data-text` (and `data-label`, `data-hint`) its words. @param {ParentNode} root */
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = tell(element.getAttribute("data-text") ?? "");
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", tell(element.getAttribute("data-label") ?? ""));
  }
  for (const element of root.querySelectorAll("[data-hint]")) {
    element.setAttribute("placeholder", tell(element.getAttribute("data-hint") ?? ""));
  }
}
