"use strict";
// Takes a label for each image, keeps them in the browser, and saves them as the file of labels.
const items = [...document.querySelectorAll(".item")];
const fields = items.map((item) => item.querySelector("input"));
const known = [...document.querySelectorAll("#known li")].map((li) => [li.dataset.path, li.dataset.label]);
const by = (id) => document.getElementById(id);
const store = "ssgan-first-" + document.body.dataset.sheet;
let current = 0;
let unsaved = false;

const label = (i) => fields[i].value.trim();
const labelled = () => items.map((item, i) => [item.dataset.path, label(i)]).filter(([, text]) => text !== "");

// The classes so far, those of labels that were there before too.
function classes() {
  return [...new Set([...known, ...labelled()].map(([, text]) => text))].sort();
}

function load() {
  try {
    const kept = new Map(JSON.parse(localStorage.getItem(store) || "[]"));
    items.forEach((item, i) => (fields[i].value = kept.get(item.dataset.path) || ""));
  } catch {
    by("said").textContent = "This browser keeps no labels: save before you close the page.";
  }
}

function keep() {
  try {
    localStorage.setItem(store, JSON.stringify(labelled()));
  } catch {
    // Said when the page was loaded.
  }
}

function show() {
  const names = classes();
  by("classes").replaceChildren(...names.map((name) => new Option(name, name)));
  const buttons = names.map((name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => write(current, name));
    return button;
  });
  by("names").replaceChildren(...buttons);
  items.forEach((item, i) => item.classList.toggle("marked", label(i) !== ""));
  by("marks").textContent = labelled().length;
}

// The next image, or the one before.
function go(from, step) {
  const next = fields[from + step];
  if (next) next.focus();
  else if (step > 0) by("save").focus();
}

function write(i, text) {
  fields[i].value = text;
  unsaved = true;
  keep();
  show();
  go(i, 1);
}

function csv(value) {
  return /[",\n\r]/.test(value) ? '"' + value.replaceAll('"', '""') + '"' : value;
}

function save() {
  const rows = labelled();
  if (rows.length === 0) {
    by("said").textContent = "Nothing is labelled yet.";
    return;
  }
  const lines = [["path", "label"], ...rows, ...known].map((row) => row.map(csv).join(",") + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
  link.download = "labels.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  const counts = classes().map((name) => `${name} ${[...rows, ...known].filter(([, text]) => text === name).length}`);
  by("said").textContent = `Saved as labels.csv: ${counts.join(", ")}`;
}

fields.forEach((field, i) => {
  field.addEventListener("input", () => {
    unsaved = true;
    items[i].classList.toggle("marked", label(i) !== "");
    by("marks").textContent = labelled().length;
    keep();
  });
  field.addEventListener("change", show);
  field.addEventListener("focus", () => {
    items[current].classList.remove("current");
    current = i;
    items[i].classList.add("current");
    by("said").textContent = items[i].dataset.path;
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(i, event.shiftKey ? -1 : 1);
  });
});
by("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

load();
show();
if (fields.length > 0) fields[0].focus();
