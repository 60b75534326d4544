use super::*;

#[test]
fn no_time_left_before_one_is_known() {
    let mut p = Progress::new(Style::Quiet);
    p.begin("timing", 3);
    let left = |p: &Progress| p.task.as_ref().map(|t| t.left().is_some());
    assert_eq!(left(&p), Some(false));
    p.piece();
    assert_eq!(left(&p), Some(false), "the first piece has the compilation in it");
    p.piece();
    assert_eq!(left(&p), Some(true));
    p.piece();
    assert_eq!(left(&p), None, "it is over");
    assert_eq!(p.during("working", || 3), 3);
}

#[test]
fn only_losses_that_exist_are_shown() {
    let nan = f32::NAN;
    let m = StepMetrics {
        step: 1,
        loss_supervised: 0.5,
        accuracy_labelled: 0.75,
        loss_discriminator: 0.5,
        loss_unlabelled: nan,
        loss_generated: nan,
        loss_generator: 0.1,
        d_unlabelled: nan,
        d_generated: nan,
        entropy_unlabelled: nan,
        loss_consistency: nan,
        loss_balance: nan,
    };
    assert_eq!(losses(&m), "loss 0.500 G 0.100 acc 0.750");
    let alone = StepMetrics { loss_generator: nan, entropy_unlabelled: 0.25, ..m };
    assert_eq!(losses(&alone), "loss 0.500 ent 0.250 acc 0.750");
    let gan = StepMetrics { loss_unlabelled: 0.125, loss_balance: 0.0625, ..alone };
    assert_eq!(losses(&gan), "loss 0.500 unl 0.125 bal 0.062 acc 0.750");
}
