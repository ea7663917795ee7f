// AsyncAPI documents in, what the official parser reads in each out, as JSON: node validate.mjs FILE...
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const names = (messages) => messages?.all().map((message) => message.name()) ?? [];

async function read(file) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  const operations = document?.allOperations().all() ?? [];
  return {
    codes: diagnostics.map(({ code }) => code),
    servers: document?.allServers().all().map((server) => server.url()) ?? [],
    operations: Object.fromEntries(
      operations.map((operation) => [
        operation.id(),
        {
          action: operation.action(),
          messages: names(operation.messages()),
          reply: names(operation.reply()?.messages()),
        },
      ]),
    ),
  };
}

console.log(JSON.stringify(await Promise.all(process.argv.slice(2).map(read))));
