// Marks images with keys or the buttons at the bottom, keeps the marks in the browser, and saves them as a file of labels.
const items = [...document.querySelectorAll(".item")];
const by = (id) => document.getElementById(id);
const classes = [...by("class").options].slice(1).map((o) => o.value);
const store = "ssgan-review-" + document.body.dataset.sheet;
// From paths to labels; an empty label is none.
const marks = new Map();
// What was marked, the last one at the end: the image, and the mark that it had.
const past = [];
const LOST = "This browser keeps no marks: save before you close the page.";
let current = 0;
let unsaved = false;

function load() {
  readFrom(store, marks);
  by("marks").textContent = marks.size;
  items.forEach(show);
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

// Gives the images of a path this mark; null: none.
function put(path, label) {
  if (label === null) marks.delete(path);
  else marks.set(path, label);
  unsaved = true;
  by("marks").textContent = marks.size;
  items.filter((i) => i.dataset.path === path).forEach(show);
  keepIn(store, marks, [path]);
}

function inSight(item) {
  const place = item.getBoundingClientRect();
  return place.bottom > 0 && place.top < by("bar").getBoundingClientRect().top;
}

function mark(label) {
  const item = items[current];
  if (!item) return;
  // What nobody sees is not marked: the page was scrolled.
  if (!inSight(item)) return select(current);
  const path = item.dataset.path;
  past.push([current, marks.get(path) ?? null]);
  put(path, label);
  select(current + 1);
}

// Takes the last mark back; without one that of the chosen image.
function undo() {
  if (items.length === 0) return;
  const [at, label] = past.pop() ?? [current, null];
  put(items[at].dataset.path, label);
  select(at);
}

// The class that a digit stands for: of that name, where classes are called by digits, else the first, the second, ...
function ofDigit(key) {
  if (!/^[0-9]$/.test(key)) return undefined;
  return classes.some((name) => /^[0-9]$/.test(name)) ? classes.find((name) => name === key) : classes[key - 1];
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
  // Whoever is asked where it is to go may say nowhere.
  unsaved = lost();
  by("said").textContent = `Handed to the browser as corrections.csv: ${marks.size} labels`;
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
  u: undo,
  l: () => by("class").focus(),
  s: save,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // A key that is held goes from image to image, and marks one alone.
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  if (event.target === by("class")) {
    keyed = true;
    if (event.key === "Escape") select(current);
    if (event.key === "Enter") {
      event.preventDefault();
      choose();
    }
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const label = ofDigit(key);
  const action = label !== undefined ? () => mark(label) : keys[key];
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
// Browsers tell of a change at each letter that is typed to find a class: by keys it is chosen with Enter.
let keyed = false;
function choose() {
  const label = classes[by("class").selectedIndex - 1];
  if (label !== undefined) mark(label);
}
by("class").addEventListener("focus", () => (keyed = false));
by("class").addEventListener("pointerdown", () => (keyed = false));
by("class").addEventListener("change", () => {
  if (!keyed) choose();
});
// A link to a section chooses its first image.
document.querySelector(".contents").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const first = link && document.querySelector(`${link.hash} .item`);
  if (first) setTimeout(() => select(items.indexOf(first)));
});
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// In another tab.
window.addEventListener("storage", (event) => {
  if (event.key !== store) return;
  load();
});

load();
select(0, false);
