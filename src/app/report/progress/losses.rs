//! The numbers of a step in a line.

use crate::train::event::StepMetrics;

/// The losses that there are.
pub(super) fn losses(m: &StepMetrics) -> String {
    let mut text = format!("loss {:.3}", m.loss_supervised);
    // Without the GAN's losses the entropy may be all that there is of unlabelled images.
    let entropy = if m.loss_unlabelled.is_nan() { m.entropy_unlabelled } else { f32::NAN };
    for (name, v) in [
        ("unl", m.loss_unlabelled),
        ("gen", m.loss_generated),
        ("G", m.loss_generator),
        ("ent", entropy),
        ("con", m.loss_consistency),
        ("bal", m.loss_balance),
    ] {
        if v.is_finite() {
            text += &format!(" {name} {v:.3}");
        }
    }
    text + &format!(" acc {:.3}", m.accuracy_labelled)
}
