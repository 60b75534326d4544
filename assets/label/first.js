// Takes a label for each image, keeps them in the browser, and saves them as the file of labels.
const items = [...document.querySelectorAll(".item")];
const fields = items.map((item) => item.querySelector("input"));
const by = (id) => document.getElementById(id);
// From paths to labels: those that were there before, and those that were written here or on an earlier page of the folder.
const known = new Map([...document.querySelectorAll("#known li")].map((li) => [li.dataset.path, li.dataset.label]));
const written = new Map();
// What was given no label, and stays so.
const none = new Set([...document.querySelectorAll("#none li")].map((li) => li.dataset.path));
const store = "ssgan-first-" + document.body.dataset.sheet;
const here = new Set(items.map((item) => item.dataset.path));
const LOST = "This browser keeps no labels: save before you close the page.";
let shown = "";
let unsaved = false;
// The image whose field had the focus last.
let at = 0;

const all = () => [...new Map([...written, ...known])];
const classes = () => [...new Set(all().map(([, name]) => name))].sort();

function load() {
  readFrom(store, written);
  for (const path of [...written.keys()]) if (known.has(path) || none.has(path)) written.delete(path);
  items.forEach((item, i) => (fields[i].value = written.get(item.dataset.path) || ""));
  // From an earlier page of the folder.
  const others = [...written.keys()].filter((path) => !here.has(path)).length;
  by("earlier").hidden = others === 0;
  by("others").textContent = others;
}

// What a field says, on the page and in the browser.
function take(i) {
  const name = fields[i].value.trim().normalize("NFC");
  if (name === "") written.delete(items[i].dataset.path);
  else written.set(items[i].dataset.path, name);
  keepIn(store, written, [items[i].dataset.path]);
  count();
}

function count() {
  items.forEach((item) => item.classList.toggle("marked", written.has(item.dataset.path)));
  by("marks").textContent = written.size;
}

// A button for each class.
function offer() {
  const names = classes();
  if (shown === JSON.stringify(names)) return;
  shown = JSON.stringify(names);
  by("classes").replaceChildren(...names.map((name) => new Option(name, name)));
  const button = (name) => Object.assign(document.createElement("button"), { type: "button", textContent: name, dir: "auto" });
  by("names").replaceChildren(...names.map(button));
  const twice = names.find((name) => names.some((other) => other !== name && other.toLowerCase() === name.toLowerCase()));
  warn(twice ? `${twice} is there in two spellings: these are two classes` : "");
}

// The next image, or the one before.
function go(from, step) {
  const next = fields[from + step];
  if (next) next.focus();
  else if (step > 0) by("save").focus();
}

function save() {
  if (written.size === 0) {
    by("said").textContent = "Nothing is labelled yet.";
    return;
  }
  const rows = all();
  const table = [...rows.map((row) => [...row, "given"]), ...[...none].map((path) => [path, "", "given"])];
  const name = by("known").dataset.table;
  saveTable(name, [["path", "label", "status"], ...table]);
  // Whoever is asked where it is to go may say nowhere.
  unsaved = lost();
  const counts = classes().map((name) => `${name} ${rows.filter(([, other]) => other === name).length}`);
  by("said").textContent = `Handed to the browser as ${name}: ${counts.join(", ")}`;
}

fields.forEach((field, i) => {
  field.addEventListener("input", () => {
    unsaved = true;
    take(i);
  });
  field.addEventListener("change", offer);
  field.addEventListener("focus", () => {
    items[at].classList.remove("current");
    at = i;
    items[i].classList.add("current");
    items[i].scrollIntoView({ block: "nearest" });
    by("said").textContent = items[i].dataset.path;
  });
  items[i].addEventListener("click", () => field.focus());
  field.addEventListener("keydown", (event) => {
    // The Enter that ends a word of Chinese or Japanese is that word's.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    go(i, event.shiftKey ? -1 : 1);
  });
});
// A press on the bar leaves the field its focus: a new class would move the buttons before they are released.
by("bar").addEventListener("mousedown", (event) => event.preventDefault());
by("names").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || fields.length === 0) return;
  const i = at;
  fields[i].value = button.textContent;
  unsaved = true;
  take(i);
  go(i, 1);
});
by("forget").addEventListener("click", () => {
  const gone = [...written.keys()].filter((path) => !here.has(path));
  gone.forEach((path) => written.delete(path));
  keepIn(store, written, gone);
  by("earlier").hidden = true;
  count();
  offer();
});
// In another tab.
window.addEventListener("storage", (event) => {
  if (event.key !== store) return;
  load();
  count();
  offer();
});
by("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

load();
count();
offer();
if (fields.length > 0) fields[0].focus();
