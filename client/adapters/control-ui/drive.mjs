// Serves the Control UI's own files and uses the page in Chromium, as a person would.
//
//   node drive.mjs NODE_MODULES TOOLS URL HOME [TOKEN]     node drive.mjs NODE_MODULES TOOLS version
//
// One line on standard input is one wish: "chat TEXT". What happens is printed, one JSON object a line. It runs until
// SIGTERM.

import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, tools, url, home, token] = process.argv.slice(2);
const say = (told) => console.log(JSON.stringify(told));
const folder = join(modules, "openclaw");
const browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));

if (!browser) {
  console.log("Chromium is not installed (Debian: apt-get install chromium)");
  process.exit(1);
}
if (url === "version") {
  console.log(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
  process.exit(0);
}

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".webmanifest": "application/manifest+json",
};
const root = join(folder, "dist/control-ui");
const server = createServer((request, response) => {
  const path = normalize(decodeURIComponent(new URL(request.url, "http://h").pathname));
  const file = join(root, path === "/" ? "index.html" : path);
  if (!file.startsWith(root) || !existsSync(file) || !extname(file)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
  response.end(readFileSync(file));
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const { chromium } = await import(pathToFileURL(join(tools, "playwright-core/index.mjs")));
const context = await chromium.launchPersistentContext(join(home, "profile"), {
  executablePath: browser,
  headless: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"],
});
process.on("SIGTERM", async () => {
  await context.close().catch(() => {});
  process.exit(0);
});
const page = context.pages()[0] ?? (await context.newPage());
page.on("pageerror", (error) => say({ event: "pageerror", message: error.message.split("\n")[0] }));
const target = `http://127.0.0.1:${server.address().port}/?gatewayUrl=${encodeURIComponent(url)}#token=${token ?? ""}`;
await page.goto(target);
say({ event: "loaded" });

// The page asks whether another gateway than its own is meant.
const confirm = page.getByRole("button", { name: /confirm|switch to/i }).first();
confirm.click({ timeout: 30_000 }).then(
  () => say({ event: "confirmed" }),
  () => say({ event: "no question" }),
);

createInterface({ input: process.stdin }).on("line", async (line) => {
  const text = line.replace(/^chat /, "");
  try {
    const box = page.locator("textarea").first();
    await box.fill(text, { timeout: 30_000 });
    await box.press("Enter");
    say({ event: "typed" });
  } catch (error) {
    say({ failed: "chat", message: error.message.split("\n")[0] });
  }
});
