//! Timed steps as a trace for Perfetto and chrome://tracing: a track for the host, one for the GPU.

use super::Samples;
use crate::gpu::Dispatch;
use serde_json::{Value, json};

const HOST: u32 = 1;
const GPU: u32 = 2;

/// One slice of a track, in whole nanoseconds from the origin.
#[derive(Debug, Clone, PartialEq)]
struct Slice {
    track: u32,
    name: String,
    begin: u64,
    end: u64,
    args: Value,
}

/// The trace as one JSON document (Trace Event Format). On every track slices nest strictly: a slice lies in the
/// one around it and no two beside each other overlap. The GPU's clock is another than the host's: a step's
/// dispatches are placed so that the first begins as soon as the commands were handed over.
pub fn trace(samples: &Samples, dispatches: &[Dispatch], adapter: &str) -> Value {
    let names = [(HOST, "host".to_string()), (GPU, adapter.to_string())];
    let mut events =
        vec![json!({ "ph": "M", "pid": 1, "name": "process_name", "args": { "name": "ssgan" } })];
    for (track, name) in names {
        let args = json!({ "name": name });
        events.push(json!({ "ph": "M", "pid": 1, "tid": track, "name": "thread_name", "args": args }));
    }
    events.extend(slices(samples, dispatches).into_iter().map(|s| {
        json!({
            "ph": "X",
            "pid": 1,
            "tid": s.track,
            "name": s.name,
            "cat": if s.track == GPU { "gpu" } else { "host" },
            "ts": s.begin as f64 / 1e3,
            "dur": (s.end - s.begin) as f64 / 1e3,
            "args": s.args,
        })
    }));
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

fn slices(samples: &Samples, dispatches: &[Dispatch]) -> Vec<Slice> {
    let ns = |seconds: f64| (seconds.max(0.0) * 1e9).round() as u64;
    let mut out = vec![];
    for (step, begun, timing) in &samples.steps {
        let (begin, end) = (ns(*begun), ns(begun + timing.wall));
        let name = format!("step {}", step + 1);
        let slice =
            |track, name: &str, begin, end, args| Slice { track, name: name.into(), begin, end, args };
        let submits = json!({ "submits": timing.submits, "dispatches": dispatches.len() });
        out.push(slice(HOST, &name, begin, end, submits));
        // Several submits are recorded in turns: only their sums are known.
        let mut given = begin;
        if timing.submits == 1 {
            let recorded = (begin + ns(timing.record)).min(end);
            given = (recorded + ns(timing.submit)).min(end);
            for (what, from, to) in
                [("record", begin, recorded), ("submit", recorded, given), ("wait", given, end)]
            {
                out.push(slice(HOST, what, from, to, json!({})));
            }
        }
        let total = timing.spans.iter().flatten().map(|s| s.1).fold(0.0, f64::max);
        let origin = given.min(end.saturating_sub(ns(total))).max(begin);
        let last = (origin + ns(total)).min(end);
        out.push(slice(
            GPU,
            &name,
            origin,
            last,
            json!({ "flop": dispatches.iter().map(|d| d.flops).sum::<u64>() }),
        ));
        let mut free = origin;
        for (d, span) in dispatches.iter().zip(&timing.spans) {
            let Some((b, e)) = span else { continue };
            let from = (origin + ns(*b)).max(free).min(last);
            let to = (origin + ns(*e)).max(from).min(last);
            free = to;
            let args = json!({
                "layer": d.layer,
                "variant": d.kernel.variant(),
                "workgroups": d.grid,
                "flop": d.flops,
                "bytes": d.bytes,
            });
            out.push(slice(GPU, d.kernel.name, from, to, args));
        }
    }
    out
}
