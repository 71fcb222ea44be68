"use strict";

const ROW = 18, LETTER = 6.7, COLOURS = 8, MOST_ROWS = 20, SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const state = { graph: 0, zoom: 0, focus: 0, search: "", flip: false };
let drawn = null;

/* A graph's columns become a tree: where each frame begins, who called it, and where its callees end in the columns. */
function prepared(graph) {
  const count = graph.name.length, parent = new Int32Array(count), end = new Int32Array(count).fill(count);
  const start = new Float64Array(count), used = new Float64Array(count), path = [];
  let rows = 0;
  for (let i = 0; i < count; i++) {
    const depth = graph.depth[i];
    while (path.length > depth) end[path.pop()] = i;
    parent[i] = depth ? path[depth - 1] : -1;
    if (depth) { start[i] = used[parent[i]]; used[parent[i]] += graph.total[i]; }
    used[i] = start[i];
    path.push(i);
    rows = Math.max(rows, depth + 1);
  }
  return { ...graph, parent, end, start, rows, count };
}

function nameOf(i) { return i ? data.names[drawn.name[i]] : "all"; }

function share(part, whole) {
  const percent = whole ? 100 * part / whole : 0;
  return (percent >= 10 ? percent.toFixed(1) : percent.toFixed(2)) + " %";
}

const SCALES = {
  bytes: [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]],
  seconds: [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]],
  milliseconds: [[1e3, "s"], [1, "ms"], [1e-3, "µs"]],
  microseconds: [[1e6, "s"], [1e3, "ms"], [1, "µs"]],
  nanoseconds: [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]],
};

function amount(value, unit) {
  for (const [size, name] of SCALES[unit] || []) {
    if (value >= size) return (value / size).toLocaleString("en", { maximumSignificantDigits: 4 }) + " " + name;
  }
  return (value.toLocaleString("en", { maximumSignificantDigits: 6 }) + " " + unit).trim();
}

function colourOf(name) {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
  return "c" + hash % COLOURS;
}

function matcher(text) {
  if (!text) return null;
  const pattern = /^\/(.+)\/$/.exec(text);
  if (pattern) {
    try {
      const expression = new RegExp(pattern[1], "i");
      return (name) => expression.test(name);
    } catch (error) {
      return () => false;
    }
  }
  const wanted = text.toLowerCase();
  return (name) => name.toLowerCase().includes(wanted);
}

function describe(i) {
  const total = drawn.total[i], own = drawn.own[i], all = drawn.total[0];
  const lines = [nameOf(i), `${amount(total, drawn.unit)}, ${share(total, all)} of all`];
  if (state.zoom) lines[1] += `, ${share(total, drawn.total[state.zoom])} of ${nameOf(state.zoom)}`;
  lines.push(`itself ${amount(own, drawn.unit)}, ${share(own, all)}`);
  return lines;
}

/* Frames inside of the zoomed one share the width among them; its callers take all of it. */
function visible(width) {
  const found = [], from = drawn.start[state.zoom], scale = width / drawn.total[state.zoom];
  for (let i = drawn.parent[state.zoom]; i >= 0; i = drawn.parent[i]) found.push({ i, x: 0, w: width, above: true });
  for (let i = state.zoom; i < drawn.end[state.zoom];) {
    const w = drawn.total[i] * scale;
    if (w < 1) { i = drawn.end[i]; continue; }
    found.push({ i, x: (drawn.start[i] - from) * scale, w, above: false });
    i++;
  }
  return found;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
  return made;
}

function frame({ i, x, w, above }, match) {
  const name = nameOf(i), depth = drawn.depth[i];
  const y = (state.flip ? drawn.rows - 1 - depth : depth) * ROW;
  const kinds = ["frame", i ? colourOf(name) : "all"];
  if (above) kinds.push("above");
  if (match && i && match(name)) kinds.push("hit");
  if (i === state.focus) kinds.push("focused");
  const group = element("g", {
    class: kinds.join(" "), id: "f" + i, "data-i": i, role: "treeitem", "aria-level": depth + 1,
    "aria-label": `${name}, ${share(drawn.total[i], drawn.total[0])}`,
  });
  group.append(element("rect", { x: x.toFixed(2), y, width: Math.max(w - 0.5, 0.5).toFixed(2), height: ROW - 1, rx: 1.5 }));
  const letters = Math.floor((w - 6) / LETTER);
  if (letters >= 3) {
    const text = element("text", { x: (x + 3).toFixed(2), y: y + 13 });
    text.textContent = name.length > letters ? name.slice(0, letters - 1) + "…" : name;
    group.append(text);
  }
  return group;
}

function render() {
  if (!drawn) return;
  const svg = at("svg"), width = Math.max(at("graph").clientWidth, 200), match = matcher(state.search);
  const height = drawn.rows * ROW;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.classList.toggle("searching", Boolean(match));
  const frames = document.createDocumentFragment();
  for (const each of visible(width)) frames.append(frame(each, match));
  svg.replaceChildren(frames);
  svg.setAttribute("aria-activedescendant", "f" + state.focus);
  at("found").textContent = match ? matched(match) : "";
  at("detail").textContent = describe(state.focus).join(" · ");
  at("flip").setAttribute("aria-pressed", String(state.flip));
  remember();
}

/* A match inside of a match is not counted twice. */
function matched(match) {
  const hits = data.names.map(match);
  let total = 0, frames = 0, i = state.zoom;
  while (i < drawn.end[state.zoom]) {
    if (i && hits[drawn.name[i]]) { total += drawn.total[i]; frames++; i = drawn.end[i]; } else { i++; }
  }
  return frames ? `${share(total, drawn.total[0])} in ${frames} ${frames === 1 ? "frame" : "frames"}` : "no match";
}

function hottest() {
  const own = new Map(), total = new Map(), open = new Map(), path = [];
  for (let i = 1; i < drawn.count; i++) {
    while (path.length >= drawn.depth[i]) { const left = path.pop(); open.set(left, open.get(left) - 1); }
    const name = drawn.name[i];
    own.set(name, (own.get(name) || 0) + drawn.own[i]);
    if (!open.get(name)) total.set(name, (total.get(name) || 0) + drawn.total[i]);
    open.set(name, (open.get(name) || 0) + 1);
    path.push(name);
  }
  const ranked = [...own].filter((each) => each[1] > 0).sort((a, b) => b[1] - a[1]).slice(0, MOST_ROWS);
  at("rows").replaceChildren(...ranked.map(([name, weight]) => row(data.names[name], weight, total.get(name))));
}

function row(name, own, total) {
  const line = document.createElement("tr"), button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => search(name));
  const cells = [button, `${share(own, drawn.total[0])}  ${amount(own, drawn.unit)}`, share(total, drawn.total[0])];
  for (const [index, content] of cells.entries()) {
    const cell = document.createElement("td");
    cell.append(content);
    if (index) cell.className = "number";
    line.append(cell);
  }
  return line;
}

function search(text) {
  at("search").value = state.search = text;
  render();
}

function zoom(i) {
  state.zoom = state.focus = i;
  render();
}

function open(index, kept) {
  state.graph = index;
  Object.assign(state, { zoom: 0, focus: 0 }, kept);
  drawn = prepared(data.graphs[index]);
  if (!(state.zoom >= 0 && state.zoom < drawn.count)) state.zoom = 0;
  state.focus = state.zoom;
  choose();
  at("about").textContent = [drawn.title, `${amount(drawn.total[0], drawn.unit)} in all`, drawn.file].filter(Boolean).join(" · ");
  at("hidden").textContent = drawn.hidden ? `${share(drawn.hidden, drawn.total[0])} of it is in frames too small to be drawn.` : "";
  hottest();
  render();
  toRoot();
}

function toRoot() { at("graph").scrollTop = state.flip ? at("graph").scrollHeight : 0; }

function options(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, text]) => {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = text;
    option.selected = value === chosen;
    return option;
  }));
}

function choose() {
  const cases = [...new Set(data.graphs.map((each) => each.case))], own = data.graphs[state.graph].case;
  options(at("case"), cases.map((each) => [each, each]), own);
  const graphs = data.graphs.map((each, index) => [each, index]).filter(([each]) => each.case === own);
  options(at("profile"), graphs.map(([each, index]) => [String(index), each.label]), String(state.graph));
}

function remember() {
  const parts = new URLSearchParams({ graph: state.graph });
  if (state.zoom) parts.set("zoom", state.zoom);
  if (state.search) parts.set("search", state.search);
  if (state.flip) parts.set("flip", 1);
  try {
    history.replaceState(null, "", "#" + parts);
  } catch (error) { /* a page that is embedded may have no address of its own */ }
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1)), index = Number(parts.get("graph")) || 0;
  at("search").value = state.search = parts.get("search") || "";
  state.flip = parts.has("flip");
  open(data.graphs[index] ? index : 0, { zoom: Number(parts.get("zoom")) || 0 });
}

function indexOf(event) {
  const group = event.target.closest && event.target.closest("g.frame");
  return group ? Number(group.dataset.i) : -1;
}

function tip(event) {
  const i = indexOf(event), box = at("tip");
  box.hidden = i < 0;
  if (i < 0) return;
  box.textContent = describe(i).join("\n");
  box.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - box.offsetWidth - 8)) + "px";
  box.style.top = Math.max(4, Math.min(event.clientY + 16, innerHeight - box.offsetHeight - 8)) + "px";
}

/* The frame beside this one: another callee of the same caller. */
function beside(i, step) {
  if (!i) return i;
  const siblings = [];
  for (let k = drawn.parent[i] + 1; k < drawn.end[drawn.parent[i]]; k = drawn.end[k]) siblings.push(k);
  const found = siblings[siblings.indexOf(i) + step];
  return found === undefined ? i : found;
}

function moved(key) {
  const i = state.focus, inner = state.flip ? "ArrowUp" : "ArrowDown", outer = state.flip ? "ArrowDown" : "ArrowUp";
  if (key === inner) return drawn.end[i] > i + 1 ? i + 1 : i;
  if (key === outer) return Math.max(drawn.parent[i], 0);
  if (key === "ArrowLeft") return beside(i, -1);
  if (key === "ArrowRight") return beside(i, 1);
  return key === "Home" ? 0 : -1;
}

function pressed(event) {
  const next = moved(event.key);
  if (next >= 0) {
    state.focus = next;
    const hidden = !at("f" + next);
    if (hidden) state.zoom = drawn.parent[next] >= 0 ? drawn.parent[next] : 0;
    render();
    const shown = at("f" + next);
    if (shown) shown.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" || event.key === " ") {
    zoom(state.focus);
  } else {
    return;
  }
  event.preventDefault();
}

function listen() {
  at("svg").addEventListener("click", (event) => { const i = indexOf(event); if (i >= 0) zoom(i); });
  at("svg").addEventListener("mousemove", tip);
  at("svg").addEventListener("mouseleave", () => { at("tip").hidden = true; });
  at("svg").addEventListener("keydown", pressed);
  at("search").addEventListener("input", () => search(at("search").value));
  at("flip").addEventListener("click", () => { state.flip = !state.flip; render(); toRoot(); });
  at("reset").addEventListener("click", () => { search(""); zoom(0); });
  at("case").addEventListener("change", () => open(data.graphs.findIndex((each) => each.case === at("case").value)));
  at("profile").addEventListener("change", () => open(Number(at("profile").value)));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search(""); zoom(0); }
    if (event.key === "/" && event.target !== at("search")) { at("search").focus(); event.preventDefault(); }
  });
  addEventListener("hashchange", recall);
  new ResizeObserver(render).observe(at("graph"));
}

if (data.graphs.length) {
  recall();
  listen();
} else {
  for (const id of ["controls", "graph", "detail", "hottest"]) at(id).hidden = true;
  at("about").textContent = "No instrument has left a profile in this run. Add one to the experiment, for example: execution_environments: [gperf_cpu]";
}
