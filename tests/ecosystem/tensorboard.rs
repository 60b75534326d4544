//! `ssgan train --tensorboard`: TensorBoard reads what `metrics.csv` and `samples/` have.

use super::{TRAIN, bench, python, ssgan};
use std::fs;

/// An epoch is done twice, as after a kill before its checkpoint was there: each step is shown once.
#[test]
#[ignore = "needs Python with tensorboard: make test-python"]
fn tensorboard_reads_every_step_once() {
    let dir = bench();
    let ssl = "--batch-size 50 --epochs 3 --labels 20 --tensorboard --out run";
    ssgan(dir.path(), &format!("{TRAIN} {ssl}"));
    fs::remove_file(dir.path().join("run/checkpoints/epoch-03.safetensors")).unwrap();
    ssgan(dir.path(), "train --resume run --quiet");
    let files = fs::read_dir(dir.path().join("run/tensorboard")).unwrap().count();
    assert_eq!(files, 2, "the run that went on has a file of its own");
    let said = python("check_tensorboard.py", &dir.path().join("run"));
    println!("{said}");
    assert!(said.contains("12 steps, 3 pictures"), "{said}");
}
