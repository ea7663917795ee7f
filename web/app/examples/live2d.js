/**
 * How a Live2D model attaches: two calls, and the rest of the page as in talk.html.
 *
 * No runtime of Live2D is here, because its licence does not let us bring it: `StandIn` has the two calls that are
 * needed of it. With the Cubism SDK or pixi-live2d-display, `model` is theirs, loaded from files beside this page:
 *
 *     const model = await Live2DModel.from(character.client.live2d_model_set);   // what GET /characters passes on
 *     const core = model.internalModel.coreModel;
 *     setParameter: (name, value) => core.setParameterValueById(name, value)
 *     setExpression: (name) => model.expression(name)
 */

import { ChatAnonClient } from "../chatanon-client.js";
import { attach, feel, hearVoice } from "../face/puppet.js";
import { Player } from "../sound/player.js";

/** Emotions of the protocol, and what the model calls them: write your model's own names. */
const EXPRESSIONS = {
  happy: "f01", sad: "f02", angry: "f03", fearful: "f04", disgusted: "f05", surprised: "f06", calm: "f00", auto: "f00",
};

class StandIn {
  #draw = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (document.getElementById("stage")).getContext("2d"));

  /** @param {string} name @param {number} value */
  setParameter(name, value) {
    if (name !== "ParamMouthOpenY") return;
    const draw = this.#draw;
    draw.clearRect(0, 0, 320, 320);
    draw.fillStyle = "#b92d61";
    draw.beginPath();
    draw.ellipse(110, 120, 14, 22, 0, 0, 7);
    draw.ellipse(210, 120, 14, 22, 0, 0, 7);
    draw.fill();
    draw.beginPath();
    draw.ellipse(160, 220, 40, 4 + 44 * value, 0, 0, 7);
    draw.fill();
  }

  /** @param {string} name */
  setExpression(name) {
    /** @type {HTMLElement} */ (document.getElementById("state")).textContent = name;
  }
}

const model = new StandIn();
attach({
  onMouth: (openness) => model.setParameter("ParamMouthOpenY", openness),
  onEmotion: (name) => model.setExpression(EXPRESSIONS[/** @type {keyof typeof EXPRESSIONS} */ (name)] ?? "f00"),
});

const client = new ChatAnonClient({ url: "../../ws", token: "dev_token_001" });
/** @type {Map<string, string>} */
const emotions = new Map();
let turn = 0;
const player = new Player({
  progress: ({ level, flowing }) => hearVoice(flowing ? level : 0),
  sentence: (number, index) => feel(emotions.get(`${number} ${index}`) ?? "auto"),
  ended: () => hearVoice(0),
});
client.on("turn_started", ({ turn_number }) => (turn = turn_number));
client.on("sentence", ({ index, emotion }) => emotions.set(`${turn} ${index}`, emotion));
client.on("audio", (audio) => player.play(audio));
client.on("audio_end", () => player.end());
client.on("interrupted", () => player.stop());

model.setParameter("ParamMouthOpenY", 0);
document.forms[0].addEventListener("submit", (event) => {
  event.preventDefault();
  void player.open();
  client.say(String(new FormData(document.forms[0]).get("text")));
});
client.connect().catch(({ code, message }) => model.setExpression(`${code}: ${message}`));
