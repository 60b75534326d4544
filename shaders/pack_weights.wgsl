// Weights as the GEMMs read them, from the stored v [out, taps, c] (times scale [out] with weight norm):
//   forward, K x N = [taps * c, out], and with BACKWARD backward, [taps * out, c], for the data gradient.
// Variant: FP, BP: in panels, else row by row. A panel is fw (bw) columns wide and fk (bk) rows high; the rows and
// columns that pad it stay 0. An invocation carries 4 x 4 values, so that a panel takes them four at a time.

struct Params {
    n: u32,                  // blocks of 4 x 4
    out: u32, taps: u32, c: u32,
    fw: u32, fk: u32,
    bw: u32, bk: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> v: array<f32>;
#if FP
@group(0) @binding(2) var<storage, read_write> forward: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read_write> forward: array<f32>;
#endif
#if BACKWARD
#if BP
@group(0) @binding(3) var<storage, read_write> backward: array<vec4<f32>>;
#else
@group(0) @binding(3) var<storage, read_write> backward: array<f32>;
#endif
#endif
#if SCALE
@group(0) @binding(4) var<storage, read> scale: array<f32>;
#endif

#include "common/grid.wgsl"

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_group(group, groups) * ${WG}u + local;
    if (i >= p.n) {
        return;
    }
    let across = (p.c + 3u) / 4u;
    let c = i % across * 4u;
    let tap = i / across % p.taps;
    let o = i / across / p.taps * 4u;

    // Values beyond the edges are 0.
#for j in 0..4
    var w${j} = vec4<f32>();
    if (o + ${j}u < p.out) {
        let at = ((o + ${j}u) * p.taps + tap) * p.c + c;
        let last = min(p.c - c, 4u) - 1u;
        w${j} = vec4(v[at], v[at + min(1u, last)], v[at + min(2u, last)], v[at + min(3u, last)]);
        w${j} = select(vec4<f32>(), w${j}, vec4(0u, 1u, 2u, 3u) <= vec4(last));
#if SCALE
        w${j} *= scale[o + ${j}u];
#endif
    }
#endfor

#for j in 0..4
    if (c + ${j}u < p.c) {
        let row = tap * p.c + c + ${j}u;
        let column = vec4(w0[${j}], w1[${j}], w2[${j}], w3[${j}]);
#if FP
        forward[((o / p.fw * p.fk + row) * p.fw + o % p.fw) / 4u] = column;
#else
#for i in 0..4
        if (o + ${i}u < p.out) {
            forward[row * p.out + o + ${i}u] = column[${i}];
        }
#endfor
#endif
    }
#endfor
#if BACKWARD
#for j in 0..4
    if (o + ${j}u < p.out) {
        let row = tap * p.out + o + ${j}u;
#if BP
        backward[((c / p.bw * p.bk + row) * p.bw + c % p.bw) / 4u] = w${j};
#else
#for i in 0..4
        if (c + ${i}u < p.c) {
            backward[row * p.c + c + ${i}u] = w${j}[${i}];
        }
#endfor
#endif
    }
#endfor
#endif
}
