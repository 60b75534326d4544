// Adam (Kingma & Ba 2015) over all parameters of a network at once; with EMA, their moving average too.
//   m = b1 m + (1 - b1) g     v = b2 v + (1 - b2) g^2
//   outside: w -= lr m^ / (sqrt(v^) + eps)     INSIDE: w -= lr m^ / sqrt(v^ + eps)
//   ema = (1 - rate) ema + rate w, from zero; corrected by 1 / (1 - (1 - rate)^t) where it is used
// All arrays [n]. ROLE: 0 to 2 the discriminator's first to third update of the step, 3 the generator's: whose
// learning rate and bias corrections. A parameter that is no longer finite makes the network's loss in the step's row of
// the metrics ring a NaN: relu and max pooling can hide it from every loss to come. It is looked for in what the update
// reads, so that a weight that only this one made infinite is seen by the next. (Of several updates the last counts:
// the losses are written before it, and what is not finite stays so.)

struct Params { n4: u32, beta1: f32, beta2: f32, epsilon: f32, ema_rate: f32, slots: u32 }

#include "common/state.wgsl"
#include "common/metrics.wgsl"

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<uniform> state: State;
@group(0) @binding(2) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> moment2: array<vec4<f32>>;
// Floats; as integers they are written by many at once.
@group(0) @binding(6) var<storage, read_write> metrics: array<atomic<u32>>;
#if EMA
@group(0) @binding(7) var<storage, read_write> average: array<vec4<f32>>;
#endif

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.n4) {
        return;
    }
    let g = grads[i];
    let before = weights[i];
    let m = p.beta1 * moment1[i] + (1.0 - p.beta1) * g;
    let v = p.beta2 * moment2[i] + (1.0 - p.beta2) * g * g;
    moment1[i] = m;
    moment2[i] = v;
#if ROLE == 3
    let rate = state.learning_rate_g * state.correction1[${ROLE}];
#else
    let rate = state.learning_rate_d * state.correction1[${ROLE}];
#endif
    let correction2 = state.correction2[${ROLE}];
#if INSIDE
    let w = before - rate * m / sqrt(v * correction2 + p.epsilon);
#else
    let w = before - rate * m / (sqrt(v * correction2) + p.epsilon);
#endif
    weights[i] = w;
    // By the bits of what comes from memory: compilers may take it that no float which they computed is a NaN.
    let exponents = vec4(0x7f800000u);
    let broken = ((bitcast<vec4<u32>>(before) & exponents) == exponents)
        | ((bitcast<vec4<u32>>(g) & exponents) == exponents);
    if (any(broken)) {
#if ROLE == 3
        atomicStore(&metrics[metrics_row() + LOSS_GENERATOR], 0x7fc00000u);
#else
        atomicStore(&metrics[metrics_row() + LOSS_DISCRIMINATOR], 0x7fc00000u);
#endif
    }
#if EMA
    average[i] = (1.0 - p.ema_rate) * average[i] + p.ema_rate * w;
#endif
}
