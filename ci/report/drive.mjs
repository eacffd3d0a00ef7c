// Looks at the page of `clawproof report` as a reviewer would.
//
//   node report.mjs --chromium BIN --out DIR --mermaid FILE
//
// DIR holds report.html, picture.mermaid and picture.svg of ci/report/suite. Prints one line a check and the counts line
// last; screenshots go to DIR.

import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values: options } = parseArgs({
  options: { chromium: { type: "string" }, out: { type: "string" }, mermaid: { type: "string" } },
});
const file = (name) => resolve(options.out, name);
const LONG = "network-recovery/ten-thousand-frames::memory";
const RED = "setup-connect/fails-on-purpose::memory";
const OPENS_MS = 1_500;
const MOST_BYTES = 2 << 20;
const FRAMES = 10_000;

const counts = { passed: 0, failed: 0 };
async function check(name, body) {
  try {
    const told = await body();
    counts.passed += 1;
    console.log(`ok      ${name}${told ? ` (${told})` : ""}`);
  } catch (problem) {
    counts.failed += 1;
    console.log(`FAILED  ${name}\n        ${String(problem.message ?? problem).split("\n").slice(0, 6).join("\n        ")}`);
  }
}

function claim(holds, words) {
  if (!holds) throw new Error(words);
}

const browser = await chromium.launch({ executablePath: options.chromium, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1400, height: 860 }, colorScheme: "light" });
const page = await context.newPage();
const loaded = [];
const problems = [];
page.on("request", (request) => loaded.push(request.url()));
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
const shot = (name) => page.screenshot({ path: file(`report-${name}.png`) });
const text = (selector) => page.locator(selector).first().innerText();
const address = (at) => `${pathToFileURL(file("report.html"))}#${encodeURIComponent(at)}`;
const ready = () => page.waitForSelector("body[data-ready=yes] #view .row", { timeout: 10_000 });

// --- a failure ---------------------------------------------------------------------------------------

await page.goto(pathToFileURL(file("report.html")).href);
await ready();

await check("a stranger sees first what failed, with expected beside actual", async () => {
  const about = await text("#about");
  for (const words of ["failed", "did not come within 2s", "AUTH_TOKEN_MISMATCH", "expected", "actual", "fails-on-purpose.toml:14",
    "clawproof run --suite ci/report/suite setup-connect/fails-on-purpose --world memory --seed 1"]) {
    claim(about.includes(words), `${words} is not in ${about}`);
  }
});
await check("verdicts stand by shard", async () => {
  const list = await text("#list");
  for (const words of ["setup-connect: 0 of 1 passed", "network-recovery: 1 of 1 passed"]) {
    claim(list.includes(words), `${words} is not in ${list}`);
  }
});
await check("the sequence names its lanes and its messages", async () => {
  const lanes = await text("#lanes");
  claim(/gateway/.test(lanes) && /raw/.test(lanes), lanes);
  claim((await page.locator("#view .row line:not(.life)").count()) >= 3, "no arrows");
});
await check("a message that is picked shows its frame, and the address names it", async () => {
  await page.locator("#view .row", { hasText: "error for connect" }).first().click();
  const frame = JSON.parse(await text("#inspector pre"));
  claim(frame.ok === false && frame.type === "res", JSON.stringify(frame));
  claim((await text("#inspector")).includes("answers entry"), "the request is not named");
  claim(page.url().includes("fails-on-purpose"), page.url());
});
await shot("light");
await check("the address of a message opens it again", async () => {
  const at = page.url();
  const other = await context.newPage();
  await other.goto(at);
  await other.waitForSelector("body[data-ready=yes] #inspector pre");
  claim((await other.locator("#inspector pre").innerText()).includes("AUTH_TOKEN_MISMATCH"), "another frame");
  await other.close();
});
await check("keys go through scenarios, messages and themes", async () => {
  await page.keyboard.press("t");
  claim((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "t did not change the theme");
  await shot("dark");
  await page.keyboard.press("t");
  const before = await page.locator("#view .row[aria-selected=true]").getAttribute("data-index");
  await page.keyboard.press("k");
  const after = await page.locator("#view .row[aria-selected=true]").getAttribute("data-index");
  claim(Number(after) === Number(before) - 1, `${before} to ${after}`);
  await page.keyboard.press("[");
  claim((await text("#about")).includes("ticks for half a day"), "[ did not go to the scenario before");
});
await check("scenarios are searched", async () => {
  await page.keyboard.press("/");
  await page.keyboard.type("purpose");
  claim((await page.locator("#list .item").count()) === 1, await text("#list"));
  await page.locator("#search").fill("");
  await page.keyboard.press("Escape");
});

// --- ten thousand frames -----------------------------------------------------------------------------

await check(`${FRAMES} frames are at most ${MOST_BYTES >> 20} MB`, async () => {
  const { size } = statSync(file("report.html"));
  claim(size <= MOST_BYTES, `${size} bytes`);
  return `${(size / 1e6).toFixed(2)} MB`;
});
await check(`${FRAMES} frames open in ${OPENS_MS} ms`, async () => {
  const times = [];
  for (let turn = 0; turn < 3; turn += 1) {
    const fresh = await context.newPage();
    const start = performance.now();
    await fresh.goto(address(LONG));
    await fresh.waitForSelector("body[data-ready=yes] #view .row");
    await fresh.locator("#quiet").check();
    const all = Number((await fresh.locator("#count").innerText()).split(" ").at(-1));
    times.push(performance.now() - start);
    claim(all >= FRAMES, `${all} rows`);
    await fresh.close();
  }
  const best = Math.min(...times);
  claim(best < OPENS_MS, times.map(Math.round).join(", "));
  return times.map((time) => `${Math.round(time)} ms`).join(", ");
});
await check("the last of them is a key away, and frames are searched", async () => {
  await page.goto(address(LONG));
  await page.reload();
  await ready();
  await page.locator("#quiet").check();
  await page.locator("#rows").evaluate((rows) => { rows.scrollTop = rows.scrollHeight; });
  await page.waitForFunction(() => Number(document.querySelector("#view .row:last-child")?.dataset.index) >= 9_999, null, { timeout: 5_000 });
  await page.locator("#find").fill("hello-ok");
  await page.waitForFunction(() => document.getElementById("count").textContent.startsWith("1 of"));
});
await check("nothing was loaded but the file, and nothing went wrong", async () => {
  const others = loaded.filter((url) => !url.startsWith("file:"));
  claim(others.length === 0, others.join(" "));
  claim(problems.length === 0, problems.join("\n"));
});
await check("on paper the sequence is all that is shown", async () => {
  await page.goto(address(RED));
  await page.reload();
  await ready();
  await page.emulateMedia({ media: "print" });
  claim(!(await page.locator("nav").isVisible()) && (await page.locator("#about").isVisible()), "the list is printed");
  await page.emulateMedia({ media: "screen" });
});

// --- pictures ----------------------------------------------------------------------------------------

await check("the SVG is a picture with words", async () => {
  const picture = await context.newPage();
  await picture.goto(pathToFileURL(file("picture.svg")).href);
  const words = await picture.locator("svg text").allTextContents();
  claim(words.some((word) => word.includes("AUTH_TOKEN_MISMATCH")), words.join("; "));
  await picture.close();
});
await check("Mermaid draws the diagram", async () => {
  const picture = await context.newPage();
  await picture.setContent("<body style='margin:0'><pre id=diagram></pre></body>");
  await picture.addScriptTag({ path: options.mermaid });
  const words = await picture.evaluate(async (source) => {
    globalThis.mermaid.initialize({ startOnLoad: false });
    const { svg } = await globalThis.mermaid.render("drawn", source);
    document.body.innerHTML = svg;
    return document.querySelector("#drawn").textContent;
  }, readFileSync(file("picture.mermaid"), "utf8"));
  claim(words.includes("gateway") && words.includes("AUTH_TOKEN_MISMATCH"), words.slice(0, 400));
  await picture.screenshot({ path: file("report-mermaid.png"), fullPage: true });
  await picture.close();
});

await browser.close();
console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`);
process.exitCode = counts.failed ? 1 : 0;
