"use strict";
// One page, no network. The pictures are drawn already, one a depth and view, each in a <template>;
// the data beside them holds what is known of every box. Names from the graph reach the page only as
// textContent, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const stage = at("stage");
const BOXES = "g.node[id^=n], g.row";  // not the headings of frames; a parameter is a row of its op
const state = { depth: data.start.depth, view: data.start.view, step: -1, selected: null, timer: 0 };
let svg = null, nodes = [], groups = new Map(), faces = new Map(), place = { x: 0, y: 0, scale: 1 };

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// -- the picture -----------------------------------------------------------------------------

function picture() { return data.pictures[`${state.depth}-${state.view}`]; }

function show() {
  const kept = state.selected && state.selected.id;
  stop();
  stage.replaceChildren(at(`svg-${state.depth}-${state.view}`).content.cloneNode(true));
  svg = stage.querySelector("svg");
  nodes = picture().nodes;
  groups = new Map();
  faces = new Map();
  for (const group of svg.querySelectorAll(BOXES)) {
    const node = nodes[Number(group.id.slice(1))];
    groups.set(node.id, group);
    group.setAttribute("tabindex", "0");
    group.addEventListener("click", (event) => {
      event.stopPropagation();  // a parameter lies in the box of its op, which would be next
      if (!moved) select(node);
    });
    group.addEventListener("focus", () => intoView(group));
    const face = group.querySelector("polygon, ellipse, path");
    face.classList.add("face");
    face.dataset.fill = face.getAttribute("fill");
    faces.set(node.id, face);
  }
  for (const link of svg.querySelectorAll("a")) link.removeAttribute("href");
  state.step = -1;
  at("step").textContent = "";
  for (const button of document.querySelectorAll("[data-depth]"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.depth) === state.depth));
  for (const button of document.querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
  fit();
  colour();
  search();
  select(nodes.find((node) => node.id === kept) || null);
}

function colour() {
  const overlay = picture().overlays[at("overlay").value];
  nodes.forEach((node, i) => {
    const face = faces.get(node.id);
    if (face) face.setAttribute("fill", overlay ? overlay.fills[i] || "#FFFFFF" : face.dataset.fill);
  });
  at("scale").replaceChildren(...(overlay ? overlay.scale : []).map(([fill, words]) => {
    const swatch = element("span", words);
    swatch.style.background = fill;
    return swatch;
  }));
}

// -- pan and zoom ----------------------------------------------------------------------------

function put() { svg.style.transform = `translate(${place.x}px, ${place.y}px) scale(${place.scale})`; }

function size() { return { width: svg.width.baseVal.value, height: svg.height.baseVal.value }; }

function fit() {
  const { width, height } = size();
  const whole = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  // A long chain fitted whole is a thread: show it as wide as can be read, from the top.
  place.scale = Math.min(1.5, Math.max(whole, Math.min(1, stage.clientWidth / width)));
  place.x = (stage.clientWidth - width * place.scale) / 2;
  place.y = Math.max(0, (stage.clientHeight - height * place.scale) / 2);
  put();
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(8, Math.max(0.02, place.scale * factor));
  place.x = x - (x - place.x) * scale / place.scale;
  place.y = y - (y - place.y) * scale / place.scale;
  place.scale = scale;
  put();
}

function intoView(group) {
  const box = group.getBoundingClientRect(), frame = stage.getBoundingClientRect();
  const middle = (from, to) => (from + to) / 2;
  if (box.left < frame.left || box.right > frame.right)
    place.x += middle(frame.left, frame.right) - middle(box.left, box.right);
  if (box.top < frame.top || box.bottom > frame.bottom)
    place.y += middle(frame.top, frame.bottom) - middle(box.top, box.bottom);
  put();
}

let grip = null, moved = false;
stage.addEventListener("pointerdown", (event) => {
  grip = { x: event.clientX - place.x, y: event.clientY - place.y, from: [event.clientX, event.clientY] };
  moved = false;
});
window.addEventListener("pointermove", (event) => {
  if (!grip) return;
  if (Math.hypot(event.clientX - grip.from[0], event.clientY - grip.from[1]) > 4) moved = true;
  if (!moved) return;
  stage.classList.add("dragging");
  place.x = event.clientX - grip.x;
  place.y = event.clientY - grip.y;
  put();
});
window.addEventListener("pointerup", () => { grip = null; stage.classList.remove("dragging"); });
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });

// -- search ----------------------------------------------------------------------------------

let hits = [], hit = -1;

function search() {
  const wanted = at("search").value.trim().toLowerCase();
  hits = wanted ? nodes.filter((node) => node.text.toLowerCase().includes(wanted) && groups.has(node.id)) : [];
  hit = -1;
  for (const [id, face] of faces) face.classList.toggle("hit", hits.some((node) => node.id === id));
  for (const group of svg.querySelectorAll("g.node[id^=n]"))
    group.classList.toggle("dim", Boolean(wanted) && !group.querySelector(".hit"));
  at("found").textContent = wanted ? `${hits.length} found` : "";
}

at("search").addEventListener("input", search);
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") { at("search").value = ""; search(); }
  if (event.key !== "Enter" || !hits.length) return;
  hit = (hit + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
  select(hits[hit]);
  intoView(groups.get(hits[hit].id));
  at("found").textContent = `${hit + 1} of ${hits.length}`;
});

// -- details ---------------------------------------------------------------------------------

function select(node) {
  state.selected = node;
  const details = at("details");
  details.replaceChildren();
  for (const face of faces.values()) face.classList.remove("now");
  if (!node) {
    details.append(element("h2", "click a box"), help());
    return;
  }
  faces.get(node.id)?.classList.add("now");
  details.append(element("h2", node.name));
  const list = document.createElement("dl");
  for (const [term, words] of node.facts) list.append(element("dt", term), element("dd", words));
  details.append(list, links("from", node.from), links("to", node.to));
}

function links(title, ids) {
  const part = document.createElement("div");
  if (!ids.length) return part;
  const list = document.createElement("ul");
  for (const i of ids) {
    const button = element("button", nodes[i].name);
    button.addEventListener("click", () => {
      select(nodes[i]);
      if (groups.has(nodes[i].id)) intoView(groups.get(nodes[i].id));
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  part.append(element("h3", title), list);
  return part;
}

function help() {
  const list = document.createElement("dl");
  for (const [key, words] of [["drag, wheel", "move and zoom; also + and -"], ["0", "fit"],
    ["arrows", "step in order of execution"], ["space", "play"], ["/", "search; Enter for the next"],
    ["1 2 3 ...", "depth"], ["Tab, Enter", "from box to box, and its details"]]) {
    const term = document.createElement("dt");
    term.append(element("kbd", key));
    list.append(term, element("dd", words));
  }
  return list;
}

// -- order of execution ----------------------------------------------------------------------

function order() { return nodes.filter((node) => node.runs && groups.has(node.id)); }

function step(by) {
  const steps = order();
  if (!steps.length) return;
  state.step = Math.min(steps.length - 1, Math.max(0, state.step + by));
  const node = steps[state.step];
  select(node);
  intoView(groups.get(node.id));
  at("step").textContent = `${state.step + 1} / ${steps.length} ${node.runs}`;
}

function stop() {
  clearInterval(state.timer);
  state.timer = 0;
  at("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (state.timer) { stop(); return; }
  if (state.step >= order().length - 1) state.step = -1;
  at("play").setAttribute("aria-pressed", "true");
  step(1);
  state.timer = setInterval(() => {
    step(1);
    if (state.step >= order().length - 1) stop();
  }, 600);
}

// -- controls --------------------------------------------------------------------------------

for (const depth of data.depths) {
  const button = element("button", depth.name, { "data-depth": depth.value });
  button.addEventListener("click", () => { state.depth = depth.value; show(); });
  at("depths").append(button);
}
for (const view of data.views) {
  const button = element("button", view, { "data-view": view });
  button.addEventListener("click", () => { state.view = view; show(); });
  at("views").append(button);
}
at("views").hidden = data.views.length < 2;
for (const name of data.overlays) at("overlay").append(element("option", name, { value: name }));
at("overlay").addEventListener("change", colour);
at("overlay").value = data.start.overlay;
at("back").addEventListener("click", () => { stop(); step(-1); });
at("next").addEventListener("click", () => { stop(); step(1); });
at("play").addEventListener("click", play);
at("in").addEventListener("click", () => zoom(1.3));
at("out").addEventListener("click", () => zoom(1 / 1.3));
at("fit").addEventListener("click", fit);

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const group = event.target.closest && event.target.closest(BOXES);
  const button = event.target.matches("button");
  if (event.key === "Enter" && group) select(nodes[Number(group.id.slice(1))]);
  else if (event.key === " " && !button) play();
  else if (event.key === "ArrowRight" || event.key === "ArrowDown") { stop(); step(1); }
  else if (event.key === "ArrowLeft" || event.key === "ArrowUp") { stop(); step(-1); }
  else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else if (event.key === "/") at("search").focus();
  else if (data.depths.some((depth) => depth.key === event.key)) {
    state.depth = data.depths.find((depth) => depth.key === event.key).value;
    show();
  } else return;
  event.preventDefault();
});
window.addEventListener("resize", () => put());

show();
