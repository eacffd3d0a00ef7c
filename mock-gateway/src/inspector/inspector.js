// The inspector's page: follows the run over one streaming request, shows the state, gives orders.
//
// The token comes in the fragment of the address and stays in this page.

import { Diagram, clock, element } from "./inspector-diagram.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const ASK_AGAIN = 1000;

let last = 0;
let paused = false;
let waiting = [];
let state = null;
const log = [];

const diagram = new Diagram({
  rows: $("flow"), sizer: $("sizer"), view: $("view"), lanes: $("lanes"), empty: $("empty"), onPick: showDetail,
});

// --- asking -----------------------------------------------------------------------------------------

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: { authorization: `Bearer ${token}` },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(value?.error?.message ?? `HTTP ${answer.status}`);
  return value;
}

async function order(what, words) {
  try {
    const answer = await ask("POST", "v1/control", what);
    say(words ?? `${what.verb}: done`);
    return answer;
  } catch (problem) {
    say(`${what.verb}: ${problem.message}`, true);
    return undefined;
  }
}

let silence;
function say(text, bad = false) {
  const line = $("say");
  line.textContent = text;
  line.className = bad ? "say bad" : "say";
  line.hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => { line.hidden = true; }, bad ? 12000 : 6000);
}

// --- following --------------------------------------------------------------------------------------

function link(name, text) {
  $("link").dataset.state = name;
  $("link").textContent = text;
}

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(`v1/events?since=${last}`, { headers: { authorization: `Bearer ${token}` } });
      if (answer.status === 401) {
        link("lost", "wrong token");
        say("This page needs the address that clawproof serve printed as inspector: its token is missing or wrong.", true);
        return;
      }
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      link("live", "live");
      await read(answer.body.getReader());
      throw new Error("the stream ended");
    } catch (problem) {
      link("lost", `lost the gateway, asking again (${problem.message})`);
      await new Promise((done) => { setTimeout(done, ASK_AGAIN); });
    }
  }
}

async function read(reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    let end = rest.indexOf("\n\n");
    while (end >= 0) {
      take(rest.slice(0, end));
      rest = rest.slice(end + 2);
      end = rest.indexOf("\n\n");
    }
  }
}

function take(block) {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5).trim();
    else if (line.startsWith("id:")) last = Number(line.slice(3));
  }
  if (!data) return;
  const value = JSON.parse(data);
  if (name === "hello") hello(value);
  if (name === "entries") arrived(value);
  if (name === "state") showState(value);
}

function hello({ gateway }) {
  $("gateway").textContent = gateway;
  for (const copy of document.querySelectorAll(".gateway-copy")) copy.textContent = gateway;
}

function arrived(entries) {
  for (const entry of entries) if (entry.kind === "note") log.unshift(entry);
  if (entries.some((entry) => entry.kind === "note")) showLog();
  if (paused) waiting.push(...entries);
  else diagram.add(entries);
  count();
}

function count() {
  const { entries, shown } = diagram;
  const all = `${entries.length.toLocaleString("en")} entries`;
  const part = shown.length === entries.length ? "" : `, ${shown.length.toLocaleString("en")} shown`;
  $("count").textContent = all + part + (waiting.length ? `, ${waiting.length} waiting` : "");
}

// --- the sequence -----------------------------------------------------------------------------------

function filter() {
  const words = $("filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const noise = $("noise").checked;
  const stages = $("stages").checked;
  diagram.filter((item) => {
    const { entry, kind, name, more } = item;
    if (!stages && entry.stage === "delivered") return false;
    if (!noise && kind === "quiet") return false;
    return words.every((word) => {
      if (/^#\d+$/.test(word)) return entry.conn === Number(word.slice(1));
      item.text ??= `${kind} ${name} ${more} ${JSON.stringify(entry.frame ?? entry.close ?? "")}`.toLowerCase();
      return item.text.includes(word);
    });
  });
  count();
}

for (const id of ["filter", "noise", "stages"]) $(id).addEventListener("input", filter);

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) {
    diagram.add(waiting);
    waiting = [];
  }
  count();
});

let detail = null;
function showDetail({ entry, kind, name }) {
  detail = entry;
  const way = entry.dir === "c2g" ? `#${entry.conn} → gateway` : entry.dir === "g2c" ? `gateway → #${entry.conn}` : "";
  $("detail-title").textContent = `${entry.n}  ·  ${clock(entry.t_us)} s  ·  ${[way, entry.stage, name].filter(Boolean).join("  ·  ")}`;
  $("detail-title").className = `k-${kind}`;
  const body = entry.frame ?? entry.close ?? entry.data ?? entry.raw ?? entry.text ?? null;
  $("tree").replaceChildren(tree(body, 0));
  $("detail").hidden = false;
}

$("close-detail").addEventListener("click", () => {
  $("detail").hidden = true;
  diagram.unpick();
  $("flow").focus();
});

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(JSON.stringify(detail, null, 2));
    say("Copied, redacted as shown.");
  } catch {
    say("This browser does not let a page copy.", true);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("detail").hidden) $("close-detail").click();
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    $("filter").focus();
  }
});

/** A value as a tree; its inner parts open and close. */
function tree(value, depth, key) {
  const label = () => {
    const part = document.createDocumentFragment();
    if (key !== undefined) part.append(element("span", "key", `${key}: `));
    return part;
  };
  if (value === null || typeof value !== "object") {
    const line = element("div");
    const secret = typeof value === "string" && /^<[a-z-]+:[^>]*>$/.test(value);
    const kind = secret ? "secret" : value === null || typeof value === "boolean" ? "literal" : typeof value;
    const text = element("span", kind, JSON.stringify(value));
    if (secret) text.title = "redacted: the same secret has the same name everywhere";
    line.append(label(), text);
    return line;
  }
  const members = Object.entries(value);
  const open = Array.isArray(value) ? "[" : "{";
  const shut = Array.isArray(value) ? "]" : "}";
  if (members.length === 0) {
    const line = element("div");
    line.append(label(), open + shut);
    return line;
  }
  const node = element("details");
  node.open = depth < 3 && members.length <= 40;
  const summary = element("summary");
  summary.append(label(), open, element("span", "hint", ` ${members.length} ${shut}`));
  node.append(summary);
  // Inner parts are made when they are first seen.
  const fill = () => {
    if (node.childElementCount > 1 || !node.open) return;
    for (const [name, inner] of members) node.append(tree(inner, depth + 1, name));
  };
  node.addEventListener("toggle", fill);
  fill();
  return node;
}

// --- the state --------------------------------------------------------------------------------------

function showState(next) {
  state = next;
  $("profile").textContent = `${state.profile}${state.up ? "" : " (down)"}`;
  const pending = [
    ...state.pending_devices.map((request) => ({ ...request, verbs: ["approve", "reject"], what: "device" })),
    ...state.pending_nodes.map((request) => ({ ...request, verbs: ["approve_node", "reject_node"], what: "node commands" })),
  ];
  card("pending", pending, pendingItem, "Nobody waits.");
  $("card-pending").classList.toggle("some", pending.length > 0);
  document.title = pending.length ? `(${pending.length}) clawproof inspector` : "clawproof inspector";
  card("connections", state.connections, connectionItem, "No client is connected.");
  card("devices", state.devices, deviceItem, "No device is paired.");
  card("nodes", state.nodes, nodeItem, "No node is known.");
  card("behaviors", state.behaviors, behaviorItem, "None is mounted.");
  card("faults", state.faults, faultItem, "The wire is sound.");
  card("limits", state.rate_limits ?? [], limitItem, "No address has failed.");
}

function card(name, items, draw, none) {
  const box = $(`card-${name}`);
  box.querySelector(".n").textContent = items.length || "";
  const body = box.querySelector(".body");
  const key = JSON.stringify(items);
  if (body.dataset.key === key) return;
  const focused = body.contains(document.activeElement) ? document.activeElement.dataset.act : undefined;
  body.dataset.key = key;
  body.replaceChildren(...(items.length ? items.map(draw) : [element("p", "none", none)]));
  if (focused) body.querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus();
}

function item({ title, tag, tone, subs = [], acts = [] }) {
  const box = element("div", "item");
  const top = element("div", "top");
  top.append(element("b", "", title));
  if (tag) top.append(element("span", `tag ${tone ?? ""}`, tag));
  box.append(top);
  for (const sub of subs.filter(Boolean)) box.append(element("div", "sub", sub));
  if (acts.length) {
    const row = element("div", "acts");
    for (const { label, name, tone: look, run } of acts) {
      const button = element("button", `small ${look ?? ""}`, label);
      button.type = "button";
      button.dataset.act = `${label} ${title}`;
      button.setAttribute("aria-label", `${label} ${name ?? title}`);
      button.addEventListener("click", async () => {
        button.disabled = true;
        await run();
        button.disabled = false;
      });
      row.append(button);
    }
    box.append(row);
  }
  return box;
}

const short = (id) => (id && id.length > 20 ? `${id.slice(0, 10)}…${id.slice(-4)}` : id);
const list = (items) => (items.length ? items.join(", ") : "none");

function pendingItem(request) {
  const id = request.request_id;
  const who = request.display_name ?? short(request.device_id ?? request.node_id);
  const [yes, no] = request.verbs;
  return item({
    title: who,
    tag: request.what,
    tone: "wait",
    subs: [
      request.roles && `asks to be ${list(request.roles)} with scopes ${list(request.scopes)}${request.is_repair ? " (paired already)" : ""}`,
      request.commands && `commands ${list(request.commands)}; caps ${list(request.caps)}`,
      `request ${id}`,
    ],
    acts: [
      { label: "Approve", name: who, tone: "good", run: () => order({ verb: yes, request_id: id }, `Approved ${who}.`) },
      { label: "Reject", name: who, tone: "risky", run: () => order({ verb: no, request_id: id }, `Rejected ${who}.`) },
    ],
  });
}

function connectionItem(connection) {
  const { conn, phase, role } = connection;
  const tones = { open: "on", handshake: "wait", closing: "off" };
  return item({
    title: `#${conn} ${connection.client_id ?? ""}`.trim(),
    tag: phase === "open" ? role : phase,
    tone: tones[phase],
    subs: [
      [connection.local ? "local" : "remote", connection.client_mode, connection.auth && `by ${connection.auth}`].filter(Boolean).join(", "),
      connection.scopes.length ? connection.scopes.join(" ") : "",
      connection.device_id && `device ${short(connection.device_id)}`,
    ],
    acts: phase === "closing" ? [] : [
      { label: "Close", name: `connection ${conn}`, run: () => order({ verb: "close_connections", conn, close: { code: 1012, reason: "service restart" } }) },
      { label: "Cut", name: `connection ${conn}`, tone: "risky", run: () => order({ verb: "close_connections", conn }) },
    ],
  });
}

function deviceItem(device) {
  const id = device.device_id;
  const live = device.tokens.filter((one) => one.revoked_at_ms === null);
  const acts = live.flatMap(({ role }) => [
    { label: `Rotate ${role}`, name: `token of ${short(id)}`, run: () => order({ verb: "rotate_token", device_id: id, role }) },
    { label: `Revoke ${role}`, name: `token of ${short(id)}`, tone: "risky", run: () => order({ verb: "revoke_token", device_id: id, role }) },
  ]);
  acts.push({ label: "Remove", tone: "risky", run: () => order({ verb: "remove_device", device_id: id }) });
  return item({
    title: device.display_name ?? short(id),
    tag: device.connected ? "connected" : "offline",
    tone: device.connected ? "on" : "",
    subs: [
      `${list(device.roles)} on ${device.platform}, approved ${device.approved_via}`,
      device.scopes.length ? device.scopes.join(" ") : "",
      `device ${short(id)}`,
    ],
    acts,
  });
}

function nodeItem(node) {
  return item({
    title: short(node.node_id),
    tag: node.approval_state,
    tone: node.approval_state === "approved" ? "on" : "wait",
    subs: [node.connected ? "connected" : "offline", `commands ${list(node.commands)}`, `caps ${list(node.caps)}`],
    acts: [{ label: "Remove", tone: "risky", run: () => order({ verb: "remove_node", node_id: node.node_id }) }],
  });
}

function behaviorItem({ name, matched, applied }) {
  return item({
    title: name,
    tag: `applied ${applied}×`,
    subs: [`matched ${matched}×`],
    acts: [{ label: "Unmount", run: () => order({ verb: "unmount", name }) }],
  });
}

function faultItem({ fault, spec }) {
  const { name, ...rest } = spec;
  return item({
    title: String(name),
    tag: `fault ${fault}`,
    tone: "off",
    subs: [JSON.stringify(rest)],
    acts: [{ label: "Heal", run: () => heal(fault) }],
  });
}

async function heal(fault) {
  try {
    await ask("DELETE", `v1/faults/${fault}`);
    say(`Healed fault ${fault}.`);
  } catch (problem) {
    say(problem.message, true);
  }
}

function limitItem(limit) {
  const locked = limit.locked_until_ms !== null;
  return item({
    title: limit.ip,
    tag: locked ? "locked" : `${limit.failures} failed`,
    tone: locked ? "off" : "wait",
    subs: [limit.kind, limit.origin, locked && `until ${new Date(limit.locked_until_ms).toLocaleTimeString()}`],
  });
}

function showLog() {
  card("log", log.slice(0, 50), (entry) => item({
    title: (entry.text ?? "").replace(/^control: /, ""),
    subs: [`${clock(entry.t_us)} s: ${entry.data?.outcome ?? ""}`],
  }), "No order was given yet.");
}

// --- orders -----------------------------------------------------------------------------------------

$("mint").addEventListener("click", async () => {
  const minted = await order({ verb: "mint_setup_code" });
  if (minted) say(`Setup code: ${minted.setupCode}`);
});

$("restart").addEventListener("click", () => order({ verb: "restart" }, "The gateway restarts."));

$("stop").addEventListener("click", () => {
  if (confirm("Shut the mock down? clawproof serve ends.")) order({ verb: "stop" }, "The gateway has been shut down.");
});

$("mount").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const behavior = JSON.parse($("behavior").value);
    await order({ verb: "mount", behavior }, `Mounted ${behavior.name}.`);
  } catch (problem) {
    say(`The behaviour is not JSON: ${problem.message}`, true);
  }
});

$("break").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { fault } = await ask("POST", "v1/faults", $("fault").value);
    say(`Installed fault ${fault}.`);
  } catch (problem) {
    say(problem.message, true);
  }
});

// --- looks ------------------------------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;
function theme() {
  const name = chosen ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = name;
}
dark.addEventListener("change", theme);
$("theme").addEventListener("click", () => {
  chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  theme();
});

theme();
filter();
showLog();
follow();
