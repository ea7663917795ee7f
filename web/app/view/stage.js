/** The character on the stage: portrait or figure, name, emotion, how loud the voice is. */

import { Face } from "../face/face.js";
import { attach } from "../face/puppet.js";
import { tell } from "../language.js";
import { byId, make, showLevel } from "./dom.js";

/** @typedef {import("../talk/server_facts.js").Character} Character */

/**
 * A picture of the character's own (`client: {portrait: ...}` in its character.yaml, an address of this server), else
 * our figure: `drawn` is told of it, at once or when the picture turns out not to be there.
 * @param {HTMLElement} place @param {Character} character @param {boolean} alive @param {(face: Face) => void} [drawn]
 */
export function portray(place, character, alive, drawn = () => {}) {
  const draw = () => drawn(new Face(place, character.name, alive));
  const portrait = character.client.portrait;
  if (typeof portrait !== "string") return draw();
  const picture = make("img", { src: portrait, alt: "" });
  picture.addEventListener("error", () => picture.parentElement === place && draw()); // else another has come meanwhile
  place.replaceChildren(picture);
}

export class Stage {
  #place = byId("face", HTMLElement);
  /** @type {Face | null} */ #face = null;
  /** @type {Character | null} */ #character = null;
  #emotion = "auto";

  constructor() {
    attach({ onMouth: (openness) => this.#face?.speak(openness), onEmotion: (name) => this.#feel(name) });
  }

  /** @param {Character} character */
  show(character) {
    if (this.#character?.name !== character.name) {
      this.#face = null;
      portray(this.#place, character, true, (face) => ((this.#face = face), face.feel(this.#emotion)));
    }
    this.#character = character;
    byId("name", HTMLElement).textContent = character.display_name;
    byId("about", HTMLElement).textContent = character.description;
    byId("choose", HTMLButtonElement).setAttribute("aria-label", tell("choose", { name: character.display_name }));
    this.#feel(this.#emotion);
  }

  /** @param {string} name */
  #feel(name) {
    this.#emotion = name;
    this.#face?.feel(name);
    const shown = name === "thinking" ? tell("thinking") : tell(name);
    const chip = byId("emotion", HTMLElement);
    chip.textContent = shown;
    chip.className = `emotion ${name}`;
    const label = tell("face", { name: this.#character?.display_name ?? "", emotion: shown });
    this.#place.setAttribute("aria-label", label);
  }

  /** @param {number} level */
  hear(level) {
    showLevel("voice-level", level);
  }
}
