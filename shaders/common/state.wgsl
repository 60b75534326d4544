// What changes from step to step: all that the host uploads, but for images that the adapter has no room
// for. Mirrored by `State` in src/ops/state.rs; a test compares the two member by member.
struct State {
    seed_lo: u32,
    seed_hi: u32,
    step: u32,             // from 0
    slot: u32,             // row of the metrics ring
    epoch: vec4<u32>,      // of each order stream: labelled, unlabelled D, unlabelled G, initialisation
    position: vec4<u32>,   // where its minibatch begins within that epoch; w: first row of an evaluation
    learning_rate_d: f32,
    learning_rate_g: f32,
    ema_scale: f32,        // 1 / (1 - (1 - rate)^t)
    ramp: f32,             // 0 to 1: how much of the entropy, consistency and balance weights holds
    // Of Adam's t-th update: D's first, second and third one of the step, G's.
    correction1: vec4<f32>,   // 1 / (1 - beta1^t)
    correction2: vec4<f32>,   // 1 / (1 - beta2^t)
}

// Places in a row of the metrics ring, and how many there are: `StepMetrics` of src/ops/metrics.rs; a test compares.
const LOSS_SUPERVISED = 0u;
const ACCURACY_LABELLED = 1u;
const LOSS_DISCRIMINATOR = 2u;
const LOSS_UNLABELLED = 3u;
const LOSS_GENERATED = 4u;
const LOSS_GENERATOR = 5u;
const D_UNLABELLED = 6u;
const D_GENERATED = 7u;
const ENTROPY_UNLABELLED = 8u;
const LOSS_CONSISTENCY = 9u;
const LOSS_BALANCE = 10u;
const METRICS = 11u;
