/** What this device remembers. The token only if the person wants it; without storage nothing, and all works. */

const KEY = "chatanon";

/**
 * @typedef {{token: string, remember: boolean, showJp: boolean, showCn: boolean, volume: number, language: string,
 *   character: string}} Settings
 */

/** @type {Settings} */
const DEFAULTS = {
  token: "", remember: false, showJp: true, showCn: true, volume: 1, language: "", character: "",
};

/** @returns {Settings} */
export function readSettings() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

/** @param {Settings} settings */
export function keepSettings(settings) {
  const kept = settings.remember ? settings : { ...settings, token: "" };
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // private windows may refuse: then it is asked again next time
  }
}
