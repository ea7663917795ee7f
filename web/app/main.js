/** The page: what it finds out about the server, and which hand moves what. */

import { ChatAnonClient } from "./chatanon-client.js";
import { language, speak, tell, tellError, translate } from "./language.js";
import { asJson, asMarkdown, saveFile } from "./talk/export.js";
import { askAbout, askCharacters, DEMO_TOKEN, isOwnMachine, socketAddress } from "./talk/server_facts.js";
import { keepSettings, readSettings } from "./talk/settings.js";
import { Talk } from "./talk/talk.js";
import { Bubbles } from "./view/bubbles.js";
import { Composer } from "./view/composer.js";
import { ConnectionView } from "./view/connection.js";
import { askSure, askToken, chooseCharacter, listenToDialogs } from "./view/dialogs.js";
import { byId, onClick, press, showLevel } from "./view/dom.js";
import { showLatency } from "./view/latency.js";
import { ProtocolLog } from "./view/protocol_log.js";
import { Stage } from "./view/stage.js";

/** @typedef {import("./talk/server_facts.js").About} About */
/** @typedef {import("./talk/server_facts.js").Character} Character */

const settings = readSettings();
speak(settings.language);

const client = new ChatAnonClient({
  url: socketAddress(),
  token: settings.token,
  character: settings.character || null,
  audioSampleRate: 16_000,
});
const stage = new Stage();
const log = new ProtocolLog();
const connection = new ConnectionView(client);
const bubbles = new Bubbles({
  again: (text) => talk.say(text),
  older: () => talk.older(),
  entries: () => talk.conversation.entries,
  name: (who) => (who === "user" ? tell("you") : here?.display_name ?? ""),
});
const composer = new Composer({
  say: (text) => talk.say(text),
  holdStart: () => void talk.holdStart(),
  holdEnd: () => talk.holdEnd(),
  handsFree: () => void talk.handsFree(),
  stop: () => talk.interrupt(),
});
const talk = new Talk(client, {
  fault: (code, detail) => connection.fault(code === "no_speech" && phrasesOnly() ? "no_speech_phrases" : code, detail),
  giveBack: (text) => composer.giveBack(text),
  character: showCharacter,
  holding: (on) => composer.showHolding(on),
  handsFree: (on) => composer.showHandsFree(on),
  busy: (on) => composer.showStop(on),
  cleared: () => announce(tell("cleared")),
  timed: () => showLatency(talk.timings),
  microphoneLevel: (level) => showLevel("microphone-level", level),
  voiceLevel: (level) => stage.hear(level),
  announce: (reply) => announce(tell("says", { name: here?.display_name ?? "", text: reply })),
  conversation: {
    changed: (entry) => bubbles.changed(entry),
    reset: () => bubbles.reset(talk.conversation.entries),
    prepended: () => bubbles.prepended(talk.conversation.entries),
  },
});

/** @type {About | null} */
let about = null;
/** @type {Character[]} */
let characters = [];
/** @type {Character | undefined} */
let here;

/** Whether the recogniser is one that understands no more than what is offered as things to say. */
const phrasesOnly = () => Boolean(about?.engines.asr?.note);

/** @param {string} text */
function announce(text) {
  byId("announce", HTMLElement).textContent = text;
}

/** @param {string} name */
function showCharacter(name) {
  const before = here;
  here = characters.find((each) => each.name === name) ?? {
    name, display_name: name, description: "", greeting: "", suggestions: [], client: {},
  };
  settings.character = name;
  keepSettings(settings);
  stage.show(here);
  bubbles.greet(here.greeting);
  bubbles.reset(talk.conversation.entries);
  composer.suggest(here.suggestions, phrasesOnly());
  if (before && before.name !== name) announce(tell("switched", { name: here.display_name }));
}

/** Everything that has words, in the language of now. */
function showTexts() {
  translate(document);
  document.title = `ChatAnon · ${tell("title")}`;
  press("show-jp", settings.showJp);
  press("show-cn", settings.showCn);
  document.body.classList.toggle("no-jp", !settings.showJp);
  document.body.classList.toggle("no-cn", !settings.showCn);
  composer.showHolding(false);
  composer.showHandsFree(false);
  connection.show();
  showLatency(talk.timings);
  byId("credits", HTMLElement).textContent = about?.credits.length ? `${tell("credits")}: ${about.credits.join(" ")}` : "";
  if (here) showCharacter(here.name);
}

/** One of the two languages always stays. @param {"showJp" | "showCn"} which */
function toggleLanguage(which) {
  const other = which === "showJp" ? "showCn" : "showJp";
  settings[which] = !settings[which];
  if (!settings[which]) settings[other] = true;
  keepSettings(settings);
  showTexts();
}

/** @param {string | null} code why the last one did not do */
function enterToken(code) {
  askToken(code, settings.remember, (token, remember) => {
    Object.assign(settings, { token, remember });
    keepSettings(settings);
    client.token = token;
    connect();
  });
}

function connect() {
  if (about?.demo && !isOwnMachine()) {
    connection.fault("demo_elsewhere");
    return;
  }
  if (about?.demo) client.token = DEMO_TOKEN;
  if (!client.token) {
    enterToken(null);
    return;
  }
  client.connect().catch(() => {}); // told by the event `state`, as all that ends a connection later is
}

/** The server does not want this client as it is. @param {string} code @param {string} message */
function refused(code, message) {
  if (code === "left") return;
  if (code === "unauthorized" && !about?.demo) {
    enterToken(code);
  } else if (code === "unknown_character" && client.character) {
    client.character = null; // one that was taken away since this device was here last
    connect();
  } else {
    connection.fault(code, message, { text: tell("reconnect"), then: connect });
  }
}

/** All that was said, not only what was scrolled to. @param {"md" | "json"} kind */
async function saveAs(kind) {
  const entries = await talk.whole();
  const name = here?.display_name ?? "";
  const file = `chatanon-${here?.name ?? "talk"}-${new Date().toISOString().slice(0, 10)}.${kind}`;
  if (kind === "md") saveFile(file, asMarkdown(entries, name, tell("you")), "text/markdown");
  else saveFile(file, asJson(entries, here?.name ?? ""), "application/json");
}

function listenToMenu() {
  const menu = byId("menu", HTMLDialogElement);
  const volume = byId("volume", HTMLInputElement);
  const chosen = byId("language", HTMLSelectElement);
  volume.value = String(settings.volume);
  chosen.value = settings.language;
  talk.volume = settings.volume;
  volume.addEventListener("input", () => {
    talk.volume = settings.volume = Number(volume.value);
    keepSettings(settings);
  });
  chosen.addEventListener("change", () => {
    settings.language = chosen.value;
    keepSettings(settings);
    speak(chosen.value);
    showTexts();
  });
  onClick("open-menu", () => menu.showModal());
  onClick("export-markdown", () => void saveAs("md"));
  onClick("export-json", () => void saveAs("json"));
  onClick("change-token", () => (menu.close(), enterToken(null)));
  onClick("clear", () => {
    menu.close();
    askSure(tell("clearSure", { name: here?.display_name ?? "" }), () => client.clearHistory());
  });
}

function listenToBar() {
  onClick("show-jp", () => toggleLanguage("showJp"));
  onClick("show-cn", () => toggleLanguage("showCn"));
  onClick("choose", () => chooseCharacter(characters, here?.name ?? "", (name) => client.switchCharacter(name)));
  onClick("open-developer", () => {
    const panel = byId("developer", HTMLElement);
    panel.hidden = !panel.hidden;
    byId("open-developer", HTMLElement).setAttribute("aria-expanded", String(!panel.hidden));
    // Another engine may have taken over since.
    if (!panel.hidden && client.state.state === "open") void askAbout().then((now) => connection.showServer(now), () => {});
  });
}

async function start() {
  client.on("frame", (frame) => log.add(frame));
  client.on("state", ({ state, code, message }) => state === "closed" && refused(code ?? "lost", message ?? ""));
  listenToDialogs();
  listenToMenu();
  listenToBar();
  showTexts();
  byId("page", HTMLElement).hidden = false;
  try {
    [about, characters] = await Promise.all([askAbout(), askCharacters()]);
  } catch {
    connection.fault("unreachable", "", { text: tell("reconnect"), then: () => location.reload() });
    return;
  }
  connection.showServer(about);
  byId("change-token", HTMLElement).hidden = about.demo;
  showCharacter(client.character ?? characters[0]?.name ?? "");
  showTexts();
  connect();
}

void start();

// For examples and tests in the browser's console; nothing in the page uses it.
Object.assign(globalThis, { chatanon: { client, talk, language, tellError } });
