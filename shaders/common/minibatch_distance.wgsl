// What minibatch discrimination and its gradient share: their sizes, and the distance of two rows of M for a kernel.

struct Params { start: u32, count: u32, features: u32, kernels: u32 }

// ||M[i, b] - M[j, b]||_1 of the values that begin at `own` and at `other` in m.
fn distance_of(own: u32, other: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < ${DIMS}u; c++) {
        sum += abs(m[own + c] - m[other + c]);
    }
    return sum;
}
