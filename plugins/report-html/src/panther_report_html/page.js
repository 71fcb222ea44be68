"use strict";
(async () => {
  const $ = id => document.getElementById(id);
  const STEP = 200, MOST_GROUPS = 60;
  // Asked of the parser, because a page that needs no network needs no address in it either.
  const SVG = new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg").namespaceURI;
  // Everything that comes from a run is set as text or as an attribute, never as markup.
  const make = (space, name, given, inside) => {
    const made = space ? document.createElementNS(space, name) : document.createElement(name);
    for (const [key, value] of Object.entries(given || {})) if (value !== null && value !== false) made.setAttribute(key, value);
    made.append(...inside.flat().filter(each => each !== null && each !== undefined).map(each => each instanceof Node ? each : String(each)));
    return made;
  };
  const el = (name, given, ...inside) => make("", name, given, inside);
  const draw = (name, given, ...inside) => make(SVG, name, given, inside);
  const unpack = async id => {
    const bytes = Uint8Array.from(atob($(id).textContent), each => each.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  };
  const data = await unpack("data"), text = data.texts, count = data.name.length;
  let details = null;
  const link = path => path.split("/").map(encodeURIComponent).join("/");
  const seconds = value => value >= 100 ? value.toFixed(0) + " s" : value >= 1 ? value.toFixed(2) + " s" : value >= 1e-3 ? (value * 1e3).toFixed(1) + " ms" : (value * 1e6).toFixed(0) + " µs";
  const short = value => Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(+value.toPrecision(4));

  const cellOf = n => data.axes.map((axis, a) => data.cell[a][n] === null ? "" : axis + "=" + text[data.cell[a][n]]).filter(Boolean).join(", ");
  const group = n => { const cell = cellOf(n); return text[data.name[n]] + (cell ? "[" + cell + "]" : ""); };
  const label = n => group(n) + (data.repetition[n] > 1 ? " #" + data.repetition[n] : "");
  const all = Array.from({length: count}, (_, n) => n), labels = all.map(label);
  const hay = all.map(n => (labels[n] + " " + text[data.verdict[n]] + " " + text[data.why[n]]).toLowerCase());

  // ---- what is shown: it stands in the address, so that a link to it can be sent
  const state = {q: "", v: "", s: "", c: "", m: ""};
  const readAddress = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    const plain = !location.hash.includes("=");
    for (const key of Object.keys(state)) state[key] = plain ? state[key] : given.get(key) || "";
  };
  const writeAddress = () => {
    const kept = Object.entries(state).filter(([, value]) => value !== "");
    history.replaceState(null, "", "#" + new URLSearchParams(kept));
  };
  const matches = () => {
    const words = state.q.toLowerCase().split(/[\s;]+/).filter(Boolean);
    return all.filter(n => {
      if (state.v === "odd" ? data.expected[n] : state.v && text[data.verdict[n]] !== state.v) return false;
      return words.every(word => word[0] === "!" && word.length > 1 ? !hay[n].includes(word.slice(1)) : hay[n].includes(word));
    });
  };
  const keys = {
    verdict: n => text[data.verdict[n]], name: n => labels[n], seconds: n => data.seconds[n], why: n => text[data.why[n]],
  };
  const sorted = rows => {
    const down = state.s[0] === "-", key = keys[down ? state.s.slice(1) : state.s];
    if (!key) return rows;
    const compare = (a, b) => { const x = key(a), y = key(b); return x < y ? -1 : x > y ? 1 : a - b; };
    return rows.sort((a, b) => down ? -compare(a, b) : compare(a, b));
  };

  // ---- the table
  let shown = [], limit = STEP;
  const rowOf = n => {
    const verdict = text[data.verdict[n]];
    const open = el("button", {class: "open", type: "button", "aria-expanded": "false", "data-case": n}, labels[n]);
    open.addEventListener("click", () => toggle(n));
    return el("tr", {id: "case-" + n},
      el("td", {}, el("span", {class: "chip " + verdict + (data.expected[n] ? "" : " odd")}, (data.symbols[verdict] || "!") + " " + verdict)),
      el("td", {}, open), el("td", {class: "number"}, data.seconds[n].toFixed(2) + " s"), el("td", {}, text[data.why[n]]));
  };
  const table = () => {
    shown = sorted(matches());
    const body = $("rows");
    body.replaceChildren(...shown.slice(0, limit).map(rowOf));
    $("found").textContent = shown.length === count ? count + " cases" : shown.length + " of " + count + " cases";
    $("more").replaceChildren();
    if (shown.length > limit) {
      const more = el("button", {type: "button"}, "Show " + Math.min(STEP, shown.length - limit) + " more");
      more.addEventListener("click", () => grow());
      $("more").append(more);
    }
    for (const th of document.querySelectorAll("#table th[data-sort]")) {
      const key = th.dataset.sort;
      if (state.s === key || state.s === "-" + key) th.setAttribute("aria-sort", state.s[0] === "-" ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
  };
  const grow = () => { const from = limit; limit += STEP; $("rows").append(...shown.slice(from, limit).map(rowOf)); if (shown.length <= limit) $("more").replaceChildren(); };
  const reveal = async n => {
    if (!shown.includes(n)) { state.q = state.v = ""; controls(); table(); }
    while (!$("case-" + n) && limit < shown.length) grow();
    if (!$("detail-" + n)) await toggle(n);
    $("case-" + n).scrollIntoView({block: "start"});
    document.querySelector(`[data-case="${n}"]`).focus({preventScroll: true});
  };
  const toggle = async n => {
    const row = $("case-" + n), old = $("detail-" + n), button = row.querySelector(".open");
    button.setAttribute("aria-expanded", String(!old));
    if (old) { old.remove(); if (state.c === String(n)) { state.c = ""; writeAddress(); } return; }
    details = details || await unpack("details");
    if (!$("detail-" + n)) row.after(el("tr", {id: "detail-" + n, class: "detail"}, el("td", {colspan: 4}, ...detail(n))));
    state.c = String(n);
    writeAddress();
  };

  // ---- one case
  const part = (title, ...inside) => [el("h3", {}, title), ...inside];
  const list = rows => el("table", {}, ...rows.map(row => el("tr", {}, ...row.map(each => el("td", {}, each)))));
  const file = (n, path, words) => el("a", {href: link(data.folder[n] + "/" + path)}, words || path);
  const detail = n => {
    const known = details[n], place = el("p", {}, el("a", {href: link(data.folder[n])}, data.folder[n]));
    if (!known) return [place, el("p", {}, "Everything about this case is in its folder.")];
    const out = [place];
    if (known.problems) out.push(...part("Problems", list(known.problems.map(each => [each]))));
    if (known.checks) out.push(...part("Checks", list(known.checks.map(([verdict, name, why]) => [el("span", {class: "chip " + verdict}, verdict), name, why]))));
    if (known.findings) out.push(...part("Findings", list(known.findings.map(([source, kind, message, service, times, stack, path]) =>
      [source + (service ? " on " + service : ""), times + " × " + kind, message, stack.length ? el("details", {}, el("summary", {}, "stack"), el("pre", {}, stack.join("\n"))) : "", path ? file(n, path) : ""]))));
    if (known.timings) out.push(...part("Time line", timeline(known)));
    if (known.messages) out.push(...part("Messages", sequence(known.messages), el("p", {}, file(n, "messages.jsonl", "all that were kept"))));
    if (known.services) out.push(...part("Services, and how to run each by hand", ...known.services.flatMap(([name, player, exit, command, tails]) => [
      el("p", {}, el("b", {}, name), " " + player + ": " + exit + " ", file(n, "services/" + name + "/stdout", "stdout"), " ", file(n, "services/" + name + "/stderr", "stderr")),
      command ? el("pre", {}, command) : null, ...tails.map(([stream, end]) => el("details", {open: ""}, el("summary", {}, "end of " + stream), el("pre", {}, end)))])));
    const numbers = data.columns.filter(each => each.values[n] !== null);
    if (numbers.length) out.push(el("details", {}, el("summary", {}, "Measurements"), list(numbers.map(each => [each.name, short(each.values[n]) + " " + each.unit]))));
    if (known.files) out.push(...part("Files", list(known.files.map(([path, kind, service, title]) => [file(n, path), kind, service, title]))));
    if (known.notes) out.push(el("details", {}, el("summary", {}, "Notes"), list(known.notes.map(each => [each]))));
    if (known.facts) out.push(el("details", {}, el("summary", {}, "Facts"), list(known.facts)));
    return out;
  };
  const timeline = known => {
    const width = 900, left = 120, total = known.timings.reduce((sum, [, spent]) => sum + spent, 0) || 1, scale = (width - left - 90) / total;
    let at = 0;
    const bars = known.timings.map(([name, spent], row) => {
      const bar = draw("g", {}, draw("text", {x: 0, y: row * 18 + 13}, name),
        draw("rect", {class: name.startsWith("stage") ? "bar stage" : "bar", x: left + at * scale, y: row * 18 + 3, width: Math.max(1, spent * scale), height: 12}),
        draw("text", {class: "faint", x: left + (at + spent) * scale + 5, y: row * 18 + 13}, seconds(spent)));
      at += spent;
      return bar;
    });
    const picture = draw("svg", {width, height: known.timings.length * 18 + 4, viewBox: `0 0 ${width} ${known.timings.length * 18 + 4}`, role: "img", "aria-label": "Phases of the case with their durations"}, ...bars);
    if (!known.events) return picture;
    const zero = Date.parse(known.events[0][0]);
    const rows = known.events.map(([when, name, what]) => ["+" + seconds((Date.parse(when) - zero) / 1e3), name, what]);
    return el("div", {}, picture, el("details", {}, el("summary", {}, "Events"), list(rows)));
  };
  const sequence = told => {
    const step = 17, top = 26, left = 80, apart = Math.max(220, Math.min(420, 900 / told.lanes.length)), width = left + apart * (told.lanes.length - 1) + 300, height = top + told.rows.length * step + 10;
    const x = lane => left + 60 + lane * apart;
    const lanes = told.lanes.map((name, lane) => draw("g", {}, draw("text", {x: x(lane), y: 12, "text-anchor": "middle", "font-weight": "600"}, name), draw("line", {class: "axis", x1: x(lane), x2: x(lane), y1: 18, y2: height})));
    const watched = told.rows.some(row => row[1] !== null); // else nobody looked where messages arrive, and none is known to be lost
    const arrows = told.rows.map(([sent, arrived, from, to, words, more], row) => {
      const y = top + row * step + 6, a = x(from), b = x(to), lost = watched && arrived === null, end = lost ? a + (b - a) * .82 : b, tip = b > a ? -6 : 6, kind = "arrow" + (to < from ? " back" : "") + (lost ? " lost" : "");
      const about = words + (more ? ": " + more : "") + (arrived === null ? ", arrival not seen" : `, under way for ${arrived - sent} µs`);
      return draw("g", {}, draw("title", {}, about),
        draw("text", {class: "faint", x: 0, y: y + 4}, "+" + seconds(sent / 1e6)),
        draw("path", {class: kind, d: `M${a} ${y}H${end}` + (lost ? `m-4 -4l8 8m0 -8l-8 8` : `m${tip} -4L${end} ${y}l${tip} 4`)}),
        draw("text", {x: Math.min(a, b) + 8, y: y - 3}, words.slice(0, 60)));
    });
    const picture = draw("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Messages between the services, in order of time"}, ...lanes, ...arrows);
    return el("div", {class: "wide"}, picture, told.more ? el("p", {}, `and ${told.more} more`) : null);
  };

  // ---- numbers: every point, the median and where it may lie
  const interval = values => { // of the median, from order statistics: 95 % without any assumption about the distribution
    const n = values.length;
    if (n < 6) return null;
    let term = Math.pow(.5, n), wider = 1, narrower = 1 - 2 * term, k = 0;
    while (n <= 1000 && narrower >= .95) { k += 1; term *= (n - k + 1) / k; wider = narrower; narrower -= 2 * term; }
    const excess = (wider - .95) / (wider - narrower);
    const depth = n > 1000 ? (n - 1 - 1.96 * Math.sqrt(n)) / 2 : k - 1 + (n - k) * excess / (k + (n - 2 * k) * excess);
    const at = place => { const below = Math.floor(place); return values[below] + (values[below + 1] - values[below]) * (place - below); };
    return [at(depth), at(n - 1 - depth)];
  };
  const numbers = () => {
    const box = $("chart");
    if (!data.columns.length) { box.replaceChildren(el("p", {}, "Nothing was measured.")); return; }
    const chosen = Math.max(0, data.columns.findIndex(each => each.name === state.m)), column = data.columns[chosen];
    const select = el("select", {id: "measure"}, ...data.columns.map((each, place) => el("option", {value: each.name, selected: place === chosen ? "" : null}, each.name + (each.unit ? " (" + each.unit + ")" : ""))));
    select.addEventListener("change", () => { state.m = select.value; writeAddress(); numbers(); $("measure").focus(); });
    const groups = new Map();
    for (const n of shown) if (column.values[n] !== null) { const key = group(n); if (!groups.has(key)) groups.set(key, []); groups.get(key).push(n); }
    const rows = [...groups].sort((a, b) => a[0] < b[0] ? -1 : 1).slice(0, MOST_GROUPS);
    const everything = rows.flatMap(([, ns]) => ns.map(n => column.values[n])), low = Math.min(0, ...everything), high = Math.max(...everything), left = 330, width = 1000, scale = (width - left - 120) / (high - low || 1);
    const x = value => left + (value - low) * scale;
    const lines = rows.map(([name, ns], row) => {
      const values = ns.map(n => column.values[n]).sort((a, b) => a - b), half = values.length >> 1;
      const median = values.length % 2 ? values[half] : (values[half - 1] + values[half]) / 2, range = interval(values), y = row * 20 + 12;
      return draw("g", {}, draw("title", {}, `${name}: median ${short(median)}${range ? `, 95 % sure between ${short(range[0])} and ${short(range[1])}` : ""}, n=${values.length}`),
        draw("text", {x: left - 10, y: y + 4, "text-anchor": "end"}, name.length > 52 ? name.slice(0, 51) + "…" : name),
        draw("line", {class: "axis", x1: left, x2: width - 110, y1: y, y2: y}),
        range ? draw("rect", {class: "range", x: x(range[0]), width: Math.max(1, x(range[1]) - x(range[0])), y: y - 7, height: 14}) : null,
        ...ns.map(n => draw("circle", {class: data.expected[n] ? "point" : "point odd", cx: x(column.values[n]), cy: y, r: 3.2}, draw("title", {}, labels[n] + ": " + short(column.values[n])))),
        draw("line", {class: "median", x1: x(median), x2: x(median), y1: y - 7, y2: y + 7}),
        draw("text", {class: "faint", x: width - 100, y: y + 4}, short(median) + " " + column.unit));
    });
    const height = rows.length * 20 + 26, ends = draw("g", {}, ...ticks(low, high).map(value => draw("text", {class: "faint", x: x(value), y: height - 4, "text-anchor": "middle"}, short(value))));
    const more = groups.size > rows.length ? `The first ${rows.length} of ${groups.size}; the filter above chooses others. ` : "";
    box.replaceChildren(el("p", {}, el("label", {}, "Measurement ", select)),
      rows.length ? el("div", {class: "wide"}, draw("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": column.name + " of every case"}, ...lines, ends)) : el("p", {}, "None of the cases above has it."),
      el("p", {class: "legend"}, more + "Each point is a case, the upright line the median, the band where the median lies with 95 % confidence (from 6 repetitions on)."));
  };

  const ticks = (low, high) => {
    const raw = (high - low) / 5 || 1, unit = 10 ** Math.floor(Math.log10(raw)), step = unit * [1, 2, 5, 10].find(each => each * unit >= raw * .999);
    return Array.from({length: Math.floor(high / step + .001) - Math.ceil(low / step - .001) + 1}, (_, number) => (Math.ceil(low / step - .001) + number) * step);
  };

  // ---- pictures of other reports: images, so that nothing in them can reach into this page
  const gallery = async () => {
    const kinds = new Map();
    for (const each of await unpack("drawn")) { if (!kinds.has(each[0])) kinds.set(each[0], []); kinds.get(each[0]).push(each); }
    const picture = ([kind, title, about, path, svg]) => el("figure", {class: "picture" + (kind === "flame graph" ? "" : " plot")},
      el("figcaption", {}, el("b", {}, title), path ? [" ", el("a", {href: link(path)}, "data")] : null),
      el("img", {src: "data:image/svg+xml," + encodeURIComponent(svg), alt: about || title, loading: "lazy"}),
      about && about !== title ? el("p", {class: "legend"}, about) : null);
    $("gallery").replaceChildren(...[...kinds].map(([kind, each]) => el("details", {open: ""},
      el("summary", {}, each.length + " × " + (kind || "figure")), el("div", {class: "pictures"}, ...each.map(picture)))));
  };

  // ---- controls
  const controls = () => { $("filter").value = state.q; $("verdict").value = state.v; };
  const refresh = () => { limit = STEP; table(); numbers(); };
  let waiting = 0;
  $("filter").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { state.q = $("filter").value; writeAddress(); refresh(); }, 80); });
  $("verdict").addEventListener("change", () => { state.v = $("verdict").value; writeAddress(); refresh(); });
  for (const th of document.querySelectorAll("#table th[data-sort]")) {
    const button = el("button", {type: "button"}, th.textContent);
    th.replaceChildren(button);
    button.addEventListener("click", () => { const key = th.dataset.sort; state.s = state.s === key ? "-" + key : state.s === "-" + key ? "" : key; writeAddress(); table(); });
  }
  document.addEventListener("keydown", event => {
    const typing = event.target.matches("input, select");
    if (event.key === "/" && !typing) { event.preventDefault(); $("filter").focus(); }
    if (event.key === "Escape") { state.q = state.v = ""; controls(); writeAddress(); refresh(); event.target.blur(); }
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches(".open, #filter")) {
      const buttons = [...document.querySelectorAll(".open")], to = buttons.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
      if (buttons[to]) { event.preventDefault(); buttons[to].focus(); }
    }
  });
  const arrive = async () => { readAddress(); controls(); refresh(); if (state.c !== "" && +state.c < count) await reveal(+state.c); };
  addEventListener("hashchange", () => { if (location.hash.includes("=")) arrive().then(() => { if (state.c === "") $("cases").scrollIntoView(); }); });
  $("controls").hidden = false;
  await arrive();
  if ($("drawn")) await gallery();
  if (state.v && !state.c) $("cases").scrollIntoView();
  document.documentElement.dataset.ready = "yes";
})();
