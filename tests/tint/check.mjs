// Has Tint, the WGSL compiler of Chromium, read the shaders' texts that it is given, and fails for each error and each warning. naga,
// which the program uses, takes some texts that are not valid WGSL, and does not check that barriers and subgroup operations
// are met uniformly.
//
//   node tests/tint/check.mjs CHROMIUM PLAYWRIGHT_CORE shaders.json
//
// PLAYWRIGHT_CORE is the folder of that npm package; shaders.json is a list of objects with `name` and `text`, which the ignored
// test `texts_for_tint` of tests/shaders.rs writes. `make check-tint` calls all of it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [executablePath, playwright, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node check.mjs CHROMIUM PLAYWRIGHT_CORE shaders.json");
  process.exit(2);
}
const { chromium } = createRequire(import.meta.url)(resolve(playwright));

/** What naga 30 takes and Tint must refuse. Were one of them accepted, the others' acceptance would mean nothing. */
const REFUSED = {
  "operators that need parentheses": "@compute @workgroup_size(1) fn main() { let x = vec2(1u) == vec2(2u) | vec2(true); }",
  "a barrier that not all invocations meet": `@compute @workgroup_size(64)
    fn main(@builtin(local_invocation_index) i: u32) { if (i < 7u) { workgroupBarrier(); } }`,
  "a subgroup operation that not all invocations meet": `enable subgroups;
    @group(0) @binding(0) var<storage, read_write> out: array<u32>;
    @compute @workgroup_size(64)
    fn main(@builtin(local_invocation_index) i: u32) { if (out[i] < 7u) { out[i] = subgroupAdd(i); } }`,
};

/** In the page: the messages of each text, as text. */
async function compile(texts) {
  if (!globalThis.device) {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter?.features.has("subgroups")) throw new Error("no WebGPU adapter with subgroups");
    globalThis.device = await adapter.requestDevice({ requiredFeatures: ["subgroups"] });
  }
  const infos = texts.map((code) => {
    device.pushErrorScope("validation");
    const info = device.createShaderModule({ code }).getCompilationInfo();
    return Promise.all([info, device.popErrorScope()]);
  });
  return (await Promise.all(infos)).map(([info, error]) => {
    const listed = info.messages.map((m) => `${m.type} in line ${m.lineNum}: ${m.message}`);
    // What is information alone belongs to no finding.
    if (info.messages.some((m) => m.type !== "info")) return listed;
    return error ? [error.message] : [];
  });
}

const shaders = JSON.parse(readFileSync(file, "utf8"));
const flags = ["--no-sandbox", "--enable-unsafe-webgpu"];
const browser = await chromium.launch({ executablePath, headless: true, args: flags });
let failed = 0;
try {
  const page = await browser.newPage();
  // WebGPU is there on secure origins alone, of which localhost is one.
  await page.route("**", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await page.goto("http://localhost/");
  const refused = await page.evaluate(compile, Object.values(REFUSED));
  Object.keys(REFUSED).forEach((name, i) => {
    if (refused[i].length) return;
    console.log(`this check does not notice ${name}`);
    failed++;
  });
  const AT_ONCE = 100;
  for (let start = 0; start < shaders.length; start += AT_ONCE) {
    const some = shaders.slice(start, start + AT_ONCE);
    const messages = await page.evaluate(compile, some.map((s) => s.text));
    some.forEach(({ name }, i) => {
      if (!messages[i].length) return;
      console.log([name, ...messages[i]].join("\n  "));
      failed++;
    });
  }
  console.log(`Chromium ${browser.version()}: ${shaders.length} shaders, ${failed} refused or warned of`);
} finally {
  await browser.close();
}
process.exit(failed || !shaders.length ? 1 : 0);
