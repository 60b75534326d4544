// First pass over the columns of a matrix [rows, cols]: each workgroup takes `chunk` rows of `count` from
// row `start` and leaves two numbers a column in partial [chunks, cols].
//   MODE 0  (sum x, -)
//   MODE 1  (mean, sum of squared deviations from it) of the chunk: batch statistics
//   MODE 2  (sum dy, sum dy xhat), xhat = (x - mean) / sqrt(var + eps): batch norm's gradient
// V: columns of an invocation, read as T. `cols` counts those.

struct Params { start: u32, count: u32, cols: u32, chunk: u32, eps: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${T}>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec2<f32>>;
#if MODE == 2
@group(0) @binding(3) var<storage, read> dy: array<${T}>;
@group(0) @binding(4) var<storage, read> mean: array<${T}>;
@group(0) @binding(5) var<storage, read> variance: array<${T}>;
#endif

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let col = group.x * ${WG}u + local;
    if (col >= p.cols) {
        return;
    }
    let first = p.start + group.y * p.chunk;
    let rows = min(p.chunk, p.start + p.count - first);
    let at = first * p.cols + col;
    let end = at + rows * p.cols;
    var sum = ${T}(0.0);
    var second = ${T}(0.0);
#if MODE == 2
    let mu = mean[col];
    let inv = 1.0 / sqrt(variance[col] + p.eps);
    for (var i = at; i < end; i += p.cols) {
        sum += dy[i];
        second += dy[i] * ((x[i] - mu) * inv);
    }
#else
    for (var i = at; i < end; i += p.cols) {
        sum += x[i];
    }
#endif
#if MODE == 1
    sum /= f32(rows);
    for (var i = at; i < end; i += p.cols) {
        let d = x[i] - sum;
        second += d * d;
    }
#endif
    let out = (group.y * p.cols + col) * ${V}u;
#if V == 4
#for j in 0..4
    partial[out + ${j}u] = vec2(sum[${j}], second[${j}]);
#endfor
#else
    partial[out] = vec2(sum, second);
#endif
}
