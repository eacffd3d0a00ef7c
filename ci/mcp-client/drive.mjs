// Uses the companion's local tools with the official SDK of the Model Context Protocol, unmodified.
//
//   node drive.mjs --sdk NODE_MODULES --companion PATH --url ws://… --token T
//
// The gateway is whatever answers at --url: the mock, or OpenClaw's own. Ends with "N passed, N failed, N skipped".

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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

function connect(mcp, token) {
  const client = new Client({ name: "clawproof-lane", version: "1.0.0" });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  return client.connect(new StreamableHTTPClientTransport(new URL(mcp.url), { requestInit })).then(() => client);
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
    await until("the operator", (now) => now.operator.state === "Connected");
    const status = await tool("app.status");
    expect(status.operatorScopes.includes("operator.admin"), JSON.stringify(status));
    expect(Boolean(status.gatewayVersion), "a gateway version");
    console.log(`        gateway ${status.gatewayVersion}`);
  });
  await check("the node is paired, approved where that is needed, and listed with its commands", async () => {
    await until("the node", (now) => now.node.connected || now.node.pairingStatus === "Pending");
    let nodes = await tool("app.nodes");
    if (!nodes.some((node) => node.Commands.includes("system.which"))) {
      const pending = (await tool("app.connection.status")).node.pairingRequestId;
      if (pending) await tool("app.connection.approveNodePairing", { requestId: pending });
      await tool("app.connection.reconnectNode");
      await until("the node again", (now) => now.node.connected);
      nodes = await tool("app.nodes");
    }
    expect(nodes.length >= 1, JSON.stringify(nodes));
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
