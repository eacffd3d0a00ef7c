// Drives an ACP agent over its standard input and output, as an editor would.
//
//   node drive.mjs FOLDER PROGRAM ARGUMENT...
//
// One line on standard input is one wish: "chat TEXT". What happens is printed, one JSON object a line. It ends with
// the agent, and ends the agent at SIGTERM.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const [folder, program, ...words] = process.argv.slice(2);
const say = (told) => console.log(JSON.stringify(told));
const agent = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
agent.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
process.on("SIGTERM", () => agent.kill("SIGTERM"));

let last = 0;
const waiting = new Map();
const send = (message) => agent.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
function ask(method, params) {
  const id = ++last;
  send({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

let answer = "";
createInterface({ input: agent.stdout }).on("line", (line) => {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return say({ text: line });
  }
  if (message.method === "session/update") {
    const update = message.params?.update;
    if (update?.sessionUpdate === "agent_message_chunk") answer += update.content?.text ?? "";
    return;
  }
  if (message.method && message.id !== undefined) {
    return send({ id: message.id, error: { code: -32601, message: "this editor can't do that" } });
  }
  const asked = waiting.get(message.id);
  waiting.delete(message.id);
  if (message.error) asked?.reject(new Error(message.error.message));
  else asked?.resolve(message.result);
});

const session = (async () => {
  const hello = await ask("initialize", { protocolVersion: 1, clientCapabilities: {} });
  say({ event: "initialized", protocolVersion: hello.protocolVersion });
  const { sessionId } = await ask("session/new", { cwd: folder, mcpServers: [] });
  say({ event: "session" });
  return sessionId;
})();
session.catch((error) => say({ failed: "session", message: error.message }));

createInterface({ input: process.stdin }).on("line", async (line) => {
  const text = line.replace(/^chat /, "");
  try {
    answer = "";
    const done = await ask("session/prompt", { sessionId: await session, prompt: [{ type: "text", text }] });
    say({ said: answer, stopReason: done.stopReason });
  } catch (error) {
    say({ failed: "chat", message: error.message });
  }
});
