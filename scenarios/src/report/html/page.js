"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const ROW = 26, FIRST = 130, WORDS = 340;
let gap = 110;
// A browser gives up on printing many thousand rows.
const PRINTED = 500;
let current = -1, shown = [], picked = -1, printing = false;

const el = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};
const svg = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};
const seconds = (us) => `${(us / 1e6).toFixed(3)}s`;
// Frames are lines of text until somebody looks at one.
let lines = null;
const text = (row) => (lines ??= $("frames").textContent.split("\n"))[row[8]];
const frameOf = (row) => (text(row) ? JSON.parse(text(row)) : null);
/** Rows of a scenario: number, microseconds, connection, from, to, kind, words, what became of it, line of its frame. */
const rowsOf = (result) => {
  let [n, us] = [0, 0];
  return (result.all ??= result.messages.rows.map(([more, later, conn, from, to, kind, said, lost], index) =>
    [n += more, us += later, conn, from, to, data.words[kind], data.words[said], data.words[lost], result.messages.first + index]));
};
const name = (result) => `${result.side ? result.side + "/" : ""}${result.id}::${result.world}`;

// --- the list of scenarios ---------------------------------------------------------------------------

function list() {
  const wanted = $("search").value.toLowerCase();
  const out = [];
  let shard = "";
  data.results.forEach((result, index) => {
    const text = `${name(result)} ${result.title} ${result.verdict}`.toLowerCase();
    if (!text.includes(wanted)) return;
    const group = `${result.side ? result.side + ": " : ""}${result.shard}`;
    if (group !== shard) {
      shard = group;
      const of = data.results.filter((other) => other.shard === result.shard && other.side === result.side);
      const passed = of.filter((other) => other.verdict === "passed").length;
      out.push(el("p", { className: "shard", textContent: `${group}: ${passed} of ${of.length} passed` }));
    }
    const item = el("button", { className: "item", type: "button", title: result.title, onclick: () => open(index) },
      el("span", { className: `verdict ${result.verdict}`, textContent: result.verdict }), ` ${result.id.split("/").slice(1).join("/") || result.id} `,
      el("span", { className: "soft", textContent: result.world }));
    item.setAttribute("aria-selected", String(index === current));
    item.dataset.index = index;
    out.push(item);
  });
  $("list").replaceChildren(...(out.length ? out : [el("p", { className: "soft", textContent: "nothing matches" })]));
}

function open(index, row = -1) {
  const result = data.results[index];
  if (!result) return;
  current = index;
  about(result);
  lanes(result);
  filter();
  for (const item of $("list").querySelectorAll(".item")) item.setAttribute("aria-selected", String(Number(item.dataset.index) === index));
  if (row >= 0) pick(shown.findIndex((at) => at[0] >= row)); else { picked = -1; $("rows").scrollTop = 0; link(); draw(); }
}

function about(result) {
  const parts = [
    el("h2", {}, el("span", { className: `verdict ${result.verdict}`, textContent: result.verdict }), ` ${result.title}`),
    el("p", { className: "soft", textContent: `${name(result)}; ${result.gateway}; ${result.client ?? "no client"}; seed ${result.seed}` }),
  ];
  if (result.why) parts.push(el("p", { textContent: result.why }));
  for (const finding of result.findings ?? []) {
    const box = el("div", { className: "finding" }, el("p", { textContent: finding.summary }),
      el("p", { className: "soft", textContent: `${finding.rule} at ${finding.place}` }));
    if (finding.excerpt?.length) box.append(el("pre", { textContent: finding.excerpt.join("\n") }));
    const d = finding.difference;
    if (d) box.append(el("table", {}, el("tr", {}, el("th", { textContent: "at" }), el("th", { textContent: "expected" }), el("th", { textContent: "actual" })),
      el("tr", {}, el("td", {}, el("code", { textContent: d.pointer || "/" })), el("td", { className: "add", textContent: d.expected }), el("td", { className: "del", textContent: d.got }))));
    if (d?.nearest) box.append(el("p", { className: "soft", textContent: `nearest: ${d.nearest}` }));
    box.append(el("pre", { textContent: (finding.evidence ?? []).join("\n") }));
    parts.push(box);
  }
  parts.push(strip(result));
  if (result.command) parts.push(el("p", { className: "soft" }, "repeat: ", el("code", { textContent: result.command })));
  $("about").replaceChildren(...parts);
}

/** What each client holds at the end: words, not values. */
function strip(result) {
  const table = el("table");
  for (const [actor, state] of Object.entries(result.state ?? {})) {
    const cells = Object.entries(state).filter(([, value]) => typeof value === "boolean" || typeof value === "number")
      .map(([fact, value]) => el("td", { textContent: `${fact.replaceAll("_", " ")}: ${value === true ? "yes" : value === false ? "no" : value}` }));
    table.append(el("tr", {}, el("th", { textContent: actor }), ...cells));
  }
  return table.children.length ? table : el("span");
}

// --- the sequence ------------------------------------------------------------------------------------

const laneX = (lane) => FIRST + lane * gap;

function lanes(result) {
  gap = Math.max(62, Math.min(120, ($("rows").clientWidth - FIRST - WORDS) / Math.max(1, result.lanes.length - 1)));
  $("lanes").replaceChildren(el("span", { textContent: "time", style: "left:36px" }),
    ...result.lanes.map((lane, index) => el("span", { textContent: lane, style: `left:${laneX(index)}px;width:${gap}px` })));
}

function filter() {
  const wanted = $("find").value.toLowerCase();
  const quiet = $("quiet").checked;
  const rows = data.results[current] ? rowsOf(data.results[current]) : [];
  shown = rows.filter((row) => (quiet || row[5] !== "quiet") &&
    (!wanted || row[6].toLowerCase().includes(wanted) || String(row[0]) === wanted || text(row).toLowerCase().includes(wanted)));
  $("count").textContent = `${shown.length} of ${rows.length}`;
  $("sizer").style.height = `${shown.length * ROW}px`;
  draw();
}

function draw() {
  const rows = $("rows");
  const from = printing ? 0 : Math.max(0, Math.floor(rows.scrollTop / ROW) - 8);
  const to = printing ? Math.min(shown.length, PRINTED) : Math.min(shown.length, from + Math.ceil(rows.clientHeight / ROW) + 16);
  const count = data.results[current]?.lanes.length ?? 0;
  const out = [];
  for (let index = from; index < to; index += 1) out.push(drawRow(index, count));
  $("view").replaceChildren(...out);
}

function drawRow(index, count) {
  const [n, us, conn, start, end, kind, said, lost] = shown[index];
  const row = el("div", { className: `row ${kind === "quiet" ? "other" : kind}`, style: `top:${index * ROW}px` }, el("span", { className: "time", textContent: seconds(us) }));
  row.dataset.index = index;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(index === picked));
  const width = laneX(count);
  const picture = svg("svg", { width, viewBox: `0 0 ${width} ${ROW}`, "aria-hidden": "true" });
  for (let lane = 0; lane < count; lane += 1) picture.append(svg("line", { x1: laneX(lane), x2: laneX(lane), y1: 0, y2: ROW, class: "life" }));
  if (start >= 0 && end >= 0 && start !== end) {
    const [a, b] = [laneX(start), laneX(end)];
    const way = b > a ? 1 : -1;
    const tip = lost ? a + (b - a) / 2 : b;
    picture.append(svg("line", { x1: a, x2: tip, y1: ROW / 2, y2: ROW / 2 }));
    if (lost) picture.append(svg("line", { x1: tip - 5, x2: tip + 5, y1: 8, y2: 18 }), svg("line", { x1: tip - 5, x2: tip + 5, y1: 18, y2: 8 }));
    else picture.append(svg("polygon", { points: `${b},13 ${b - 8 * way},9 ${b - 8 * way},17` }));
  } else if (start >= 0) {
    picture.append(svg("polygon", { points: `${laneX(start) - 5},13 ${laneX(start)},8 ${laneX(start) + 5},13 ${laneX(start)},18` }));
  }
  row.append(picture, el("span", { className: "said", style: `left:${laneX(count - 1) + 24}px`, title: said }, el("b", { textContent: conn ? `#${conn} ` : "" }), said, lost ? ` (${lost})` : ""));
  return row;
}

function pick(index) {
  if (index < 0 || index >= shown.length) return;
  picked = index;
  const rows = $("rows");
  const top = index * ROW;
  if (top < rows.scrollTop) rows.scrollTop = top;
  if (top + ROW > rows.scrollTop + rows.clientHeight) rows.scrollTop = top + ROW - rows.clientHeight;
  const [n, us, conn, , , , said, lost] = shown[index];
  const frame = frameOf(shown[index]);
  const asked = answered(shown[index], frame);
  $("inspector").replaceChildren(el("h2", { textContent: said }),
    el("p", { className: "soft", textContent: `entry ${n}, ${seconds(us)}${conn ? `, connection ${conn}` : ""}${lost ? `, ${lost}` : ""}` }),
    ...(asked ? [el("p", {}, el("a", { href: `#${encodeURIComponent(name(data.results[current]))}/${asked[0]}`, textContent: `answers entry ${asked[0]}, ${((us - asked[1]) / 1000).toFixed(1)} ms later` }))] : []),
    el("pre", { textContent: frame === null ? "no frame" : JSON.stringify(frame, null, 2) }));
  link();
  draw();
}

/** The request that a response answers. */
function answered([n, , conn], frame) {
  if (frame?.type !== "res") return null;
  const rows = rowsOf(data.results[current]);
  return rows.findLast((row) => row[0] < n && row[2] === conn && row[5] === "req" && frameOf(row).id === frame.id) ?? null;
}

// --- address, keys, theme ----------------------------------------------------------------------------

function link() {
  const at = `#${encodeURIComponent(name(data.results[current]))}${picked >= 0 ? `/${shown[picked][0]}` : ""}`;
  if (location.hash !== at) history.replaceState(null, "", at);
}

function fromLink() {
  const [asked, row] = location.hash.slice(1).split("/");
  const index = data.results.findIndex((result) => name(result) === decodeURIComponent(asked));
  const red = data.results.findIndex((result) => result.verdict !== "passed" && result.verdict !== "skipped");
  open(index >= 0 ? index : Math.max(0, red), row ? Number(row) : -1);
}

function theme(to) {
  document.documentElement.dataset.theme = to;
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=search]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { "]": 1, "[": -1 }[event.key];
  const move = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 20, PageUp: -20 }[event.key];
  if (step) open(current + step);
  else if (move) pick(Math.min(shown.length - 1, Math.max(0, picked + move)));
  else if (event.key === "/") $("search").focus();
  else if (event.key === "f") $("find").focus();
  else if (event.key === "t") theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  else if (event.key === "?") $("help").showModal();
  else return;
  event.preventDefault();
});
$("search").addEventListener("input", list);
$("find").addEventListener("input", filter);
$("quiet").addEventListener("change", filter);
$("rows").addEventListener("scroll", draw);
$("view").addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (row) pick(Number(row.dataset.index));
});
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
$("keys").addEventListener("click", () => $("help").showModal());
addEventListener("hashchange", fromLink);
addEventListener("resize", () => { if (data.results[current]) lanes(data.results[current]); draw(); });
function forPrint(on) {
  printing = on;
  $("sizer").style.height = `${(on ? Math.min(shown.length, PRINTED) : shown.length) * ROW}px`;
  draw();
}
addEventListener("beforeprint", () => forPrint(true));
addEventListener("afterprint", () => forPrint(false));

theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
$("headline").textContent = data.headline;
$("label").textContent = data.label;
list();
if (data.results.length) fromLink();
document.body.dataset.ready = "yes";
