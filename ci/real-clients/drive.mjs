// Drives the real, unmodified OpenClaw command line and node host against a gateway, and checks what
// they say. The gateway is our mock; with `--real` it is OpenClaw's own, which shows that the checks
// ask for the truth and not for what the mock happens to do.
//
//   node drive.mjs --node PATH --openclaw PATH --out DIR (--clawproof PATH | --real)
//
// Every program gets a HOME and a state folder of its own and none of this machine's environment.
// What they print is kept in DIR, without the tokens. Ends with "N passed, N failed, N skipped".

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { createServer } from "node:net";

import { Checks, expect } from "./checks.mjs";

const options = readOptions(process.argv.slice(2));
const TOKEN = "lane-shared-token-7f3a";
const started = new Set();

function readOptions(words) {
  const found = { real: false };
  while (words.length > 0) {
    const word = words.shift();
    if (word === "--real") found.real = true;
    else found[word.replace(/^--/, "")] = words.shift();
  }
  for (const name of ["node", "openclaw", "out"]) {
    if (!found[name]) throw new Error(`--${name} is missing`);
  }
  return found;
}

// --- programs ---------------------------------------------------------------------------------------

/** The environment of a program under test: nothing of ours, folders of its own. */
function environment(name, extra = {}) {
  const home = join(options.out, "state", name);
  mkdirSync(home, { recursive: true });
  return {
    HOME: home,
    OPENCLAW_STATE_DIR: join(home, "openclaw"),
    PATH: "/usr/bin:/bin",
    LANG: "C.UTF-8",
    NO_COLOR: "1",
    TERM: "dumb",
    ...extra,
  };
}

/** Starts a program in a process group of its own and collects what it prints. */
function start(program, words, env) {
  const child = spawn(program, words, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const running = { child, stdout: "", stderr: "", exit: null };
  child.stdout.on("data", (bytes) => (running.stdout += bytes));
  child.stderr.on("data", (bytes) => (running.stderr += bytes));
  running.ended = once(child, "close").then(([code, signal]) => {
    started.delete(running);
    running.exit = code ?? `signal ${signal}`;
    return running.exit;
  });
  started.add(running);
  return running;
}

/** Ends a program that this script started; its group, so that nothing is left. */
async function end(running, signal = "SIGTERM") {
  if (running.exit !== null) return running.exit;
  running.child.kill(signal);
  const ended = await Promise.race([running.ended, wait(15_000, "late", { ref: false })]);
  if (ended !== "late") return ended;
  process.kill(-running.child.pid, "SIGKILL");
  await running.ended;
  return "did not end within 15 s";
}

/** Runs one command of the OpenClaw CLI to its end. */
async function openclaw(state, words, limitMs = 60_000) {
  const running = start(options.node, [options.openclaw, ...words], environment(state));
  const timer = setTimeout(() => process.kill(-running.child.pid, "SIGKILL"), limitMs);
  await running.ended;
  clearTimeout(timer);
  return running;
}

// --- gateways ---------------------------------------------------------------------------------------

/** Our mock, as anybody starts it: `clawproof serve`. */
class Mock {
  async start() {
    const save = join(options.out, "gateway-transcript.jsonl");
    const words = ["serve", "--token", TOKEN, "--save", save];
    this.process = start(options.clawproof, words, environment("mock"));
    await until("the mock prints its first line", 20_000, () => this.process.stdout.includes("\n"));
    this.ready = JSON.parse(this.process.stdout.split("\n", 1)[0]);
    this.url = this.ready.url;
  }

  async restart() {
    const { url, token } = this.ready.control;
    const response = await fetch(new URL("/v1/control", url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ verb: "restart", reason: "gateway restarting" }),
    });
    expect(response.ok, `the control endpoint restarts the mock: ${response.status} ${await response.text()}`);
  }

  stop() {
    return end(this.process);
  }
}

/** OpenClaw's own gateway, from the same package as the client. */
class Real {
  async start() {
    const port = await freePort();
    const words = ["gateway", "run", "--port", `${port}`, "--bind", "loopback", "--auth", "token", "--allow-unconfigured"];
    const env = environment("real", { OPENCLAW_GATEWAY_TOKEN: TOKEN });
    this.process = start(options.node, [options.openclaw, ...words], env);
    this.url = `ws://127.0.0.1:${port}`;
    await until("the real gateway listens", 60_000, () => this.process.stdout.includes("http server listening"));
  }

  /** 2026.6.34 restarts in place on this signal. */
  restart() {
    this.process.child.kill("SIGUSR1");
  }

  stop() {
    return end(this.process);
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until `probe` gives something true; real programs take real time. */
async function until(what, limitMs, probe) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found) return found;
    expect(Date.now() < deadline, `${what} within ${limitMs / 1000} s`);
    await wait(250);
  }
}

// --- the lane ---------------------------------------------------------------------------------------

const gateway = options.real ? new Real() : new Mock();
const checks = new Checks(options.out, [TOKEN]);
const at = () => ["--url", gateway.url, "--token", TOKEN];

/** Runs a CLI command, keeps what it printed, and gives its JSON when it ended as expected. */
async function cli(name, state, words, exit = 0) {
  const ran = await openclaw(state, [...words, ...at()]);
  checks.keep(name, `$ openclaw ${words.join(" ")}\n${ran.stdout}${ran.stderr}exit ${ran.exit}\n`);
  expect(ran.exit === exit, `openclaw ${words.slice(0, 3).join(" ")} exits ${exit}, got ${ran.exit}: ${ran.stderr.trim()}`);
  return ran;
}

async function json(name, state, words) {
  const ran = await cli(name, state, [...words, "--json"]);
  return JSON.parse(ran.stdout);
}

const call = (name, method, params) =>
  json(name, "admin", ["gateway", "call", method, "--params", JSON.stringify(params)]);

const which = (name, nodeId) =>
  call(name, "node.invoke", {
    nodeId,
    command: "system.which",
    params: { bins: ["sh"] },
    idempotencyKey: name,
    timeoutMs: 10_000,
  });

function startNode() {
  const { hostname, port } = new URL(gateway.url);
  const words = ["node", "run", "--host", hostname, "--port", port, "--display-name", "lane node"];
  return start(options.node, [options.openclaw, ...words], environment("node", { OPENCLAW_GATEWAY_TOKEN: TOKEN }));
}

async function connectedNode(name) {
  const list = await json(name, "admin", ["nodes", "status"]);
  return list.nodes?.find((node) => node.displayName === "lane node" && node.connected);
}

/** First contact: health, probe, devices, and the trap of a device that was paired with few scopes. */
async function operatorChecks() {
  await checks.run("a wrong token is refused", async () => {
    const words = ["gateway", "call", "health", "--url", gateway.url, "--token", "wrong"];
    const ran = await openclaw("stranger", words);
    checks.keep("wrong-token", ran.stdout + ran.stderr);
    expect(ran.exit === 1, `exit 1, got ${ran.exit}`);
    expect(/token/i.test(ran.stderr + ran.stdout), "the message names the token");
  });
  await checks.run("gateway call health", async () => {
    const health = await json("call-health", "reader", ["gateway", "call", "health"]);
    expect(health.ok === true, `ok is true, got ${JSON.stringify(health).slice(0, 200)}`);
  });
  await checks.run("a device paired for reading must ask again before it lists devices", async () => {
    const ran = await cli("scope-upgrade", "reader", ["devices", "list", "--json"], 1);
    expect(/scope upgrade pending approval|pairing required/i.test(ran.stderr + ran.stdout), "says so");
  });
  await checks.run("an unknown method is refused, and pairs the device with every scope", async () => {
    const ran = await cli("unknown-method", "admin", ["gateway", "call", "lane.unknown.method"], 1);
    expect(/unknown method/.test(ran.stderr + ran.stdout), "says unknown method");
  });
  await checks.run("gateway probe", async () => {
    const probe = await json("probe", "admin", ["gateway", "probe"]);
    const target = probe.targets?.find((candidate) => candidate.url === gateway.url);
    expect(probe.ok === true && target?.connect?.rpcOk === true, `ok and rpcOk, got ${JSON.stringify(probe).slice(0, 400)}`);
  });
  await checks.run("devices list", async () => {
    const list = await json("devices", "admin", ["devices", "list"]);
    const mine = list.paired?.find((device) => device.clientId === "cli" && device.scopes?.includes("operator.admin"));
    expect(mine, `the CLI's own device is paired with every scope, got ${JSON.stringify(list).slice(0, 400)}`);
  });
  await checks.run("devices approve asks for too little to approve it", async () => {
    // 2026.6.34: the CLI asks for the scopes of the request only; the gateway wants the device's old ones too.
    const upgrade = await pendingUpgrade("devices-before-approve");
    const ran = await cli("devices-approve", "admin", ["devices", "approve", upgrade.requestId], 1);
    expect(/missing scope: operator\.read/.test(ran.stderr + ran.stdout), `says so, got ${ran.stderr.trim()}`);
  });
  await checks.run("devices reject ends the request", async () => {
    const upgrade = await pendingUpgrade("devices-before-reject");
    await cli("devices-reject", "admin", ["devices", "reject", upgrade.requestId]);
    const list = await json("devices-after-reject", "admin", ["devices", "list"]);
    expect(list.pending?.length === 0, `nothing is pending, got ${JSON.stringify(list.pending)}`);
  });
}

/** The reader's request for the scope that it was refused. */
async function pendingUpgrade(name) {
  const list = await json(name, "admin", ["devices", "list"]);
  const upgrade = list.pending?.find((request) => request.scopes?.includes("operator.pairing"));
  expect(upgrade, `a request for operator.pairing is pending, got ${JSON.stringify(list.pending)}`);
  return upgrade;
}

/** A node host: pairs, waits for approval of its commands, is invoked, survives a restart. */
async function nodeChecks() {
  const host = startNode();
  let node;
  await checks.run("node run connects", async () => {
    node = await until("the node is connected", 60_000, () => connectedNode("node-connected"));
  });
  await checks.run("before approval nothing can be invoked", async () => {
    const params = JSON.stringify({ nodeId: node.nodeId, command: "system.which", params: { bins: ["sh"] }, idempotencyKey: "early" });
    const ran = await cli("invoke-early", "admin", ["gateway", "call", "node.invoke", "--params", params], 1);
    expect(/not allowed|not approved|approval|declare/i.test(ran.stderr + ran.stdout), `says why, got ${ran.stderr.trim()}`);
  });
  await checks.run("nodes approve accepts the node's commands", async () => {
    const list = await json("nodes-pending", "admin", ["nodes", "pending"]);
    const pending = Array.isArray(list) ? list : list.pending;
    const request = pending?.find((candidate) => candidate.nodeId === node.nodeId);
    expect(request, `a request of the node is pending, got ${JSON.stringify(list).slice(0, 400)}`);
    await cli("nodes-approve", "admin", ["nodes", "approve", request.requestId]);
  });
  await checks.run("node.invoke system.which", async () => {
    const answer = await which("invoke", node.nodeId);
    expect(/\/sh"/.test(JSON.stringify(answer).replaceAll("\\", "")), `finds sh, got ${JSON.stringify(answer)}`);
  });
  await checks.run("the node comes back after a gateway restart", async () => {
    const before = (await connectedNode("before-restart"))?.connectedAtMs;
    await gateway.restart();
    await until("the node is connected again", 60_000, async () => {
      // While the gateway is down the CLI fails; that is no answer yet.
      const found = await connectedNode("after-restart").catch(() => undefined);
      return found && found.connectedAtMs !== before ? found : undefined;
    });
    expect(host.exit === null, `the node host kept running, exit ${host.exit}`);
  });
  await checks.run("and is invoked again without another approval", async () => {
    const answer = await which("invoke-after-restart", node.nodeId);
    expect(/\/sh"/.test(JSON.stringify(answer).replaceAll("\\", "")), `finds sh, got ${JSON.stringify(answer)}`);
  });
  await checks.run("SIGTERM ends the node host", async () => {
    const exit = await end(host);
    checks.keep("node-host", host.stdout + host.stderr);
    // 143 when its own process gets the signal, 1 when its launcher passes it on.
    expect([1, 143, "signal SIGTERM"].includes(exit), `exit 1 or 143, got ${exit}`);
  });
}

rmSync(options.out, { recursive: true, force: true });
mkdirSync(options.out, { recursive: true });
try {
  await checks.run("the gateway starts", () => gateway.start());
  if (checks.failed === 0) {
    await operatorChecks();
    await nodeChecks();
    await checks.run("SIGTERM ends the gateway", async () => {
      const exit = await gateway.stop();
      expect(exit === 0, `exit 0, got ${exit}`);
    });
  }
} finally {
  for (const running of [...started]) await end(running);
  if (gateway.process) checks.keep("gateway", gateway.process.stdout + gateway.process.stderr);
  rmSync(join(options.out, "state"), { recursive: true, force: true });
}
writeFileSync(join(options.out, "checks.json"), checks.toJson());
console.log(checks.line());
process.exitCode = checks.failed === 0 ? 0 : 1;
