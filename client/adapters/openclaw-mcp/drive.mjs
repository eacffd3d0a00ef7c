// Drives an MCP server over its standard input and output, as a host would.
//
//   node drive.mjs PROGRAM ARGUMENT...
//
// At first it initializes, lists the tools, and calls the first one that needs no argument, because the server
// connects to its gateway no sooner. One line on standard input is one wish: "call TOOL [ARGUMENTS]". What happens is
// printed, one JSON object a line. It ends with the server, and ends the server at SIGTERM.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const [program, ...words] = process.argv.slice(2);
const say = (told) => console.log(JSON.stringify(told));
const server = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
server.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
process.on("SIGTERM", () => server.kill("SIGTERM"));

let last = 0;
const waiting = new Map();
const send = (message) => server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
function ask(method, params) {
  const id = ++last;
  send({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

createInterface({ input: server.stdout }).on("line", (line) => {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return say({ text: line });
  }
  if (message.method && message.id !== undefined) {
    return send({ id: message.id, error: { code: -32601, message: "this host can't do that" } });
  }
  const asked = waiting.get(message.id);
  waiting.delete(message.id);
  if (message.error) asked?.reject(new Error(message.error.message));
  else asked?.resolve(message.result);
});

async function call(name, given) {
  const result = await ask("tools/call", { name, arguments: given });
  say({ answer: name, isError: result.isError ?? false, text: result.content?.[0]?.text ?? null });
}

async function begin() {
  const clientInfo = { name: "clawproof", version: "1" };
  const hello = await ask("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
  send({ method: "notifications/initialized" });
  const { tools } = await ask("tools/list", {});
  say({ event: "initialized", server: hello.serverInfo, tools: tools.map((tool) => tool.name) });
  const first = tools.find((tool) => !tool.inputSchema?.required?.length);
  if (first) await call(first.name, {});
}
const begun = begin();
begun.catch((error) => say({ failed: "begin", message: error.message }));

createInterface({ input: process.stdin }).on("line", async (line) => {
  const [, name, given = "{}"] = line.match(/^call (\S+)(?: (.*))?$/) ?? [];
  try {
    await begun;
    await call(name, JSON.parse(given));
  } catch (error) {
    say({ failed: name, message: error.message });
  }
});
