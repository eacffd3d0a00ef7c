// Drives npm's openclaw-node through its public interface, as an application of its would.
//
//   node drive.mjs NODE_MODULES URL STATE [TOKEN]     node drive.mjs NODE_MODULES version
//
// One line on standard input is one wish: "request METHOD PARAMS" or "chat TEXT". What happens is printed, one JSON
// object a line. It runs until SIGTERM.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, url, state, token] = process.argv.slice(2);
const folder = join(modules, "openclaw-node");
const say = (told) => console.log(JSON.stringify(told));

if (url === "version") {
  console.log(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
  process.exit(0);
}

const { OpenClawClient } = await import(pathToFileURL(join(folder, "dist/index.mjs")));
// With the default client id the gateway issues no device token on this machine.
const client = new OpenClawClient({ url, token, clientId: "test", deviceIdentityPath: join(state, "identity.json") });
for (const event of ["connected", "disconnected", "pairingRequired"]) {
  client.on(event, (detail) => say({ event, detail: detail ?? null }));
}
client.on("error", (error) => say({ event: "error", message: String(error?.message ?? error) }));
client.connect().then(
  () => say({ event: "hello" }),
  (error) => say({ event: "refused", message: String(error?.message ?? error) }),
);

const wishes = {
  async request(rest) {
    const [method, params = "{}"] = rest.split(/ (.*)/s);
    say({ answer: method, payload: await client.request(method, JSON.parse(params)) });
  },
  async chat(text) {
    let answer = "";
    for await (const chunk of client.chat(text)) if (chunk.type === "text") answer += chunk.text;
    say({ said: answer });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [verb, rest = ""] = line.split(/ (.*)/s);
  wishes[verb]?.(rest).catch((error) => say({ failed: verb, message: String(error?.message ?? error) }));
});
process.on("SIGTERM", async () => {
  await client.disconnect();
  process.exit(0);
});
// The library holds nothing open while it waits to reconnect.
setInterval(() => {}, 60_000);
