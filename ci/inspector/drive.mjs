// Drives the inspector through a pairing as a person would, and looks at what the page then shows.
//
//   node drive.mjs --clawproof BIN --chromium BIN --out DIR
//
// Prints one line a check and the counts line last. Screenshots go to DIR.

import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import WebSocket from "ws";

const { values: options } = parseArgs({
  options: { clawproof: { type: "string" }, chromium: { type: "string" }, out: { type: "string" } },
});
mkdirSync(options.out, { recursive: true });

const counts = { passed: 0, failed: 0 };
async function check(name, body) {
  try {
    await body();
    counts.passed += 1;
    console.log(`ok      ${name}`);
  } catch (problem) {
    counts.failed += 1;
    console.log(`FAILED  ${name}\n        ${String(problem.message ?? problem).split("\n").slice(0, 6).join("\n        ")}`);
  }
}

function claim(holds, words) {
  if (!holds) throw new Error(words);
}

// --- a client ----------------------------------------------------------------------------------------

const SPKI_HEAD = 12;

class Client {
  constructor(name, { headers = {}, scopes = ["operator.read"] } = {}) {
    Object.assign(this, { url: where.url, token: where.token, name, headers, scopes });
    this.keys = generateKeyPairSync("ed25519");
    const raw = this.keys.publicKey.export({ type: "spki", format: "der" }).subarray(SPKI_HEAD);
    this.publicKey = raw.toString("base64url");
    this.id = createHash("sha256").update(raw).digest("hex");
  }

  /** One connection up to the answer to `connect`. */
  async connect() {
    this.socket = new WebSocket(this.url, { headers: this.headers });
    this.inbox = [];
    this.wakers = [];
    this.socket.on("message", (text) => {
      this.inbox.push(JSON.parse(text));
      for (const wake of this.wakers.splice(0)) wake();
    });
    this.closed = new Promise((done) => { this.socket.on("close", (code, reason) => done({ code, reason: String(reason) })); });
    const { payload } = await this.next((frame) => frame.event === "connect.challenge");
    const client = { id: "cli", version: "2026.6.34", platform: "linux", mode: "cli", displayName: this.name };
    const [role, scopes, signedAt] = ["operator", this.scopes, payload.ts];
    const signed = ["v3", this.id, client.id, client.mode, role, scopes.join(","), signedAt, this.token, payload.nonce, "linux", ""].join("|");
    const signature = sign(null, Buffer.from(signed), this.keys.privateKey).toString("base64url");
    const params = {
      minProtocol: 4, maxProtocol: 4, client, role, scopes, auth: { token: this.token },
      device: { id: this.id, publicKey: this.publicKey, signature, signedAt, nonce: payload.nonce },
    };
    return this.call("connect", params);
  }

  call(method, params) {
    this.calls = (this.calls ?? 0) + 1;
    const id = String(this.calls);
    this.socket.send(JSON.stringify({ type: "req", id, method, params }));
    return this.next((frame) => frame.type === "res" && frame.id === id);
  }

  async next(wanted) {
    for (;;) {
      const at = this.inbox.findIndex(wanted);
      if (at >= 0) return this.inbox.splice(at, 1)[0];
      await new Promise((done) => { this.wakers.push(done); });
    }
  }
}

// --- the mock and the page --------------------------------------------------------------------------

const serve = spawn(options.clawproof, ["serve", "--set", 'gateway.trustedProxies=["127.0.0.1"]'], { stdio: ["ignore", "pipe", "inherit"] });
const ended = new Promise((done) => { serve.on("exit", (code) => done(code)); });
const [line] = await Promise.race([
  new Promise((done) => { createInterface(serve.stdout).once("line", (text) => done([text])); }),
  ended.then((code) => { throw new Error(`serve ended with ${code}`); }),
]);
const where = JSON.parse(line);
const browser = await chromium.launch({ executablePath: options.chromium, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
page.setDefaultTimeout(15_000);

const asked = [];
const complaints = [];
page.on("request", (request) => asked.push(request.url()));
page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
page.on("pageerror", (problem) => complaints.push(String(problem)));

const shot = (name) => page.screenshot({ path: `${options.out}/inspector-${name}.png` });
const rows = () => page.locator("#view .row");

const desk = new Client("Front desk", { scopes: ["operator.pairing", "operator.read"] });
const laptop = new Client("Ada's laptop", { headers: { "x-forwarded-for": "203.0.113.7" } });
let deviceToken;

try {
  await check("the page comes to life", async () => {
    await page.goto(where.inspector);
    await page.waitForSelector('#link[data-state="live"]');
    await page.getByText("Nothing yet.").waitFor();
    claim((await page.textContent("#gateway")) === where.url, "it does not say where the gateway is");
  });

  await check("a local operator comes in by itself", async () => {
    const answer = await desk.connect();
    claim(answer.ok, JSON.stringify(answer));
    await desk.call("device.pair.list", {});
    await page.locator("#card-devices").getByText("Front desk").waitFor();
  });

  await check("a remote device waits for approval, and the page says so", async () => {
    const answer = await laptop.connect();
    claim(answer.error?.code === "NOT_PAIRED", JSON.stringify(answer));
    const { code } = await laptop.closed;
    claim(code === 1008, `closed with ${code}`);
    await page.locator("#card-pending").getByText("Ada's laptop").waitFor();
    await page.waitForFunction(() => document.title.startsWith("(1)"));
    await page.locator("#view .row.k-err", { hasText: "PAIRING_REQUIRED" }).waitFor();
    await page.locator("#view .row.k-close", { hasText: "1008" }).first().waitFor();
    await page.locator("#view .row.k-event", { hasText: "device.pair.requested" }).waitFor();
  });

  await check("the pending request is seen in both themes and on a narrow screen", async () => {
    await page.locator("#view .row", { hasText: "PAIRING_REQUIRED" }).click();
    await page.locator("#tree").getByText("remediationHint").waitFor();
    await shot("light");
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForSelector(':root[data-theme="dark"]');
    await shot("dark");
    await page.setViewportSize({ width: 430, height: 900 });
    await shot("narrow");
    claim(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "the narrow page scrolls sideways");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.keyboard.press("Escape");
    await page.waitForSelector("#detail", { state: "hidden" });
  });

  await check("Approve in the page lets the client in", async () => {
    await page.getByRole("button", { name: "Approve Ada's laptop" }).click();
    await page.locator("#card-pending").getByText("Nobody waits.").waitFor();
    const answer = await laptop.connect();
    claim(answer.ok && answer.payload.type === "hello-ok", JSON.stringify(answer));
    deviceToken = answer.payload.auth.deviceToken;
    await page.locator("#card-devices").getByText("Ada's laptop").waitFor();
    await page.locator("#card-connections .item").nth(1).waitFor();
    await page.locator("#card-log").getByText("approve").first().waitFor();
    await page.locator("#view .row.k-ok", { hasText: "hello" }).nth(1).waitFor();
  });

  await check("the keyboard walks the sequence", async () => {
    await page.focus("#flow");
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    // The page draws at its next frame.
    await page.locator('#view #row-1[aria-selected="true"]').waitFor();
    const active = await page.getAttribute("#flow", "aria-activedescendant");
    const selected = await page.getAttribute('#view [aria-selected="true"]', "id");
    claim(active === selected && active === "row-1", `${active} is not ${selected}`);
    const label = await page.getAttribute(`#${active}`, "aria-label");
    claim(/seconds, .*(gateway|connection)/.test(label), label);
    await page.keyboard.press("Escape");
  });

  await check("every control has a name", async () => {
    const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, textarea")]
      .filter((one) => !(one.getAttribute("aria-label") || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML));
    claim(nameless.length === 0, nameless.join("\n"));
  });

  await check("a behaviour mounted in the page answers, and goes again", async () => {
    await page.locator("#card-behaviors summary").click();
    await page.fill("#behavior", JSON.stringify({ name: "no list", when: { method: "node.list" }, reply: { error: { code: "UNAVAILABLE", message: "scripted" } } }));
    await page.getByRole("button", { name: "Mount", exact: true }).click();
    await page.locator("#card-behaviors .item").getByText("no list").waitFor();
    const scripted = await laptop.call("node.list", {});
    claim(scripted.error?.message === "scripted", JSON.stringify(scripted));
    await page.locator("#card-behaviors").getByText("applied 1×").waitFor();
    await page.getByRole("button", { name: "Unmount no list" }).click();
    await page.locator("#card-behaviors").getByText("None is mounted.").waitFor();
    claim((await laptop.call("node.list", {})).ok, "the built-in answer is back");
  });

  await check("a fault installed in the page breaks the wire until it is healed there", async () => {
    await page.locator("#card-faults summary").click();
    await page.fill("#fault", JSON.stringify({ name: "drop_message", connections: "current", dir: "c2g" }));
    await page.getByRole("button", { name: "Install", exact: true }).click();
    await page.locator("#card-faults .item").getByText("drop_message").waitFor();
    laptop.socket.send(JSON.stringify({ type: "req", id: "lost", method: "health", params: {} }));
    await page.locator("#view .row .lost", { hasText: "dropped" }).waitFor();
    await page.getByRole("button", { name: "Heal drop_message" }).click();
    await page.locator("#card-faults").getByText("The wire is sound.").waitFor();
    claim((await laptop.call("health", {})).ok, "healed");
  });

  await check("nonsense is explained", async () => {
    await page.fill("#fault", JSON.stringify({ name: "dely" }));
    await page.getByRole("button", { name: "Install", exact: true }).click();
    await page.locator("#say.bad", { hasText: "expected" }).waitFor();
  });

  await check("the filter and the pause do what they say", async () => {
    await page.fill("#filter", "#3 hello-ok");
    await page.waitForFunction(() => document.querySelectorAll("#view .row").length === 1);
    await page.fill("#filter", "");
    await page.getByRole("button", { name: "Pause" }).click();
    const before = await page.evaluate(() => document.querySelector("#sizer").style.height);
    await laptop.call("device.pair.list", {});
    await page.getByText(/waiting/).waitFor();
    claim(before === await page.evaluate(() => document.querySelector("#sizer").style.height), "rows came while it was paused");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("#view .row", { hasText: "device.pair.list" }).first().waitFor();
  });

  await check("ten thousand frames do not choke it", async () => {
    await page.check("#noise");
    for (let round = 0; round < 25; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => laptop.call("health", {})));
    }
    await page.waitForFunction(() => Number(document.querySelector("#count").textContent.replace(/[^0-9].*$/, "").replace(/,/g, "") || 0) >= 1
      && /^1\d,\d\d\d entries/.test(document.querySelector("#count").textContent), undefined, { timeout: 60_000 });
    const inPage = await rows().count();
    claim(inPage < 120, `${inPage} rows are in the document`);
    const cost = await page.evaluate(async () => {
      const rows = document.querySelector("#flow");
      const began = performance.now();
      for (let step = 0; step < 30; step += 1) {
        rows.scrollTop = (rows.scrollHeight * step) / 30;
        await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      }
      return (performance.now() - began) / 30;
    });
    console.log(`        ${await page.textContent("#count")}; ${inPage} rows in the document; ${cost.toFixed(1)} ms a scroll step`);
    await shot("ten-thousand");
  });

  await check("no secret is in the page, and nothing came from elsewhere", async () => {
    const text = await page.content();
    for (const secret of [where.token, deviceToken]) claim(!text.includes(secret), "a secret stands in the page");
    const foreign = asked.filter((url) => !url.startsWith(where.control.url) && !url.startsWith("data:"));
    claim(foreign.length === 0, foreign.join(" "));
    claim(!asked.some((url) => url.includes(where.control.token)), "the token was sent in an address");
    const own = complaints.filter((text) => !text.includes("422"));
    claim(own.length === 0, own.join("\n"));
  });

  await check("without its token the page says what it needs", async () => {
    const other = await browser.newPage();
    await other.goto(where.control.url);
    await other.getByText("wrong token").waitFor();
    await other.close();
  });

  await check("Shut down ends serve", async () => {
    page.on("dialog", (dialog) => dialog.accept());
    await page.getByRole("button", { name: "Shut down" }).click();
    const { code } = await laptop.closed;
    claim(code === 1012, `the client was closed with ${code}`);
    claim((await ended) === 0, "serve did not end with 0");
  });
} finally {
  await browser.close();
  serve.kill();
}

console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`);
process.exit(counts.failed ? 1 : 0);
