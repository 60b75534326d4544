// Uses the pages of `ssgan pick` and `ssgan label --review` as people do: keys, buttons, two tabs, saving. Fails for each thing that
// is not as it should be, and for every error that the browser tells, such as a script that the page's own policy refuses.
//
//   node tests/pages/check.mjs CHROMIUM PLAYWRIGHT_CORE FOLDER
//
// FOLDER has pick.html, review.html and digits.html, which the ignored tests `pages_for_a_browser` write. `make check-pages` calls
// all of it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [executablePath, playwright, folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node check.mjs CHROMIUM PLAYWRIGHT_CORE FOLDER");
  process.exit(2);
}
const { chromium } = createRequire(import.meta.url)(resolve(playwright));
const browser = await chromium.launch({ executablePath, headless: true, args: ["--no-sandbox"] });
let failed = 0;
let checked = 0;

function is(what, got, wanted) {
  checked += 1;
  if (JSON.stringify(got) === JSON.stringify(wanted)) return;
  failed += 1;
  console.error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

/** A page of the folder in a context, of which every error counts. */
async function open(context, name) {
  const page = await context.newPage();
  page.on("pageerror", (e) => is(`${name}: a script's error`, e.message, null));
  page.on("console", (m) => m.type() === "error" && is(`${name}: the browser's error`, m.text(), null));
  await page.goto(pathToFileURL(resolve(folder, name)).href);
  return page;
}

const text = (page, id) => page.locator(`#${id}`).textContent();
const current = (page) => page.locator(".item.current").first().getAttribute("data-path");
const marked = (page) => page.locator(".item.marked").evaluateAll((all) => all.map((i) => i.dataset.path));

/** The text of the file that a press on Save gives, and its name. */
async function saved(page) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
  return [download.suggestedFilename(), readFileSync(await download.path(), "utf8")];
}

async function review() {
  const context = await browser.newContext({ viewport: { width: 700, height: 500 } });
  const page = await open(context, "review.html");
  const paths = await page.locator(".item").evaluateAll((all) => all.map((i) => i.dataset.path));
  await page.keyboard.press("y");
  is("the first image is below the lead, and shown first", await marked(page), []);
  await page.keyboard.press("y");
  is("a mark goes to the next image", [await marked(page), await current(page)], [[paths[0]], paths[1]]);
  await page.keyboard.press("x");
  await page.keyboard.press("u");
  is("undo takes the last mark back", [await marked(page), await current(page)], [[paths[0]], paths[1]]);
  await page.keyboard.press("2");
  is("a digit is a class's place", await page.locator(".item.marked .mark").allTextContents(), ["\u2713 right", "\u2192 K\u00e4fer,  big"]);
  await page.keyboard.press("l");
  await page.keyboard.press("k");
  is("a letter in the list marks nothing", (await marked(page)).length, 2);
  await page.keyboard.press("Enter");
  is("Enter does", [(await marked(page)).length, await page.locator(".item.marked .mark").nth(2).textContent()], [3, "\u2192 K\u00e4fer,  big"]);
  await page.mouse.wheel(0, 4000);
  await page.waitForFunction(() => scrollY > 500);
  await page.keyboard.press("y");
  is("what is out of sight is not marked", (await marked(page)).length, 3);
  await page.keyboard.press("y");
  is("but shown, and marked then", (await marked(page)).length, 4);
  const other = await open(context, "review.html");
  is("another tab has the marks", (await marked(other)).length, 4);
  for (let i = 0; i < 5; i += 1) await other.keyboard.press("ArrowRight");
  await other.keyboard.press("x");
  await page.waitForFunction(() => document.querySelectorAll(".item.marked").length === 5);
  await page.keyboard.press("y");
  await page.reload();
  is("no tab loses the other's", (await marked(page)).length, 6);
  const [name, table] = await saved(page);
  const rows = table.split("\n");
  is("the file", [name, rows[0], rows.includes('photos/01.png,"K\u00e4fer,  big",given'), rows.length], ["corrections.csv", "\ufeffpath,label,status", true, 8]);
  const digits = await open(context, "digits.html");
  await digits.keyboard.press("Home");
  await digits.keyboard.press("1");
  is("a digit is the class of that name", await digits.locator(".item.marked .mark").allTextContents(), ["\u2192 1"]);
  await context.close();
}

async function pick() {
  const context = await browser.newContext({ viewport: { width: 700, height: 500 } });
  const page = await open(context, "pick.html");
  const fields = page.locator(".item input");
  const n = await fields.count();
  await fields.nth(0).fill("Cat");
  await page.keyboard.press("Enter");
  await page.keyboard.type("cat");
  await page.keyboard.press("Enter");
  is("two spellings are told, and stay so", await text(page, "warning"), "Cat is there in two spellings: these are two classes");
  await fields.nth(1).fill("Cat");
  await page.keyboard.press("Enter");
  is("until there is one", await text(page, "warning"), "");
  await page.locator("#names button", { hasText: "Cat" }).click();
  is("a button labels the image, and goes on", [await fields.nth(2).inputValue(), await page.evaluate(() => document.activeElement.ariaLabel)], ["Cat", await fields.nth(3).getAttribute("aria-label")]);
  await page.evaluate(() => document.activeElement.blur());
  await page.locator("#names button", { hasText: "Cat" }).focus();
  await page.keyboard.press("Enter");
  is("by the keyboard too", await fields.nth(3).inputValue(), "Cat");
  await fields.nth(4).fill("Ka\u0308fer");
  for (let i = 5; i < 40; i += 1) await page.keyboard.press("Enter");
  const [low, bar] = await page.evaluate(() => [document.activeElement.getBoundingClientRect().bottom, document.getElementById("bar").getBoundingClientRect().top]);
  is("the field is above the bar", low <= bar, true);
  const other = await open(context, "pick.html");
  await other.locator(".item input").nth(n - 1).fill("dog");
  await page.waitForFunction(() => document.getElementById("marks").textContent === "6");
  await fields.nth(10).fill("dog");
  await page.reload();
  is("no tab loses the other's", await text(page, "marks"), "7");
  const [name, table] = await saved(page);
  is("the file", [name, table.startsWith("\ufeffpath,label,status\n"), table.includes(",K\u00e4fer,given\n"), table.includes('sub/001.png,"bee, big",given\n')], ["labels.csv", true, true, true]);
  const [changed, bare] = await page.evaluate(() => {
    const store = `ssgan-pick-${document.body.dataset.sheet}`;
    const kept = new Map(JSON.parse(localStorage.getItem(store)));
    const [changed, bare] = [0, 20].map((i) => items[i].dataset.path);
    // Another picture had this name then; one that is not on the page; one that the file of labels has another label of.
    kept.set(changed, ["0123456789abcdef", "Cat"]).set("gone.png", ["0123456789abcdef", "owl"]).set("sub/001.png", ["0123456789abcdef", "owl"]);
    localStorage.setItem(store, JSON.stringify([...kept]));
    // As earlier versions kept labels.
    localStorage.setItem(`ssgan-first-${document.body.dataset.sheet}`, JSON.stringify([[bare, "owl"], ["earlier.png", "owl"]]));
    return [changed, bare];
  });
  await page.reload();
  is("labels of other pictures fill no field", [await fields.nth(0).inputValue(), await fields.nth(1).inputValue(), await fields.nth(20).inputValue(), await text(page, "marks")], ["", "Cat", "", "6"]);
  is("labels of other pages are told", [await page.locator("#earlier").isVisible(), await text(page, "others")], [true, "2"]);
  const [, without] = await saved(page);
  const owls = (table) => table.split("\n").filter((row) => row.includes(",owl,"));
  is("and not saved", [owls(without), [changed, bare].some((path) => without.includes(path)), without.includes('sub/001.png,"bee, big",given\n')], [[], false, true]);
  await page.locator("#keep").click();
  const [, all] = await saved(page);
  is("unless somebody says so", [owls(all), all.includes(`${changed},Cat,given\n`), await fields.nth(0).inputValue(), await page.locator("#earlier").isVisible(), await text(page, "marks")], [["gone.png,owl,given"], true, "Cat", false, "8"]);
  await fields.nth(0).fill("fox");
  await page.reload();
  is("a label that is written again is of the picture that is there", [await fields.nth(0).inputValue(), await text(page, "marks")], ["fox", "7"]);
  await context.close();
}

/** A browser that keeps nothing, and one that is full until another tab has taken something away. */
async function full() {
  const context = await browser.newContext({ viewport: { width: 700, height: 500 } });
  await context.addInitScript(() => {
    const kept = Storage.prototype.setItem;
    Storage.prototype.setItem = function (key, value) {
      if (value.length > Number(sessionStorage.room ?? 0)) throw new DOMException("full", "QuotaExceededError");
      kept.call(this, key, value);
    };
  });
  const lost = "This browser keeps no labels: save before you close the page.";
  const page = await open(context, "pick.html");
  const fields = page.locator(".item input");
  await fields.nth(0).fill("Cat");
  await page.keyboard.press("Enter");
  await fields.nth(1).fill("Dog");
  await page.keyboard.press("Enter");
  is("that nothing is kept stays in sight", await text(page, "warning"), lost);
  await saved(page);
  const asked = () => page.evaluate(() => !dispatchEvent(new Event("beforeunload", { cancelable: true })));
  is("closing asks, as the file may not have been written", await asked(), true);
  const store = await page.evaluate(() => `ssgan-pick-${document.body.dataset.sheet}`);
  await page.evaluate((key) => {
    const { path, hash } = items[3].dataset;
    const newValue = JSON.stringify([[path, [hash, "Cow"]]]);
    localStorage[key] = newValue;
    dispatchEvent(new StorageEvent("storage", { key, newValue }));
  }, store);
  is("what another tab keeps takes nothing away", [await text(page, "marks"), await fields.nth(1).inputValue(), await fields.nth(3).inputValue()], ["3", "Dog", "Cow"]);
  await page.evaluate(() => (sessionStorage.room = 1000));
  await fields.nth(4).fill("Cat");
  await page.keyboard.press("Enter");
  is("with room again all is kept", [await text(page, "warning"), JSON.parse(await page.evaluate((key) => localStorage[key], store)).length], ["", 4]);
  await saved(page);
  is("and closing asks no more", await asked(), false);
  const marks = await open(context, "review.html");
  await marks.keyboard.press("y");
  await marks.keyboard.press("y");
  is("marks likewise", await text(marks, "warning"), "This browser keeps no marks: save before you close the page.");
  await context.close();
}

try {
  await review();
  await pick();
  await full();
} finally {
  await browser.close();
}
console.log(`${checked} checks of the pages, ${failed} failed`);
process.exit(failed === 0 && checked > 20 ? 0 : 1);
