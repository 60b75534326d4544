// Marks images with keys or the buttons at the bottom, keeps the marks in the browser, and saves them as a file of labels.
const items = [...document.querySelectorAll(".item")];
const by = (id) => document.getElementById(id);
const classes = [...by("class").options].slice(1).map((o) => o.text);
const store = "ssgan-review-" + document.body.dataset.sheet;
// From paths to labels; an empty label is none.
const marks = new Map();
let current = 0;
let unsaved = false;

function load() {
  try {
    for (const [path, label] of JSON.parse(localStorage.getItem(store) || "[]")) marks.set(path, label);
  } catch {
    by("said").textContent = "This browser keeps no marks: save before you close the page.";
  }
}

function keep() {
  try {
    localStorage.setItem(store, JSON.stringify([...marks]));
  } catch {
    // Said when the page was loaded.
  }
}

function show(item) {
  const { path, label } = item.dataset;
  const marked = marks.has(path);
  item.classList.toggle("marked", marked);
  const mark = marks.get(path);
  item.querySelector(".mark").textContent = !marked ? "" : mark === label ? "\u2713 right" : mark ? "\u2192 " + mark : "no label";
}

function select(index, focus = true) {
  if (items.length === 0) return;
  items[current].classList.remove("current");
  current = Math.max(0, Math.min(items.length - 1, index));
  const item = items[current];
  item.classList.add("current");
  by("class").value = "";
  by("said").textContent = item.dataset.path;
  if (focus) {
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  }
}

function mark(label) {
  const item = items[current];
  if (!item) return;
  const path = item.dataset.path;
  if (label === null) marks.delete(path);
  else marks.set(path, label);
  unsaved = true;
  by("marks").textContent = marks.size;
  items.filter((i) => i.dataset.path === path).forEach(show);
  keep();
  select(label === null ? current : current + 1);
}

// The nearest image in the next row above or below.
function row(step) {
  const place = (item) => item.getBoundingClientRect();
  const from = place(items[current]);
  let best = current;
  let line = null;
  for (let i = current + step; i >= 0 && i < items.length; i += step) {
    const to = place(items[i]);
    if (Math.abs(to.top - from.top) < 2) continue;
    if (line === null) line = to.top;
    if (Math.abs(to.top - line) > 2) break;
    if (best === current || Math.abs(to.left - from.left) < Math.abs(place(items[best]).left - from.left)) best = i;
  }
  return best;
}

function save() {
  if (marks.size === 0) {
    by("said").textContent = "Nothing is marked yet.";
    return;
  }
  const rows = [...marks].map(([path, label]) => [path, label, "given"]);
  saveTable("corrections.csv", [["path", "label", "status"], ...rows]);
  unsaved = false;
  by("said").textContent = `${marks.size} labels saved as corrections.csv`;
}

const keys = {
  ArrowRight: () => select(current + 1),
  ArrowLeft: () => select(current - 1),
  ArrowDown: () => select(row(1)),
  ArrowUp: () => select(row(-1)),
  Home: () => select(0),
  End: () => select(items.length - 1),
  y: () => mark(items[current].dataset.label),
  x: () => mark(""),
  u: () => mark(null),
  l: () => by("class").focus(),
  s: save,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === by("class")) {
    if (event.key === "Escape") select(current);
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = key >= "1" && key <= "9" && key <= classes.length ? () => mark(classes[key - 1]) : keys[key];
  if (!action || items.length === 0) return;
  event.preventDefault();
  action();
});

items.forEach((item, i) => {
  item.addEventListener("click", () => select(i));
  item.addEventListener("focus", () => select(i, false));
});
by("right").addEventListener("click", keys.y);
by("none").addEventListener("click", keys.x);
by("undo").addEventListener("click", keys.u);
by("save").addEventListener("click", save);
by("class").addEventListener("change", () => mark(classes[by("class").selectedIndex - 1]));
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

load();
by("marks").textContent = marks.size;
items.forEach(show);
select(0, false);
