// Drives the reference GatewayClient through its public interface, as an application of its would.
//
//   node drive.mjs NODE_MODULES URL STATE [TOKEN]     node drive.mjs NODE_MODULES version
//
// One line on standard input is one wish: "request METHOD PARAMS" or "chat TEXT". What happens is printed, one JSON
// object a line. It runs until SIGTERM.

import { createPrivateKey, createPublicKey, createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, url, state, token] = process.argv.slice(2);
const say = (told) => console.log(JSON.stringify(told));
const shipped = existsSync(join(modules, "openclaw"));
const folder = join(modules, shipped ? "openclaw" : "@openclaw/gateway-client");

if (url === "version") {
  console.log(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
  process.exit(0);
}

// --- what a host provides -------------------------------------------------------------------------------

/** A small file of JSON in the state folder. */
const file = (name) => ({
  read: () => (existsSync(join(state, name)) ? JSON.parse(readFileSync(join(state, name), "utf8")) : undefined),
  write: (value) => writeFileSync(join(state, name), JSON.stringify(value)),
});
const rawKey = (pem) => createPublicKey(pem).export({ type: "spki", format: "der" }).subarray(-32);

/** The package on its own brings no keys and no storage: its host does. The releases bring both. */
function hostOfThePackage() {
  const identity = file("identity.json");
  const tokens = file("tokens.json");
  const withTokens = (change) => {
    const all = tokens.read() ?? {};
    change(all);
    tokens.write(all);
  };
  return {
    loadOrCreateDeviceIdentity() {
      const known = identity.read();
      if (known) return known;
      const pair = generateKeyPairSync("ed25519");
      const publicKeyPem = pair.publicKey.export({ type: "spki", format: "pem" });
      const made = {
        deviceId: createHash("sha256").update(rawKey(publicKeyPem)).digest("hex"),
        publicKeyPem,
        privateKeyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }),
      };
      identity.write(made);
      return made;
    },
    signDevicePayload: (pem, payload) => sign(null, Buffer.from(payload), createPrivateKey(pem)).toString("base64url"),
    publicKeyRawBase64UrlFromPem: (pem) => rawKey(pem).toString("base64url"),
    loadDeviceAuthToken: ({ role }) => tokens.read()?.[role] ?? null,
    storeDeviceAuthToken: ({ role, token, scopes }) => withTokens((all) => (all[role] = { token, scopes })),
    clearDeviceAuthToken: ({ role }) => withTokens((all) => delete all[role]),
  };
}

// --- the client -----------------------------------------------------------------------------------------

const entry = shipped ? "dist/plugin-sdk/gateway-runtime.js" : "dist/index.mjs";
const { GatewayClient } = await import(pathToFileURL(join(folder, entry)));
const client = new GatewayClient({
  url,
  token: token || undefined,
  clientName: "test",
  mode: "test",
  role: "operator",
  scopes: ["operator.read", "operator.write"],
  ...(shipped ? {} : { hostDeps: hostOfThePackage(), minProtocol: 4, maxProtocol: 4 }),
  onHelloOk: () => say({ event: "hello" }),
  onConnectError: (error) => say({ event: "refused", message: error.message }),
  onReconnectPaused: ({ code, reason, detailCode }) => say({ event: "paused", code, reason, detailCode }),
  onClose: (code, reason) => say({ event: "closed", code, reason }),
  onGap: (gap) => say({ event: "gap", ...gap }),
  onEvent: ({ event, payload }) => {
    if (event === "chat" && payload?.state === "final") say({ said: payload.message?.content?.[0]?.text ?? null });
  },
});
client.start();

const wishes = {
  async request(rest) {
    const [method, params = "{}"] = rest.split(/ (.*)/s);
    say({ answer: method, payload: await client.request(method, JSON.parse(params)) });
  },
  async chat(message) {
    await client.request("chat.send", { sessionKey: "main", message, idempotencyKey: randomUUID() });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const [verb, rest = ""] = line.split(/ (.*)/s);
  wishes[verb]?.(rest).catch((error) => say({ failed: verb, message: String(error?.message ?? error) }));
});
process.on("SIGTERM", () => {
  client.stop();
  process.exit(0);
});
// A client that waits or has given up holds nothing open; the application goes on.
setInterval(() => {}, 60_000);
