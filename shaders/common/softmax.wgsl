// Softmax and logsumexp of a row of `logits` [rows, p.k], the maximum subtracted; softplus without overflow.

struct Softmax {
    top: f32,    // largest logit
    best: u32,   // the first class that has it
    z: f32,      // sum of exp(l - top)
    s: f32,      // logsumexp
}

// Of the row that starts at `first`.
fn softmax(first: u32) -> Softmax {
    var top = logits[first];
    var best = 0u;
    for (var j = 1u; j < p.k; j++) {
        let l = logits[first + j];
        if (l > top) {
            top = l;
            best = j;
        }
    }
    var z = 0.0;
    for (var j = 0u; j < p.k; j++) {
        z += exp(logits[first + j] - top);
    }
    return Softmax(top, best, z, top + log(z));
}

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
