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
    // log(1 + u) as 2 atanh(u / (2 + u)): see log_one_plus of activation.wgsl.
    let u = exp(-abs(x));
    let s = u / (2.0 + u);
    let t = s * s;
    return max(x, 0.0) + 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (0.2 + t * (1.0 / 7.0 + t * (1.0 / 9.0
        + t * (1.0 / 11.0 + t * (1.0 / 13.0)))))));
}

fn sigmoid(x: f32) -> f32 {
    let u = exp(-abs(x));
    return select(u, 1.0, x >= 0.0) / (1.0 + u);
}
