//! What other programs make of the files that are written for them: ONNX Runtime of an exported classifier, TensorBoard of
//! a run's event files, PyTorch of a traced step. They are Python packages: `make test-python` has the first two installed and
//! runs their tests, which are ignored here, `make test-torch` does the same with the last.

mod models;
mod onnx;
#[path = "../common/small_data.rs"]
mod small_data;
mod tensorboard;
mod torch;

use std::fs;
use std::path::Path;
use std::process::Command;

const MODEL: &str = r#"name = "m"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "dense", units = 8, weight_norm = "fixed" },
    { op = "relu", feature = true },
    { op = "dense", units = "classes" },
]
[generator]
latent = 4
layers = [{ op = "dense", units = "pixels" }, { op = "sigmoid" }]
"#;

/// Trains that model in a folder that [`bench`] made.
const TRAIN: &str = "train --dataset mnist --data-dir d --model m.toml --quiet";

/// A folder with the model and a small data set in it.
fn bench() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("m.toml"), MODEL).unwrap();
    let data = dir.path().join("d");
    small_data::set(&data, 200, 20);
    dir
}

/// Runs a script of this folder with the Python that `SSGAN_PYTHON` names; it says what it has seen, or fails.
#[track_caller]
fn python(script: &str, argument: &Path) -> String {
    let python = std::env::var_os("SSGAN_PYTHON").expect("SSGAN_PYTHON names a Python with the packages");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ecosystem").join(script);
    let out = Command::new(python).arg(script).arg(argument).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    said
}

/// Runs the program in a folder; what it printed.
#[track_caller]
fn ssgan(folder: &Path, line: &str) -> String {
    let out = run(folder, line);
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn run(folder: &Path, line: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ssgan"));
    command.current_dir(folder).env("SSGAN_CACHE_DIR", folder.join("cache"));
    command.args(line.split_whitespace()).output().unwrap()
}
