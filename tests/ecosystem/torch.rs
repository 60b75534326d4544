//! `ssgan trace-step`: PyTorch makes of what the step read what the program made of it (docs/trace.md).

use super::{bench, python, ssgan};
use ssgan::checks::steps::models::{CNN_JOINED, CNN_SEPARATE, DNN};
use std::fs;

/// Weights that have risen to three tenths, label smoothing, three updates of D, both places of epsilon, two losses of G,
/// learning rates that have fallen, steps without G.
#[test]
#[ignore = "needs Python with torch: make test-torch"]
fn a_step_is_done_again() {
    let dir = bench();
    let folder = dir.path();
    for (name, model, settings) in [
        ("dnn", DNN, "--consistency-weight 2 --entropy-weight 0.3 --ramp-epochs 1 --label-smoothing 0.1"),
        (
            "separate",
            CNN_SEPARATE,
            "--discriminator-updates separate --consistency-weight 2 --ramp-epochs 1 --label-smoothing 0.1 \
             --epsilon-inside-root",
        ),
        ("joined", CNN_JOINED, "--generator-loss moment-matching --lr-decay 1"),
        (
            "alone",
            CNN_SEPARATE,
            "--generator-loss none --consistency-weight 2 --entropy-weight 0.3 --balance-weight 1.5 --ramp-epochs 1",
        ),
        ("supervised", DNN, "--method supervised --validation-split 0"),
    ] {
        fs::write(folder.join("model.toml"), model).unwrap();
        let data = "--dataset mnist --data-dir d --model model.toml --batch-size 20 --labels 20";
        ssgan(folder, &format!("trace-step --quiet {data} --step 4 {settings} --out {name}.safetensors"));
        let said = python("../fixtures/replay.py", &folder.join(format!("{name}.safetensors")));
        let last = said.lines().last().unwrap_or_default();
        println!("{name}: {last}");
        assert!(last.ends_with("tensors compared, 0 failed") && !last.starts_with("0 "), "{said}");
    }
}
