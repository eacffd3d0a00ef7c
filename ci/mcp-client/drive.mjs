// Uses the companion's local tools with the official SDK of the Model Context Protocol, unmodified.
//
//   node drive.mjs --sdk NODE_MODULES --companion PATH --url ws://… --token T [--control URL --control-token T]
//
// The gateway is whatever answers at --url: the mock, or OpenClaw's own. Somebody must approve the companion there: the
// mock's control endpoint does, where it is given; otherwise its owner. Ends with "N passed, N failed, N skipped".

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const options = {};
for (let at = 2; at < process.argv.length; at += 2) {
  options[process.argv[at].replace(/^--/, "")] = process.argv[at + 1];
}
for (const name of ["sdk", "companion", "url", "token"]) {
  if (!options[name]) throw new Error(`--${name} is missing`);
}
const sdk = (file) =>
  import(pathToFileURL(join(options.sdk, "@modelcontextprotocol/sdk/dist/esm/client", file)).href);
const { Client } = await sdk("index.js");
const { StreamableHTTPClientTransport } = await sdk("streamableHttp.js");

const folder = mkdtempSync(join(tmpdir(), "companion-"));
const companion = spawn(options.companion, ["--data-dir", folder, "--node", "--mcp-port", "0"], {
  env: { PATH: process.env.PATH, HOME: folder },
  stdio: ["ignore", "pipe", "inherit"],
});
const lines = createInterface({ input: companion.stdout });
const snapshots = [];
const waiting = [];
const ready = new Promise((resolve, reject) => {
  companion.once("exit", (code) => reject(new Error(`the companion ended with ${code}`)));
  lines.on("line", (text) => {
    const line = JSON.parse(text);
    if (line.type === "ready") resolve(line);
    if (line.type !== "state") return;
    snapshots.push(line.snapshot);
    for (const wait of [...waiting]) if (wait.fits(line.snapshot)) wait.resolve();
  });
});

/** Waits for a snapshot, a minute at most. */
function until(what, fits) {
  if (snapshots.length > 0 && fits(snapshots.at(-1))) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const wait = { fits, resolve: () => done(resolve) };
    const timer = setTimeout(() => done(() => reject(new Error(`not within a minute: ${what}`))), 60_000);
    const done = (then) => {
      clearTimeout(timer);
      waiting.splice(waiting.indexOf(wait), 1);
      then();
    };
    waiting.push(wait);
  });
}

const counts = { passed: 0, failed: 0 };
async function check(title, work) {
  try {
    await work();
    counts.passed += 1;
    console.log(`ok      ${title}`);
  } catch (error) {
    counts.failed += 1;
    console.log(`FAILED  ${title}: ${error.message}`);
  }
}

function expect(holds, what) {
  if (!holds) throw new Error(`expected ${what}`);
}

/** The gateway's owner lets in what asked last; false when nothing waits. */
async function approve(verb = "approve") {
  if (!options.control) return false;
  const answer = await fetch(`${options.control}/v1/control`, {
    method: "POST",
    headers: { Authorization: `Bearer ${options["control-token"]}`, "Content-Type": "application/json" },
    body: JSON.stringify({ verb, request_id: "latest" }),
  });
  expect(answer.ok || answer.status === 404, `an approval, got ${answer.status} ${await answer.text()}`);
  return answer.ok;
}

/** Node's own fetch adds `sec-fetch-mode`, which only browsers send and the companion refuses. */
function plainFetch(url, init = {}) {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init.headers));
    const sent = request(url, { method: init.method ?? "GET", headers, signal: init.signal }, async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      const body = parts.length > 0 ? Buffer.concat(parts) : null;
      resolve(new Response(body, { status: answer.statusCode, headers: answer.headers }));
    });
    sent.on("error", reject);
    sent.end(init.body);
  });
}

function connect(mcp, token) {
  const client = new Client({ name: "clawproof-lane", version: "1.0.0" });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  const transport = new StreamableHTTPClientTransport(new URL(mcp.url), { requestInit, fetch: plainFetch });
  return client.connect(transport).then(() => client);
}

try {
  const { mcp } = await ready;
  const token = readFileSync(mcp.tokenFile, "utf8");
  await check("a wrong token is refused", async () => {
    const refused = await connect(mcp, "x".repeat(43)).then(() => false, () => true);
    expect(refused, "an error");
  });
  const client = await connect(mcp, token);
  const tool = async (name, args = {}) => {
    const result = await client.callTool({ name, arguments: args });
    const text = result.content[0].text;
    return result.isError ? { isError: true, text } : JSON.parse(text);
  };
  await check("the tools are listed, all of them local", async () => {
    const { tools } = await client.listTools();
    expect(tools.length === 14, `14 tools, got ${tools.length}`);
    expect(tools.every((one) => one.name.startsWith("app.")), "names that begin with app.");
  });
  await check("a missing argument is named", async () => {
    const result = await tool("app.connection.applySetupCode");
    expect(result.isError && result.text === "Missing required arg: setupCode", JSON.stringify(result));
  });
  await check("a wrong shared token changes nothing on the gateway's side", async () => {
    const result = await tool("app.connection.connectSharedToken", { gatewayUrl: options.url, token: "wrong" });
    expect(["Success", "ConnectionFailed"].includes(result.outcome), JSON.stringify(result));
    await until("the refusal", (now) => now.operator.state === "Error");
  });
  await check("the shared token connects the operator", async () => {
    const result = await tool("app.connection.connectSharedToken", { gatewayUrl: options.url, token: options.token });
    expect(result.outcome === "Success", JSON.stringify(result));
    await until("an answer", (now) => ["Connected", "PairingRequired"].includes(now.operator.state));
    if (snapshots.at(-1).operator.state === "PairingRequired" && !(await approve())) {
      console.log("        approve the device at the gateway: openclaw devices approve --latest");
    }
    await until("the operator", (now) => now.operator.state === "Connected");
    const status = await tool("app.status");
    expect(status.operatorScopes.includes("operator.admin"), JSON.stringify(status));
    expect(Boolean(status.gatewayVersion), "a gateway version");
    console.log(`        gateway ${status.gatewayVersion}`);
  });
  await check("the node is paired, approved where that is needed, and listed with its commands", async () => {
    const has = (nodes) => nodes[0]?.Commands.includes("system.which");
    let nodes = [];
    for (let tries = 0; tries < 100 && !has(nodes); tries += 1) {
      // An operator with admin lets its own node in; what commands the node may run is for the gateway's owner to say.
      const { connected, pairingRequestId } = (await tool("app.connection.status")).node;
      if (pairingRequestId) await tool("app.connection.approveDevicePairing", { requestId: pairingRequestId });
      if (connected && (await approve("approve_node"))) await tool("app.connection.reconnectNode");
      await new Promise((resolve) => setTimeout(resolve, 100));
      nodes = await tool("app.nodes");
    }
    expect(nodes.length === 1 && (has(nodes) || !options.control), JSON.stringify(nodes));
    console.log(`        node ${nodes[0].DisplayName}: ${nodes[0].CommandCount} effective commands`);
  });
  await check("no local tool is offered to the gateway", async () => {
    const nodes = JSON.stringify(await tool("app.nodes"));
    expect(!nodes.includes("app."), nodes);
  });
  await check("a reconnect uses the device token", async () => {
    const result = await tool("app.connection.reconnect");
    expect(result.reconnected === true, JSON.stringify(result));
    await until("the operator again", (now) => now.operator.state === "Connected");
    const status = await tool("app.connection.status");
    expect(status.operator.credential.source === "identity.DeviceToken", JSON.stringify(status.operator));
    expect(!JSON.stringify(status).includes(options.token), "no token in a status");
  });
  await check("unknown requests are not approved", async () => {
    const result = await tool("app.connection.approveDevicePairing", { requestId: "no-such-request" });
    expect(result.decision.succeeded === false, JSON.stringify(result));
  });
  await client.close();
} finally {
  companion.removeAllListeners("exit");
  companion.kill("SIGTERM");
  await new Promise((resolve) => companion.once("exit", resolve));
  rmSync(folder, { recursive: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`);
process.exitCode = counts.failed > 0 ? 1 : 0;
