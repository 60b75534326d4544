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

// Keeps in the browser what `labels` has of these paths, and of no others: the page may be open a second time.
function keepIn(store, labels, paths, lost) {
  try {
    const all = new Map(JSON.parse(localStorage.getItem(store) || "[]"));
    for (const path of paths) {
      if (labels.has(path)) all.set(path, labels.get(path));
      else all.delete(path);
    }
    localStorage.setItem(store, JSON.stringify([...all]));
  } catch {
    warn(lost);
  }
}

// What is to stay in sight, until it is "".
function warn(text) {
  document.getElementById("warning").textContent = text;
}

// Nothing that is scrolled to lies under the bar, however many rows of buttons it has.
new ResizeObserver(([{ target }]) => {
  const room = `${target.offsetHeight + 12}px`;
  document.documentElement.style.scrollPaddingBottom = room;
  document.body.style.paddingBottom = room;
}).observe(document.getElementById("bar"));

