// An AsyncAPI document in, what the official parser finds in it out, as JSON: node validate.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const operations = document?.allOperations().all() ?? [];
console.log(
  JSON.stringify({
    diagnostics: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path })),
    servers: document?.allServers().all().map((server) => server.url()) ?? [],
    operations: Object.fromEntries(
      operations.map((operation) => [
        operation.id(),
        {
          action: operation.action(),
          messages: operation.messages().all().map((message) => message.name()),
          reply: operation.reply()?.messages().all().map((message) => message.name()) ?? [],
        },
      ]),
    ),
  }),
);
