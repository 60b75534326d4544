// Takes a label for each image, keeps them in the browser, and saves them as the file of labels.
const items = [...document.querySelectorAll(".item")];
const fields = items.map((item) => item.querySelector("input"));
const by = (id) => document.getElementById(id);
// From paths to the labels that were there before.
const known = new Map([...document.querySelectorAll("#known li")].map((li) => [li.dataset.path, li.dataset.label]));
// What was given no label, and stays so.
const none = new Set([...document.querySelectorAll("#none li")].map((li) => li.dataset.path));
// What the browser keeps: from paths to the hash of the picture that was seen there and its label. Earlier versions kept labels of
// paths alone, under another name: nobody knows of which pictures.
const kept = new Map();
const store = "ssgan-pick-" + document.body.dataset.sheet;
const here = new Map(items.map((item) => [item.dataset.path, item.dataset.hash]));
const LOST = "This browser keeps no labels: save before you close the page.";
// Whether what was written on earlier pages is saved too.
let keepsOthers = false;
let shown = "";
let unsaved = false;
// The image whose field had the focus last.
let at = 0;

// Labels of the pictures on the page; none of another picture that had this name.
const ofPage = () => [...kept].filter(([path, [hash]]) => here.get(path) === hash);
// Those of images that are not on the page or look different there, and that the file of labels says nothing of.
const others = () => [...kept].filter(([path, [hash]]) => here.get(path) !== hash && !known.has(path) && !none.has(path));
const written = () => [...ofPage(), ...(keepsOthers ? others() : [])].map(([path, [, name]]) => [path, name]);
const all = () => [...written(), ...known];
const classes = () => [...new Set(all().map(([, name]) => name))].sort();

function load() {
  readFrom(store, kept);
  const names = new Map(written());
  items.forEach((item, i) => (fields[i].value = names.get(item.dataset.path) || ""));
}

// What a field says, on the page and in the browser.
function take(i) {
  const name = fields[i].value.trim().normalize("NFC");
  const { path, hash } = items[i].dataset;
  if (name === "") kept.delete(path);
  else kept.set(path, [hash, name]);
  keepIn(store, kept, [path]);
  count();
}

function count() {
  const names = new Map(written());
  items.forEach((item) => item.classList.toggle("marked", names.has(item.dataset.path)));
  by("marks").textContent = names.size;
  const left = keepsOthers ? 0 : others().length;
  by("earlier").hidden = left === 0;
  by("others").textContent = left;
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
  if (written().length === 0) {
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
by("keep").addEventListener("click", () => {
  keepsOthers = true;
  // Of the images that are on the page the fields say it.
  const shownAgain = new Map(others().filter(([path]) => here.has(path)));
  for (const [path, [, name]] of shownAgain) kept.set(path, [here.get(path), name]);
  keepIn(store, kept, [...shownAgain.keys()]);
  items.forEach((item, i) => shownAgain.has(item.dataset.path) && (fields[i].value = shownAgain.get(item.dataset.path)[1]));
  unsaved = true;
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
