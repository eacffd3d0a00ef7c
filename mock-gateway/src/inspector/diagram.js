// The sequence diagram: lanes for the gateway and each connection, one row for each thing that happened.
//
// Only the rows in sight are in the document, so ten thousand entries cost as much as forty.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 30;
const GATEWAY_X = 34;

/** What a row is called, by its kind. */
const WORDS = {
  req: "request", ok: "response", err: "error", event: "event", close: "close", open: "opened", end: "ended",
  fault: "fault", note: "control", quiet: "",
};

/** Reads what a person wants to know out of a transcript entry. */
export function describe(entry, methods) {
  const frame = entry.frame;
  const at = { kind: "quiet", name: entry.kind, more: entry.text ?? "" };
  if (entry.kind === "text" || entry.kind === "binary") {
    if (!frame || typeof frame !== "object") return { ...at, kind: "err", name: "not JSON", more: entry.raw ?? "" };
    if (frame.type === "req") {
      return { kind: "req", name: String(frame.method), more: requestHint(frame) };
    }
    if (frame.type === "res") {
      const method = methods.get(`${entry.conn} ${frame.id}`) ?? "?";
      if (frame.ok) return { kind: "ok", name: method, more: frame.payload?.type === "hello-ok" ? helloHint(frame.payload) : "ok" };
      const error = frame.error ?? {};
      return { kind: "err", name: method, more: `${error.details?.code ?? error.code ?? ""}: ${error.message ?? ""}` };
    }
    if (frame.type === "event") {
      const quiet = frame.event === "tick" || frame.event === "health";
      return { kind: quiet ? "quiet" : "event", name: String(frame.event), more: eventHint(frame) };
    }
    return { ...at, kind: "err", name: "unknown frame", more: JSON.stringify(frame).slice(0, 120) };
  }
  if (entry.kind === "close") {
    const { code, reason } = entry.close ?? {};
    return { kind: "close", name: `close ${code ?? "without code"}`, more: reason ?? "" };
  }
  if (entry.kind === "open") {
    const peer = entry.data ?? {};
    return { kind: "open", name: `connection #${entry.conn}`, more: `from ${peer.remoteIp ?? "?"}${peer.origin ? `, origin ${peer.origin}` : ""}` };
  }
  if (entry.kind === "eof") return { kind: "end", name: "end of stream", more: "FIN" };
  if (entry.kind === "reset") return { kind: "err", name: "connection cut", more: "RST" };
  if (entry.kind === "fault") return { kind: "fault", name: entry.text ?? "fault", more: entry.data ? JSON.stringify(entry.data) : "" };
  if (entry.kind === "note") return { kind: "note", name: (entry.text ?? "").replace(/^control: /, ""), more: entry.data?.outcome ?? "" };
  return at;
}

function requestHint({ method, params = {} }) {
  if (method === "connect") {
    const { client = {}, role = "operator", auth } = params;
    const proof = Object.keys(auth ?? {}).join(" + ") || "no credential";
    return `${client.id ?? "?"} as ${role}, ${proof}${params.device ? ", signed" : ", no device"}`;
  }
  const text = JSON.stringify(params ?? {});
  return text === "{}" ? "" : text.slice(0, 160);
}

function helloHint({ auth = {}, protocol }) {
  return `hello, protocol ${protocol}, ${auth.role ?? ""} ${(auth.scopes ?? []).join(" ")}`;
}

function eventHint({ event, payload = {}, seq }) {
  const counted = seq === undefined ? "" : `seq ${seq} `;
  if (event === "connect.challenge") return `nonce ${String(payload?.nonce ?? "").slice(0, 13)}…`;
  const known = ["decision", "requestId", "nodeId", "deviceId", "reason", "command"]
    .filter((name) => payload?.[name])
    .map((name) => `${name} ${String(payload[name]).slice(0, 40)}`);
  return counted + known.join(", ");
}

/** Draws entries into the elements it is given. */
export class Diagram {
  constructor({ rows, sizer, view, lanes, empty, onPick }) {
    Object.assign(this, { rows, sizer, view, lanesElement: lanes, empty, onPick });
    this.entries = [];
    this.shown = [];
    this.lanes = new Map();
    this.methods = new Map();
    this.picked = -1;
    this.follow = true;
    this.wanted = () => true;
    this.drawing = false;
    rows.addEventListener("scroll", () => {
      this.follow = this.atEnd;
      this.draw();
    });
    rows.addEventListener("keydown", (event) => this.key(event));
    view.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.pick(Number(row.dataset.index));
    });
    new ResizeObserver(() => this.draw()).observe(rows);
  }

  /** Takes new entries; cheap however many there are already. */
  add(entries) {
    for (const entry of entries) {
      this.learn(entry);
      const item = { entry, ...describe(entry, this.methods) };
      this.entries.push(item);
      if (this.wanted(item)) this.shown.push(item);
    }
    this.resize();
  }

  /** Shows only what `wanted` says. */
  filter(wanted) {
    const picked = this.shown[this.picked];
    this.wanted = wanted;
    this.shown = this.entries.filter(wanted);
    this.picked = this.shown.indexOf(picked);
    this.resize();
  }

  clear() {
    this.entries = [];
    this.shown = [];
    this.lanes.clear();
    this.methods.clear();
    this.picked = -1;
    this.resize();
  }

  learn(entry) {
    const { conn, frame, n } = entry;
    if (conn === undefined) return;
    let lane = this.lanes.get(conn);
    if (!lane) {
      lane = { conn, name: "", from: n, to: Infinity, closes: new Set() };
      this.lanes.set(conn, lane);
      this.headsChanged = true;
    }
    if (frame?.type === "req") {
      this.methods.set(`${conn} ${frame.id}`, frame.method);
      if (frame.method === "connect") {
        const name = frame.params?.client?.displayName ?? frame.params?.client?.id ?? "";
        if (lane.name !== name) this.headsChanged = true;
        lane.name = name;
      }
    }
    if (entry.kind === "close" && entry.stage !== "delivered") lane.closes.add(entry.dir);
    const over = entry.kind === "eof" || entry.kind === "reset" || (entry.kind === "close" && lane.closes.size === 2);
    if (over && lane.to === Infinity) {
      lane.to = n;
      this.headsChanged = true;
    }
  }

  /** Distance between two lanes: wide for a few, narrow for many. */
  get step() {
    const count = this.lanes.size;
    const wide = this.rows.clientWidth > 760;
    if (count <= 2) return wide ? 150 : 44;
    if (count <= 4) return wide ? 108 : 32;
    if (count <= 8) return wide ? 62 : 22;
    return wide ? 34 : 14;
  }

  get atEnd() {
    return this.rows.scrollTop + this.rows.clientHeight >= this.rows.scrollHeight - ROW;
  }

  get railWidth() {
    return GATEWAY_X + Math.max(1, this.lanes.size) * this.step + Math.max(14, this.step / 2);
  }

  x(conn) {
    const place = [...this.lanes.keys()].indexOf(conn);
    return GATEWAY_X + (place + 1) * this.step;
  }

  resize() {
    this.sizer.style.height = `${this.shown.length * ROW}px`;
    this.empty.hidden = this.entries.length > 0;
    if (this.follow) this.rows.scrollTop = this.rows.scrollHeight;
    this.draw();
  }

  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.drawNow();
    });
  }

  drawNow() {
    const places = new Map([...this.lanes.keys()].map((conn) => [conn, this.x(conn)]));
    const first = Math.max(0, Math.floor(this.rows.scrollTop / ROW) - 4);
    const last = Math.min(this.shown.length, Math.ceil((this.rows.scrollTop + this.rows.clientHeight) / ROW) + 4);
    const rows = [];
    for (let index = first; index < last; index += 1) rows.push(this.row(index, places));
    this.view.replaceChildren(...rows);
    this.drawHeads(places);
    const active = this.picked >= first && this.picked < last ? `row-${this.picked}` : "";
    if (active) this.rows.setAttribute("aria-activedescendant", active);
    else this.rows.removeAttribute("aria-activedescendant");
  }

  drawHeads(places) {
    const key = `${this.step} ${this.rows.clientWidth}`;
    if (!this.headsChanged && this.headsKey === key) return;
    this.headsChanged = false;
    this.headsKey = key;
    const heads = element("div", "heads");
    heads.style.width = `${this.railWidth}px`;
    const roomy = this.step >= 60;
    const head = (x, title, sub, ended) => {
      const one = element("div", ended ? "head ended" : "head");
      one.style.left = `${x}px`;
      one.append(element("b", "", title), element("i", "", roomy ? sub : ""));
      heads.append(one);
    };
    head(GATEWAY_X, "gateway", "", false);
    for (const lane of this.lanes.values()) {
      head(places.get(lane.conn), `#${lane.conn}`, lane.name.slice(0, 18), lane.to !== Infinity);
    }
    this.lanesElement.replaceChildren(element("div", "time", "time"), heads, element("div", "what", "what"));
  }

  row(index, places) {
    const item = this.shown[index];
    const { entry, kind, name, more } = item;
    const row = element("div", `row k-${kind}`);
    row.id = `row-${index}`;
    row.dataset.index = index;
    row.style.top = `${index * ROW}px`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", index === this.picked);
    row.setAttribute("aria-setsize", this.shown.length);
    row.setAttribute("aria-posinset", index + 1);
    row.setAttribute("aria-label", spoken(item));
    row.append(element("span", "time", clock(entry.t_us)), this.rail(item, places));
    row.append(element("span", "kind", WORDS[kind] || entry.kind), element("span", "name", name));
    if (entry.stage === "dropped" || entry.stage === "held") row.append(element("span", "lost", entry.stage));
    row.append(element("span", "more", more));
    return row;
  }

  rail({ entry, kind }, places) {
    const svg = document.createElementNS(SVG, "svg");
    const width = this.railWidth;
    svg.setAttribute("width", width);
    svg.setAttribute("height", ROW);
    svg.setAttribute("aria-hidden", "true");
    line(svg, GATEWAY_X, 0, GATEWAY_X, ROW, "lane gateway");
    for (const lane of this.lanes.values()) {
      if (entry.n < lane.from || entry.n > lane.to) continue;
      const x = places.get(lane.conn);
      line(svg, x, entry.n === lane.from ? ROW / 2 : 0, x, entry.n === lane.to ? ROW / 2 : ROW, "lane");
    }
    const here = entry.conn === undefined ? GATEWAY_X : places.get(entry.conn);
    if (here === undefined) return svg;
    const middle = ROW / 2;
    if (entry.dir && entry.kind !== "eof" && entry.kind !== "reset") {
      const up = entry.dir === "c2g";
      const [from, to] = up ? [here, GATEWAY_X] : [GATEWAY_X, here];
      const lost = entry.stage === "dropped" || entry.stage === "held";
      const end = lost ? (from + to) / 2 : to;
      const side = to > from ? -1 : 1;
      line(svg, from, middle, end + side * 6, middle, lost || kind === "quiet" ? "arrow dashed" : "arrow");
      if (lost) cross(svg, end, middle);
      else shape(svg, "path", { d: `M${end} ${middle}l${side * 9} -4.5v9z`, class: "tip" });
    } else if (kind === "open") {
      shape(svg, "circle", { cx: here, cy: middle, r: 4.5, class: "ring" });
    } else if (kind === "end" || kind === "err") {
      cross(svg, here, middle);
    } else if (kind === "fault") {
      shape(svg, "path", { d: `M${here + 2} ${middle - 9}l-7 10h5l-2 8 8 -11h-5z`, class: "mark" });
    } else if (kind === "note") {
      shape(svg, "path", { d: `M${here} ${middle - 6}l6 6 -6 6 -6 -6z`, class: "mark" });
    }
    return svg;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.rows.clientHeight / ROW) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    let to;
    if (event.key in moves) to = (this.picked < 0 ? this.shown.length - 1 : this.picked + moves[event.key]);
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = this.shown.length - 1;
    else if (event.key === "Enter" && this.picked >= 0) to = this.picked;
    else return;
    event.preventDefault();
    this.pick(Math.min(this.shown.length - 1, Math.max(0, to)));
  }

  pick(index) {
    if (!this.shown[index]) return;
    this.picked = index;
    const top = index * ROW;
    if (top < this.rows.scrollTop) this.rows.scrollTop = top;
    else if (top + ROW > this.rows.scrollTop + this.rows.clientHeight) {
      this.rows.scrollTop = top + ROW - this.rows.clientHeight;
    }
    // The scroll event comes a frame later: an entry that arrives before it must not jump to the end.
    this.follow = this.atEnd;
    this.draw();
    this.onPick(this.shown[index]);
  }

  unpick() {
    this.picked = -1;
    this.draw();
  }
}

/** A row for a screen reader. */
export function spoken({ entry, kind, name, more }) {
  const way = entry.dir === "c2g" ? `connection ${entry.conn} to gateway` : entry.dir === "g2c" ? `gateway to connection ${entry.conn}` : entry.conn === undefined ? "gateway" : `connection ${entry.conn}`;
  return `${clock(entry.t_us)} seconds, ${way}: ${WORDS[kind] || entry.kind} ${name} ${more}`;
}

export function clock(micros) {
  return (micros / 1e6).toFixed(3);
}

export function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(svg, tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  svg.append(made);
}

function line(svg, x1, y1, x2, y2, name) {
  shape(svg, "line", { x1, y1, x2, y2, class: name });
}

function cross(svg, x, y) {
  line(svg, x - 4, y - 4, x + 4, y + 4, "arrow");
  line(svg, x - 4, y + 4, x + 4, y - 4, "arrow");
}
