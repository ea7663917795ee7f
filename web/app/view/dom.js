/** Elements by id and by hand, typed. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id} is not there`);
  return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes] `text` is what stands in it
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** @param {string} id @param {(event: Event) => void} then */
export function onClick(id, then) {
  byId(id, HTMLElement).addEventListener("click", then);
}

/** @param {string} id @param {boolean} pressed */
export function press(id, pressed) {
  byId(id, HTMLElement).setAttribute("aria-pressed", String(pressed));
}

/** A level of 0 to about 0.3, as ears hear it. @param {string} id @param {number} level */
export function showLevel(id, level) {
  const percent = Math.round(100 * Math.min(1, Math.sqrt(level / 0.25)));
  const meter = byId(id, HTMLElement);
  if (meter.getAttribute("aria-valuenow") === String(percent)) return;
  meter.setAttribute("aria-valuenow", String(percent));
  /** @type {HTMLElement} */ (meter.firstElementChild).style.transform = `scaleX(${percent / 100})`;
}
