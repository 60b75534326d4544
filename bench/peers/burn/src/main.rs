//! `ssgan`'s training step in the burn framework, for comparison: see README.md.

mod net;
mod step;
mod trace;

use std::{
    io::{BufRead, Write},
    path::Path,
    time::Instant,
};

use burn::tensor::{Device, DeviceKind};
use serde_json::{Map, Value, json};
use step::{Gan, LOSSES};
use trace::{Result, Trace};

const USAGE: &str = "usage: burn-peer --trace FILE --backend wgpu|cpu";

/// burn's version, from the lock file.
fn version() -> &'static str {
    let entry = include_str!("../Cargo.lock").split("name = \"burn\"\nversion = \"").nth(1);
    entry.and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

fn say(line: Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn named(losses: &[f32]) -> Map<String, Value> {
    LOSSES.iter().zip(losses).map(|(name, &loss)| (name.to_string(), json!(loss))).collect()
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let value = args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
        value.map(String::as_str).ok_or(USAGE)
    };
    let backend = option("--backend")?;
    let device = match backend {
        "wgpu" => Device::wgpu(DeviceKind::DefaultDevice),
        "cpu" => Device::flex(),
        _ => return Err(USAGE.into()),
    };
    let trace = Trace::read(Path::new(option("--trace")?))?;
    let mut gan = Gan::load(&trace, &device)?;
    let adapter = device.identity().map_or("CPU (burn-flex)".into(), |identity| identity.name);
    let features = [
        ("autotune", cfg!(feature = "autotune")),
        ("fusion", cfg!(feature = "fusion")),
        ("vulkan", cfg!(feature = "vulkan")),
    ];
    let on: Vec<&str> = features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
    say(json!({ "name": format!("burn {} {backend}", version()), "adapter": adapter, "features": on }))?;

    for line in std::io::stdin().lock().lines() {
        match line?.trim() {
            "" => (),
            "check" => {
                let losses = Gan::load(&trace, &device)?.step(Some(&trace))?;
                let mut worst = 0f32;
                for (name, loss) in LOSSES.iter().zip(&losses) {
                    let expected = trace.values(name)?[0];
                    worst = worst.max((loss - expected).abs() / expected.abs());
                }
                say(json!({ "losses": named(&losses), "largest_deviation": worst }))?;
            }
            "step" => {
                let start = Instant::now();
                let losses = gan.step(None)?;
                let ms = start.elapsed().as_secs_f64() * 1e3;
                say(json!({ "ms": ms, "losses": named(&losses) }))?;
            }
            "quit" => break,
            other => say(json!({ "error": format!("`{other}` is no command: check, step, quit") }))?,
        }
    }
    Ok(())
}
