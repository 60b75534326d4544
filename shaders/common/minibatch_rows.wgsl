// What minibatch discrimination and its gradient share. An invocation has R rows of the input, LANES apart, and one
// kernel b; every row of the input passes by, in order.
//
// Variant: SG > 0: a workgroup is a subgroup of SG lanes, each of which reads another of the next SG rows and hands it to
// all by subgroupBroadcast (on llvmpipe a load is a loop over the lanes, a broadcast two instructions). SG = 0: all
// read the same row. DIMS: values of M that a distance runs over.

struct Params { start: u32, count: u32, features: u32, kernels: u32 }

#if SG
#define LANES SG
#define STEP SG
#define PASSING "lane"
#else
#define LANES WG
#define STEP 1
#define PASSING "0u"
#endif

// Of a row beyond the last: so far from all that exp(-distance) is 0.
const FAR = 1e30;

// Row `row` of the input; the last one in place of those beyond it.
fn row_at(row: u32) -> u32 {
    return p.start + min(row, p.count - 1u);
}

// Where the values of M begin that row `row` of the input has for a kernel.
fn values_at(row: u32, kernel: u32) -> u32 {
    return (row_at(row) * p.kernels + kernel) * ${DIMS}u;
}
