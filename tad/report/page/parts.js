// Small pieces of a page. Text always goes in as text, never as markup.

const byId = id => document.getElementById(id);

function make(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const key of Object.keys(attributes || {})) {
    const value = attributes[key];
    if (key === "style") Object.assign(element.style, value);
    else if (key === "on") Object.keys(value).forEach(name => element.addEventListener(name, value[name]));
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function replace(host, ...children) {
  host.textContent = "";
  host.append(...children.filter(child => child !== null));
}

const percent = (part, whole) => whole ? (100 * part / whole).toFixed(0) + " %" : "-";
const three = value => value.toFixed(3);
const scoreText = value => value >= 0.01 ? value.toFixed(3) : value.toPrecision(3);
const shortened = (text, most) => text.length > most ? text.slice(0, most - 1) + "\u2026" : text;
const counted = (number, noun) => number.toLocaleString("en") + " " + noun + (number === 1 ? "" : "s");

function seconds(value) {
  if (!(value >= 60)) return Number(value.toFixed(2)) + " s";
  const whole = Math.floor(value / 60), rest = value - 60 * whole;
  const clock = whole >= 60 ? Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0") : String(whole);
  return clock + ":" + rest.toFixed(1).padStart(4, "0");
}

// Colours that follow the light or dark page.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const ink = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const KIND_INKS = ["right", "double", "label", "local", "confused", "ground", "quiet"];
const kindInk = kind => "var(--" + KIND_INKS[kind] + ")";
const runInk = number => "var(--run" + number % 6 + ")";
const runDash = number => ["", "6 3", "2 2", "8 3 2 3"][Math.floor(number / 6) % 4];

// Neighbouring numbers get hues far apart (the golden angle).
function classColour(label, alpha) {
  const light = dark.matches ? 62 : 42;
  return "hsla(" + (label * 137.508 + 210) % 360 + "," + (label % 2 ? 65 : 85) + "%," + light + "%," + alpha + ")";
}

const tip = byId("tip");

function showTip(lines, x, y) {
  replace(tip, ...lines.map((line, i) => make(i ? "div" : "strong", {}, line)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 6)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18) + "px";
}

function hideTip() { tip.hidden = true; }

function speak(text) { byId("spoken").textContent = text; }

// An element whose words show where the pointer or the focus is.
function withTip(element, lines) {
  element.addEventListener("pointermove", event => showTip(lines, event.clientX, event.clientY));
  element.addEventListener("pointerleave", hideTip);
  return element;
}

// A button in a heading that sorts; `state` is {key, down}.
function sortHeading(text, key, state, changed, number) {
  const active = state.key === key;
  const button = make("button", {type: "button", class: "sort", on: {click: () => {
    state.down = active ? !state.down : number;
    state.key = key;
    changed(key);
  }}}, text, active ? (state.down ? " \u25be" : " \u25b4") : "");
  return make("th", {scope: "col", class: number ? "number" : null, "data-key": key,
    "aria-sort": active ? (state.down ? "descending" : "ascending") : "none"}, button);
}
