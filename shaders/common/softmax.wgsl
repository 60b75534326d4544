// s = logsumexp of a row of logits, the maximum subtracted; softplus without overflow.

fn softplus(x: f32) -> f32 {
    let u = exp(-abs(x));
    // log(1 + u) loses u where it is small.
    let series = u * (1.0 - u * (0.5 - u * (1.0 / 3.0 - u * 0.25)));
    return max(x, 0.0) + select(log(1.0 + u), series, u < 0.01);
}

fn sigmoid(x: f32) -> f32 {
    let u = exp(-abs(x));
    return select(u, 1.0, x >= 0.0) / (1.0 + u);
}
