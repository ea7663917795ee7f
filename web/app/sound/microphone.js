/**
 * The microphone: pieces of 40 ms of 16-bit samples out, at `sampleRate`.
 *
 * The browser is asked to take out echo and noise, and to resample to 16 kHz, which it does well. One that cannot (a
 * microphone's sound must stay at the device's rate in Firefox) gives its own rate: tell it to the server in `connect`.
 */

/** Why there is no sound: `code` is one of errors.js. */
export class NoMicrophone extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const WANTED_RATE = 16_000;
/** What browsers call it, and what we do. @type {Record<string, string>} */
const CODES = {
  NotAllowedError: "microphone_refused",
  SecurityError: "microphone_refused",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

export class Microphone {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {MediaStream | null} */ #stream = null;

  /**
   * @param {{piece: (pcm: Int16Array, level: number) => void, lost?: (code: string) => void}} ears
   *   `lost`: it was unplugged, or the person has taken back the permission; it is closed then.
   */
  constructor(ears) {
    this.ears = ears;
  }

  get isOpen() {
    return this.#context !== null;
  }

  /**
   * Ask the person for it and begin to listen. Gives the rate of the pieces.
   * @returns {Promise<number>}
   */
  async open() {
    if (this.#context) return this.#context.sampleRate;
    this.#stream = await this.#ask();
    try {
      return await this.#listen(this.#stream);
    } catch (error) {
      this.close(); // nothing may show that it is on
      throw error;
    }
  }

  /** @param {MediaStream} stream */
  async #listen(stream) {
    const [context, source] = await connect(stream);
    this.#context = context;
    await context.audioWorklet.addModule(new URL("microphone_worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "chatanon-microphone", { numberOfOutputs: 0 });
    source.connect(node);
    node.port.onmessage = ({ data }) => this.#context === context && this.ears.piece(data.pcm, data.level);
    stream.getAudioTracks()[0].onended = () => this.#context === context && void this.#end();
    return context.sampleRate;
  }

  async #end() {
    this.close();
    this.ears.lost?.((await isForbidden()) ? "microphone_refused" : "microphone_lost");
  }

  async #ask() {
    if (!navigator.mediaDevices) throw new NoMicrophone(isSecureContext ? "microphone_missing" : "insecure_page");
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    try {
      return await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new NoMicrophone(CODES[/** @type {DOMException} */ (error).name] ?? "microphone_missing");
    }
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    void this.#context?.close();
    this.#stream = this.#context = null;
  }
}

/** Whether the person has forbidden it meanwhile. Some browsers cannot tell. */
async function isForbidden() {
  const name = /** @type {PermissionName} */ ("microphone");
  return navigator.permissions.query({ name }).then(({ state }) => state === "denied", () => false);
}

/**
 * A microphone's sound at the rate that is wanted, else at the device's own.
 * @param {MediaStream} stream
 * @returns {Promise<[AudioContext, MediaStreamAudioSourceNode]>}
 */
async function connect(stream) {
  for (const options of [{ sampleRate: WANTED_RATE }, {}]) {
    const context = new AudioContext({ ...options, latencyHint: "interactive" });
    try {
      const source = context.createMediaStreamSource(stream);
      await context.resume();
      return [context, source];
    } catch {
      await context.close();
    }
  }
  throw new NoMicrophone("microphone_busy");
}
