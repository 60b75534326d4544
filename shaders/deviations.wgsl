// Deviations of features from the means of their rows, the generated ones first, and the same weighted, so that their product
// is a difference of covariance matrices:
//   y [rows, F] = f - mean of the row's kind     weighted [rows, F] = scale * y for generated rows, scale_real * y for real ones
//   y^T weighted [F, F] = C_generated - C_real   with scale = 1 / generated, scale_real = -1 / real
// Read as T; n counts those.

struct Params { rows: u32, generated: u32, n: u32, scale: f32, scale_real: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> f: array<${T}>;
@group(0) @binding(2) var<storage, read> generated: array<${T}>;
@group(0) @binding(3) var<storage, read> real: array<${T}>;
@group(0) @binding(4) var<storage, read_write> y: array<${T}>;
@group(0) @binding(5) var<storage, read_write> weighted: array<${T}>;

@compute @workgroup_size(${WG})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col = group.x * ${WG}u + local;
    // Rows beyond the portable limit of an axis go on in z.
    let row = group.z * groups.y + group.y;
    if (col >= p.n || row >= p.rows) {
        return;
    }
    let made = row < p.generated;
    let at = row * p.n + col;
    let d = f[at] - select(real[col], generated[col], made);
    y[at] = d;
    weighted[at] = select(p.scale_real, p.scale, made) * d;
}
