/** A talk in, a file of it out: Markdown to read, JSON for programs. */

/** @typedef {import("./conversation.js").Entry} Entry */

/** @param {Entry[]} entries */
function kept(entries) {
  return entries.filter((entry) => entry.lines.length && entry.state !== "hearing");
}

/** @param {Entry[]} entries @param {string} character @param {string} you */
export function asMarkdown(entries, character, you) {
  const parts = kept(entries).map((entry) => {
    const head = `**${entry.who === "user" ? you : character}**`;
    const time = entry.at.slice(0, 16).replace("T", " ");
    const lines = entry.lines.flatMap(({ jp, cn }) => [jp, cn].filter(Boolean).map(escaped));
    return `${head} · ${time} UTC\n\n${lines.join("  \n")}\n`;
  });
  return `# ${character}\n\n${parts.join("\n")}`;
}

/** @param {Entry[]} entries @param {string} character */
export function asJson(entries, character) {
  const messages = kept(entries).map(({ who, lines, emotion, at, cut }) => ({
    role: who === "user" ? "user" : "assistant",
    content_cn: lines.map(({ cn }) => cn).join(""),
    content_jp: who === "user" ? null : lines.map(({ jp }) => jp).join(""),
    emotion,
    at,
    ...(cut ? { cut } : {}),
  }));
  return JSON.stringify({ character, messages }, null, 2);
}

/** Of Markdown nothing is meant by what somebody said. @param {string} text */
function escaped(text) {
  return text.replace(/[\\`*_{}[\]<>#|~]/g, "\\$&").replace(/\n/g, "  \n");
}

/** @param {string} name @param {string} text @param {string} type */
export function saveFile(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
