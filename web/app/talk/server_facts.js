/** What the server tells of itself over HTTP: `GET /` and `GET /characters`; and where its socket is. */

/**
 * @typedef {{name: string, display_name: string, description: string, greeting: string, suggestions: string[],
 *   client: Record<string, any>}} Character
 * @typedef {{name: string, version: string, demo: boolean, status: string, credits: string[],
 *   engines: Record<string, {name: string, reason: string, note?: string, out?: Record<string, string>}>}} About
 */

// The page is at <server>/app/: a path that a proxy has put before it is kept.
const SERVER = new URL("../../", import.meta.url);

/** @param {string} path */
async function ask(path) {
  const answer = await fetch(new URL(path, SERVER), { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** @returns {Promise<About>} */
export const askAbout = () => ask("./");

/** @returns {Promise<Character[]>} */
export const askCharacters = async () => (await ask("characters")).characters;

export const socketAddress = () => new URL("ws", SERVER).href;

/** Whether this page comes from the machine it is shown on, where demo mode asks for no token. */
export function isOwnMachine() {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(location.hostname);
}

export const DEMO_TOKEN = "dev_token_001";
