"use strict";
// What both pages do with their labels in the end.
function csv(value) {
  return /[",\n\r]/.test(value) ? '"' + value.replaceAll('"', '""') + '"' : value;
}

let handed = null;

// Rows of values as a file that the browser saves under this name. With other letters than ASCII it begins with a mark of UTF-8,
// without which Excel takes them for those of Windows.
function saveTable(name, rows) {
  const text = rows.map((row) => row.map(csv).join(",") + "\n").join("");
  const mark = /[^\x00-\x7f]/.test(text) ? "\ufeff" : "";
  // Somebody may take a while to say where it is to go.
  if (handed) URL.revokeObjectURL(handed);
  handed = URL.createObjectURL(new Blob([mark, text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = handed;
  link.download = name;
  link.click();
}

// Paths whose labels the browser was to keep and has not: it is full, or keeps nothing for files.
const behind = new Set();
let unread = false;
let advice = "";

// Whether the labels go with the page.
function lost() {
  return unread || behind.size > 0;
}

// What the browser has kept, and in its place for what it could not keep what `labels` has.
function together(store, labels) {
  const all = new Map(JSON.parse(localStorage.getItem(store) || "[]"));
  for (const path of behind) {
    if (labels.has(path)) all.set(path, labels.get(path));
    else all.delete(path);
  }
  return [...all];
}

// Keeps in the browser what `labels` has of these paths, and of no others: the page may be open a second time.
function keepIn(store, labels, paths) {
  paths.forEach((path) => behind.add(path));
  try {
    localStorage.setItem(store, JSON.stringify(together(store, labels)));
    behind.clear();
  } catch {}
  warn(advice);
}

// Makes `labels` what the browser has kept, but for what it could not keep.
function readFrom(store, labels) {
  try {
    const all = together(store, labels);
    labels.clear();
    for (const [path, label] of all) labels.set(path, label);
  } catch {
    unread = true;
  }
  warn(advice);
}

// What is to stay in sight, until it is "". That labels are lost matters more.
function warn(text) {
  advice = text;
  document.getElementById("warning").textContent = lost() ? LOST : advice;
}

// Nothing that is scrolled to lies under the bar, however many rows of buttons it has.
new ResizeObserver(([{ target }]) => {
  const room = `${target.offsetHeight + 12}px`;
  document.documentElement.style.scrollPaddingBottom = room;
  document.body.style.paddingBottom = room;
}).observe(document.getElementById("bar"));

