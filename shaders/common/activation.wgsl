// Activations by number (ACT): 0 none, 1 relu, 2 leaky relu, 3 softplus, 4 sigmoid, 5 tanh; 6 relu and then dropout, of
// which this has the backward pass (`slope`: the share that is kept) and `activate` the relu.
// Derivatives are written in terms of the output y, so that the input need not be kept:
// softplus' = 1 - e^-y, sigmoid' = y (1 - y), tanh' = 1 - y^2.

#if ACT == 3
// 1 - e^-y for y >= 0. Where y is small the difference cancels; the series keeps its digits.
fn one_minus_exp_neg(y: vec4<f32>) -> vec4<f32> {
    let series = y * (1.0 - y * (0.5 - y * (1.0 / 6.0 - y * (1.0 / 24.0))));
    return select(1.0 - exp(-y), series, y < vec4(0.05));
}

// log(1 + u) for 0 <= u <= 1 as 2 atanh(u / (2 + u)), to 1.5e-8 of it and rounding: WGSL allows log(1 + u) an error of 2^-21,
// which near 1 is most of it.
fn log_one_plus(u: vec4<f32>) -> vec4<f32> {
    let s = u / (2.0 + u);
    let t = s * s;
    return 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0
        + t * (1.0 / 11.0 + t * (1.0 / 13.0)))))));
}
#endif

fn activate(x: vec4<f32>, slope: f32) -> vec4<f32> {
#if ACT == 1 || ACT == 6
    return max(x, vec4(0.0));
#endif
#if ACT == 2
    return select(slope * x, x, x > vec4(0.0));
#endif
#if ACT == 3
    return max(x, vec4(0.0)) + log_one_plus(exp(-abs(x)));
#endif
#if ACT == 4
    let e = exp(-abs(x));
    return select(e, vec4(1.0), x >= vec4(0.0)) / (1.0 + e);
#endif
#if ACT == 5
    // tanh x = sign x (1 - e^-2|x|) / (1 + e^-2|x|); odd series near 0, where the difference cancels.
    let e = exp(-2.0 * abs(x));
    let x2 = x * x;
    let series = x * (1.0 - x2 * (1.0 / 3.0 - x2 * (2.0 / 15.0 - x2 * (17.0 / 315.0))));
    return select(sign(x) * (1.0 - e) / (1.0 + e), series, abs(x) < vec4(0.2));
#endif
#if ACT == 0
    return x;
#endif
}

// dy act'(y).
fn activate_backward(dy: vec4<f32>, y: vec4<f32>, slope: f32) -> vec4<f32> {
#if ACT == 0
    return dy;
#endif
#if ACT == 1
    return select(vec4(0.0), dy, y > vec4(0.0));
#endif
#if ACT == 2
    return select(slope * dy, dy, y > vec4(0.0));
#endif
#if ACT == 3
    return dy * one_minus_exp_neg(y);
#endif
#if ACT == 4
    return dy * (y * (1.0 - y));
#endif
#if ACT == 5
    return dy * (1.0 - y * y);
#endif
#if ACT == 6
    // What was dropped is 0, as what relu made 0: neither has a gradient, and no number needs to be drawn again.
    return select(vec4(0.0), dy / slope, y > vec4(0.0));
#endif
}
