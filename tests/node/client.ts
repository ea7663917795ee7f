// A client on the generated models: what it has to say first, then what it makes of the frames given on standard input.
import { readFileSync } from "node:fs";
import type { ClientMessage } from "./models/ClientMessage";
import type { Emotion } from "./models/Emotion";
import type { ServerMessage } from "./models/ServerMessage";

const say: ClientMessage[] = [
  { type: "connect", api_token: "a token", character_name: "anon", extensions: ["turns", "sentences"] },
  { type: "message", content: "你好" },
];

// What a compiler that knows the protocol must refuse: each of these lines fails the build where it does not.
// @ts-expect-error There is no such message.
export const unknown: ClientMessage = { type: "massage", content: "你好" };
// @ts-expect-error Its text is missing.
export const empty: ClientMessage = { type: "message" };
// @ts-expect-error Nobody is let in without a token.
export const nobody: ClientMessage = { type: "connect" };
// @ts-expect-error Bytes go as base64.
export const raw: ClientMessage = { type: "agent_audio_chunk", audio_base64: new Uint8Array(2) };
// @ts-expect-error Clients do not say this.
export const turned: ClientMessage = { type: "pong" };
// @ts-expect-error No face for this one.
export const hungry: Emotion = "hungry";

function told(message: ServerMessage): string | undefined {
  switch (message.type) {
    case "connected":
      return `${message.character_display_name} ${(message.extensions ?? []).join()}`;
    case "sentence":
      return `${message.index} ${message.emotion.toUpperCase()} ${message.content_jp} ${message.content_cn ?? "-"}`;
    case "audio_chunk":
      return `${message.audio_sample_rate} ${message.audio_format} ${atob(message.audio_base64).length}`;
    case "response":
      return `${message.content_cn} ${message.audio_error?.code ?? "spoken"}`;
    case "error":
      return `${message.code} ${message.retryable ? message.retry_after_ms ?? 0 : "never"}`;
    case "history":
      return message.messages.map((entry) => `${entry.id} ${entry.role} ${entry.content_jp ?? entry.content_cn}`).join();
    case "turn_end":
      // @ts-expect-error A field of another message.
      return message.content_jp;
    default:
      return undefined;
  }
}

const frames = readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line) as ServerMessage);
console.log(JSON.stringify({ said: say, told: frames.map((frame) => told(frame) ?? null) }));
