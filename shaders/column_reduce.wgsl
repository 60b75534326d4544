// First pass over the columns of a matrix [rows, cols]: `count` rows from row `start` on are taken in chunks of `chunk` rows, and
// each leaves some numbers a column in partial [chunks, cols]. Of a workgroup ACROSS invocations lie side by side, on the columns of
// a chunk, and the next ones take the next chunk: a convolution has 32 channels and 200,000 rows.
//   MODE 0  sum x
//   MODE 1  (mean, sum of squared deviations from it) of the chunk: batch statistics. The mean is rounded; what its
//           deviations then sum up to corrects both (Chan, Golub & LeVeque 1983, equation 1.7)
//   MODE 2  (sum dy, sum dy c, sum c, -), c = x - mean: batch norm's gradient
// V: columns of an invocation, read as T. `cols` counts those. Sums are of blocks of BLOCK rows first: of 16,000 numbers,
// rounding is off by the square root of a few hundred instead of 16,000.

struct Params { start: u32, count: u32, cols: u32, chunk: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<${T}>;
#if MODE == 0
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
#endif
#if MODE == 1
@group(0) @binding(2) var<storage, read_write> partial: array<vec2<f32>>;
#endif
#if MODE == 2
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<${T}>;
@group(0) @binding(4) var<storage, read> mean: array<${T}>;
#endif

const BLOCK = 64u;

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let col = group.x * ${ACROSS}u + local % ${ACROSS}u;
    let chunk = group.y * ${WG / ACROSS}u + local / ${ACROSS}u;
    if (col >= p.cols || chunk * p.chunk >= p.count) {
        return;
    }
    let first = p.start + chunk * p.chunk;
    let rows = min(p.chunk, p.start + p.count - first);
    let at = first * p.cols + col;
#if MODE < 2
    var sum = ${T}(0.0);
    var at_sum = at;
    for (var done = 0u; done < rows; done += BLOCK) {
        var block = ${T}(0.0);
        let end = min(done + BLOCK, rows);
        for (var row = done; row < end; row++) {
            block += x[at_sum];
            at_sum += p.cols;
        }
        sum += block;
    }
#endif
#if MODE > 0
#if MODE == 1
    let middle = sum / f32(rows);
#else
    let middle = mean[col];
    var sum_dy = ${T}(0.0);
#endif
    var sum_c = ${T}(0.0);
    var sum_product = ${T}(0.0);   // of c with itself, or with dy
    var i = at;
    for (var done = 0u; done < rows; done += BLOCK) {
        var block_dy = ${T}(0.0);
        var block_c = ${T}(0.0);
        var block_product = ${T}(0.0);
        let end = min(done + BLOCK, rows);
        for (var row = done; row < end; row++) {
            let c = x[i] - middle;
            block_c += c;
#if MODE == 1
            block_product += c * c;
#else
            block_dy += dy[i];
            block_product += dy[i] * c;
#endif
            i += p.cols;
        }
        sum_c += block_c;
        sum_product += block_product;
#if MODE == 2
        sum_dy += block_dy;
#endif
    }
#endif
    let out = (chunk * p.cols + col) * ${V}u;
#if MODE == 1
    let mean = middle + sum_c / f32(rows);
    let squares = sum_product - sum_c * sum_c / f32(rows);
#endif
#if V == 4
#for j in 0..4
#if MODE == 0
    partial[out + ${j}u] = sum[${j}];
#endif
#if MODE == 1
    partial[out + ${j}u] = vec2(mean[${j}], squares[${j}]);
#endif
#if MODE == 2
    partial[out + ${j}u] = vec4(sum_dy[${j}], sum_product[${j}], sum_c[${j}], 0.0);
#endif
#endfor
#else
#if MODE == 0
    partial[out] = sum;
#endif
#if MODE == 1
    partial[out] = vec2(mean, squares);
#endif
#if MODE == 2
    partial[out] = vec4(sum_dy, sum_product, sum_c, 0.0);
#endif
#endif
}
