/**
 * Where the voice comes out: playback.js on the audio thread, or on the page where a browser gives no audio thread.
 *
 * That is so on pages without https that are not on localhost, such as a phone's that opens the address of a computer
 * at home: no microphone there, but the character is heard.
 */

import { Playback } from "./playback.js";

/** @typedef {import("./playback.js").Order} Order */
/** @typedef {import("./playback.js").Word} Word */
/** @typedef {{node: AudioNode, say: (order: Order) => void}} Loudspeaker */

const BLOCK = 256; // 16 ms at 16 kHz: a stop is heard within two of them

/** @param {AudioContext} context @param {(word: Word) => void} hear @returns {Promise<Loudspeaker>} */
export async function loudspeaker(context, hear) {
  if (!context.audioWorklet) return onThePage(context, hear);
  await context.audioWorklet.addModule(new URL("player_worklet.js", import.meta.url));
  const node = new AudioWorkletNode(context, "chatanon-player", { numberOfInputs: 0, outputChannelCount: [1] });
  node.port.onmessage = ({ data }) => hear(data);
  return { node, say: (order) => node.port.postMessage(order) };
}

/** @param {AudioContext} context @param {(word: Word) => void} hear @returns {Loudspeaker} */
function onThePage(context, hear) {
  const playback = new Playback(context.sampleRate, hear);
  const node = context.createScriptProcessor(BLOCK, 0, 1);
  node.onaudioprocess = ({ outputBuffer }) => playback.fill(outputBuffer.getChannelData(0).fill(0));
  return { node, say: (order) => playback.take(order) };
}
