/** Windows over the page: whom to talk with, are you sure, the token. Escape closes those that may be closed. */

import { tell, tellError } from "../language.js";
import { byId, make } from "./dom.js";
import { portray } from "./stage.js";

/** @typedef {import("../talk/server_facts.js").Character} Character */

/** Buttons without a purpose of their own close their window. */
export function listenToDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector('button[value=""]')?.addEventListener("click", () => dialog.close());
  }
}

/** @param {string} text @param {() => void} then */
export function askSure(text, then) {
  byId("sure-text", HTMLElement).textContent = text;
  const dialog = byId("sure", HTMLDialogElement);
  byId("sure-do", HTMLButtonElement).onclick = () => (dialog.close(), then());
  dialog.showModal();
}

/** @param {Character[]} characters @param {string} now @param {(name: string) => void} then */
export function chooseCharacter(characters, now, then) {
  const dialog = byId("characters", HTMLDialogElement);
  const confirm = byId("switch-do", HTMLButtonElement);
  const choose = (/** @type {Character} */ character) => {
    confirm.disabled = character.name === now;
    confirm.textContent = tell("switchTo", { name: character.display_name });
    confirm.onclick = () => (dialog.close(), then(character.name));
  };
  const cards = characters.map((character) => cardOf(character, character.name === now, () => choose(character)));
  byId("character-list", HTMLElement).replaceChildren(...cards);
  const present = characters.find(({ name }) => name === now) ?? characters[0];
  if (present) choose(present);
  dialog.showModal();
}

/** @param {Character} character @param {boolean} checked @param {() => void} chosen */
function cardOf(character, checked, chosen) {
  const input = make("input", { type: "radio", name: "character", value: character.name });
  input.checked = checked;
  input.addEventListener("change", chosen);
  const picture = make("span", { class: "picture" });
  portray(picture, character, false);
  const words = make("span", { class: "words" }, make("b", { text: character.display_name }));
  words.append(make("span", { class: "note", text: character.description }));
  return make("label", { class: "character" }, input, picture, words);
}

/**
 * @param {string | null} code why it is asked for again
 * @param {boolean} remembered
 * @param {(token: string, remember: boolean) => void} then
 */
export function askToken(code, remembered, then) {
  const dialog = byId("token-dialog", HTMLDialogElement);
  const why = byId("token-why", HTMLElement);
  why.textContent = code ? tellError(code) : tell("tokenWhy");
  why.classList.toggle("broken", code !== null);
  byId("remember", HTMLInputElement).checked = remembered;
  byId("token-form", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    dialog.close();
    then(byId("token", HTMLInputElement).value.trim(), byId("remember", HTMLInputElement).checked);
  };
  if (!dialog.open) dialog.showModal();
}
