//! What the tests of the shaders and of whole steps share: the table of kernels and their variants, and devices with what
//! not every adapter has.
#![expect(dead_code, reason = "each of the test programs uses a part")]

use ssgan::gpu::wgsl::Defines;
use ssgan::gpu::{AdapterChoice, Gpu, Precision};
use ssgan::native;

/// The default adapter with cooperative matrices, for tests that are ignored where there may be none.
pub fn open_mixed(checked: bool) -> Gpu {
    let choice = AdapterChoice { precision: Precision::Mixed, ..AdapterChoice::default() };
    native::open_with(&choice, checked).unwrap_or_else(|e| panic!("{e}"))
}

/// One shader file with the definitions that select its variants.
pub struct Entry {
    /// Stem of the file under `shaders/`.
    pub kernel: &'static str,
    /// Names and the values they may take. A name of two words takes values of two words: definitions that
    /// go together.
    pub axes: &'static [Axis],
    /// Combinations that the host may ask for.
    pub legal: fn(&Variant<'_>) -> bool,
}

/// The definitions of one variant, by name.
pub struct Variant<'a>(pub &'a Defines);

impl Variant<'_> {
    /// A definition; 0 where it is absent or a word.
    pub fn get(&self, name: &str) -> u32 {
        self.0.get(name).and_then(|v| v.parse().ok()).unwrap_or(0)
    }
    fn plain(&self) -> bool {
        self.get("BIAS") == 0 && self.get("ACT") == 0 && self.get("GRAD") == 0
    }
}

const OFF_ON: &[&str] = &["0", "1"];
const ACT: (&str, &[&str]) = ("ACT", &["0", "1", "2", "3", "4", "5", "6"]);
const LANES: (&str, &[&str]) = ("V T", &["1 f32", "4 vec4<f32>"]);
/// Geometries of pooling: these are validated, every other is allowed.
const POOL: Axis = (
    "V T H W C OH OW KERNEL STRIDE TOP LEFT",
    &[
        "4 vec4<f32> 14 14 48 4 4 4 3 0 0",
        "1 f32 7 5 3 4 3 3 2 1 1",
        "4 vec4<f32> 6 8 4 3 4 2 2 0 0",
        "4 vec4<f32> 13 11 4 2 2 6 5 1 1",
    ],
);
/// Geometries of convolutions, and none of products of rows, likewise.
const CONV: Axis = (
    "H W C OH OW OC KERNEL STRIDE TOP LEFT",
    &["0 0 0 0 0 0 0 0 0 0", "14 14 48 12 12 64 3 1 0 0", "7 5 3 3 2 5 3 2 1 0"],
);
/// Values that a distance of minibatch discrimination runs over.
const COMPARED: [Axis; 4] = [
    WG,
    ("DIMS", &["1", "2", "3", "5", "16"]),
    ("SG", &["0", "4", "8", "16", "32", "64"]),
    ("R", &["1", "4"]),
];
/// Invocations of a workgroup: software adapters, GPUs.
const WG: (&str, &[&str]) = ("WG", &["64", "256"]);
/// Of kernels that sum over a workgroup.
const SUMMING: (&str, &[&str]) = ("WG", &["4", "8", "16", "64", "256"]);

/// A name and its values, as in [`Entry::axes`].
type Axis = (&'static str, &'static [&'static str]);

/// The axes of a kernel of blocks in workgroup memory: its tiles, and what `Ops::gemm` asks of each.
const fn blocks(tiles: Axis) -> [Axis; 12] {
    [
        WG,
        tiles,
        CONV,
        ("A", &["0", "1", "2", "3"]),
        ("B", OFF_ON),
        ("VA", OFF_ON),
        ("VB", OFF_ON),
        ("VC", OFF_ON),
        ("BIAS", OFF_ON),
        ACT,
        ("GRAD", OFF_ON),
        ("SPLIT", OFF_ON),
    ]
}

/// Every tile for every size of subgroup that tests ask for.
const COOPERATIVE: [Axis; 12] = blocks((
    "SIDE TM TN TALL WIDE KS LANES",
    &[
        "8 32 32 2 2 32 4",
        "8 64 32 2 2 32 4",
        "8 32 16 2 1 32 4",
        "8 32 8 1 1 32 4",
        "8 32 32 2 2 32 8",
        "8 64 32 2 2 32 8",
        "8 32 16 2 1 32 8",
        "8 32 8 1 1 32 8",
        "8 32 32 2 2 32 16",
        "8 64 32 2 2 32 16",
        "8 32 16 2 1 32 16",
        "8 32 8 1 1 32 16",
        "8 32 32 2 2 32 32",
        "8 64 32 2 2 32 32",
        "8 32 16 2 1 32 32",
        "8 32 8 1 1 32 32",
        "8 32 32 2 2 32 64",
        "8 32 16 2 1 32 64",
        "8 32 8 1 1 32 64",
        "16 64 64 2 2 32 16",
        "16 128 64 2 2 16 16",
        "16 64 32 2 1 32 16",
        "16 64 16 1 1 32 16",
        "16 64 64 2 2 32 32",
        "16 128 64 2 2 16 32",
        "16 64 32 2 1 32 32",
        "16 64 16 1 1 32 32",
        "16 64 64 2 2 32 64",
        "16 64 32 2 1 32 64",
        "16 64 16 1 1 32 64",
    ],
));

const WORKGROUP: [Axis; 12] = blocks((
    "TM TN TALL WIDE KS",
    &["64 64 4 4 16", "128 128 8 8 8", "128 64 8 4 16", "64 32 4 4 16", "32 32 4 4 16", "64 16 4 4 16"],
));

const fn entry(kernel: &'static str, axes: &'static [Axis]) -> Entry {
    Entry { kernel, axes, legal: |_| true }
}

/// Every kernel.
pub const TABLE: &[Entry] = &[
    entry("activation", &[WG, ACT]),
    entry("activation_grad", &[WG, ACT]),
    entry("adam", &[WG, ("ROLE", &["0", "1", "2", "3"]), ("INSIDE", OFF_ON), ("EMA", OFF_ON)]),
    entry("avg_pool2d", &[WG, POOL]),
    entry("avg_pool2d_grad", &[WG, ACT, POOL]),
    Entry {
        legal: |v| v.get("PASS") == 1 || v.get("WG") >= 64,
        ..entry("balance", &[SUMMING, ("PASS", &["0", "1", "2"])])
    },
    entry("batch_norm", &[WG, ACT, ("SCALE", OFF_ON), ("SHIFT", OFF_ON), LANES]),
    Entry {
        legal: |v| v.get("PASS") == 0 || v.get("SHIFT") == 0,
        ..entry("batch_norm_grad", &[WG, ("PASS", OFF_ON), ("SCALE", OFF_ON), ("SHIFT", OFF_ON), LANES])
    },
    entry("batch_norm_statistics", &[WG, ("RUNNING", OFF_ON)]),
    Entry {
        legal: |v| v.get("V") == 1 && (v.get("GRAD") == 0 || v.get("BIAS") == 0),
        ..entry("col2im", &[WG, ACT, POOL, ("GRAD", OFF_ON), ("BIAS", OFF_ON)])
    },
    entry(
        "column_reduce",
        &[
            ("WG ACROSS", &["256 256", "64 1", "64 2", "64 4", "64 8", "64 16", "64 32", "64 64"]),
            ("MODE", &["0", "1", "2"]),
            LANES,
        ],
    ),
    entry("column_sum", &[WG]),
    entry("copy", &[WG, ("CORRECT", OFF_ON)]),
    entry("copy_columns", &[WG, ("ADD", OFF_ON)]),
    Entry {
        legal: |v| v.get("PASS") == 1 || v.get("WG") >= 64,
        ..entry("covariance_matching", &[SUMMING, ("PASS", OFF_ON)])
    },
    entry("data_init", &[WG, ("BIAS", OFF_ON)]),
    entry("deviations", &[WG, LANES]),
    entry("dropout", &[WG]),
    entry("evaluate", &[WG]),
    entry("feature_matching", &[SUMMING]),
    entry("feature_matching_grad", &[WG, LANES, ("ADD", OFF_ON)]),
    entry("gather_images", &[WG, ("SEQUENCE", OFF_ON), LANES]),
    Entry { legal: |v| gemm_legal(v) && blocks_legal(v), ..entry("gemm_cooperative", &COOPERATIVE) },
    Entry {
        legal: |v| gemm_legal(v) && subgroup_legal(v),
        ..entry(
            "gemm_subgroup",
            &[
                WG,
                (
                    "SG RG CL CV DEEP",
                    &[
                        "4 1 1 2 1",
                        "4 1 2 1 1",
                        "4 1 4 1 1",
                        "4 1 4 2 1",
                        "4 2 4 1 1",
                        "4 2 4 2 1",
                        "4 3 4 1 1",
                        "4 3 4 2 1",
                        "4 4 4 2 1",
                        "4 4 4 1 1",
                        "4 6 4 1 1",
                        "4 6 4 2 1",
                        "4 6 2 1 1",
                        "4 8 2 1 1",
                        "4 12 2 1 1",
                        "4 1 4 1 3",
                        "4 2 4 1 3",
                        "4 3 4 1 3",
                        "4 2 4 2 3",
                        "4 6 2 1 3",
                        "8 1 2 2 1",
                        "8 1 4 1 1",
                        "8 1 8 1 1",
                        "8 1 8 2 1",
                        "8 2 8 1 1",
                        "8 2 8 2 1",
                        "8 3 8 1 1",
                        "8 3 8 2 1",
                        "8 4 8 2 1",
                        "8 4 8 1 1",
                        "8 6 8 1 1",
                        "8 6 8 2 1",
                        "8 6 4 1 1",
                        "8 8 4 1 1",
                        "8 12 4 1 1",
                        "8 1 8 1 3",
                        "8 2 8 1 3",
                        "8 3 8 1 3",
                        "8 2 8 2 3",
                        "8 6 4 1 3",
                        "16 1 4 2 1",
                        "16 1 8 1 1",
                        "16 1 16 1 1",
                        "16 1 16 2 1",
                        "16 2 16 1 1",
                        "16 2 16 2 1",
                        "16 3 16 1 1",
                        "16 3 16 2 1",
                        "16 4 16 2 1",
                        "16 4 16 1 1",
                        "16 6 16 1 1",
                        "16 6 16 2 1",
                        "16 6 8 1 1",
                        "16 8 8 1 1",
                        "16 12 8 1 1",
                        "16 1 16 1 3",
                        "16 2 16 1 3",
                        "16 3 16 1 3",
                        "16 2 16 2 3",
                        "16 6 8 1 3",
                    ],
                ),
                ("SLIDE", OFF_ON),
                ("L", OFF_ON),
                ("A", &["0", "1", "2", "3"]),
                ("B", &["0", "1", "2"]),
                ("VA", &["0", "1", "2"]),
                ("VB", &["0", "1", "2", "3"]),
                ("VC", OFF_ON),
                ("BIAS", OFF_ON),
                ACT,
                ("GRAD", OFF_ON),
                ("SPLIT", OFF_ON),
            ],
        )
    },
    Entry { legal: |v| gemm_legal(v) && blocks_legal(v), ..entry("gemm_workgroup", &WORKGROUP) },
    Entry {
        legal: |v| v.get("PASS") == 1 || v.get("WG") >= 64,
        ..entry("generator_loss", &[SUMMING, ("PASS", OFF_ON)])
    },
    entry("global_avg_pool", &[WG]),
    entry("global_avg_pool_grad", &[WG]),
    entry("head", &[WG]),
    entry("head_metrics", &[SUMMING]),
    Entry {
        legal: |v| {
            v.get("INSIDE") == u32::from(is_small(v) && within(v, "OH TOP H") && within(v, "OW LEFT W"))
        },
        ..entry("max_pool2d", &[WG, ("TAP", OFF_ON), ("INSIDE", OFF_ON), POOL])
    },
    Entry {
        legal: |v| v.get("BLOCK") == u32::from(is_small(v)),
        ..entry("max_pool2d_grad", &[WG, ACT, ("BLOCK", OFF_ON), POOL])
    },
    entry("minibatch", &[WG, ("STREAM", &["0", "1", "2", "3"]), ("POOL", OFF_ON), ("LABELS", OFF_ON)]),
    Entry { legal: compared_legal, ..entry("minibatch_discrimination", &COMPARED) },
    Entry { legal: compared_legal, ..entry("minibatch_discrimination_grad", &COMPARED) },
    entry("noise", &[WG]),
    Entry {
        legal: |v| v.get("BACKWARD") == 1 || v.get("BP") == 0,
        ..entry(
            "pack_weights",
            &[WG, ("SCALE", OFF_ON), ("BACKWARD", OFF_ON), ("FP", OFF_ON), ("BP", OFF_ON)],
        )
    },
    entry("random_affine", &[WG, ("GRAD", OFF_ON)]),
    entry("random_fill", &[WG, ("NORMAL", &["0", "1", "2"])]),
    entry("random_flip", &[WG]),
    entry("random_shift", &[WG, ("INVERSE", OFF_ON)]),
    entry("roof_copy", &[WG, ("PER", &["1", "2", "4", "8"])]),
    entry("roof_fma", &[WG, ("ACC", &["1", "2", "4", "8", "12"])]),
    Entry {
        legal: |v| v.get("BIAS") == 0 || v.get("GRAD") == 0,
        ..entry("split_k_sum", &[WG, ("BIAS", OFF_ON), ACT, ("GRAD", OFF_ON)])
    },
    entry("weight_norm", &[SUMMING, LANES]),
    entry("weight_norm_grad", &[SUMMING, ("SCALE", OFF_ON), LANES]),
];

/// Whether a window of pooling is small.
fn is_small(v: &Variant<'_>) -> bool {
    v.get("KERNEL").max(v.get("STRIDE")) <= 4
}

/// Whether all windows of pooling lie in the image along an axis: places, padding, size.
fn within(v: &Variant<'_>, axis: &str) -> bool {
    let [out, pad, size] = [0, 1, 2].map(|i| v.get(axis.split(' ').nth(i).unwrap_or_default()));
    pad == 0 && (out - 1) * v.get("STRIDE") + v.get("KERNEL") <= size
}

/// Several rows of few values, on software adapters.
fn compared_legal(v: &Variant<'_>) -> bool {
    v.get("R") == 1 || (v.get("DIMS") <= 8 && v.get("SG") <= 16)
}

/// What `Ops::gemm` may ask of any tile.
fn gemm_legal(v: &Variant<'_>) -> bool {
    // B is read through the window only in a weight gradient, where A is read by columns.
    (v.get("B") != 1 || v.get("A") == 1)
        && (v.get("SPLIT") == 0 || v.plain())
        && (v.get("GRAD") == 0 || v.get("BIAS") == 0)
}

/// What it may ask of the tiles through workgroup memory.
fn blocks_legal(v: &Variant<'_>) -> bool {
    let by4 = |name: &str| u32::from(v.get(name).is_multiple_of(4));
    // What is read through the window is as wide as the channels.
    let window = match (v.get("A"), v.get("B")) {
        (2, _) => v.get("VA") == by4("C"),
        (3, _) => v.get("VA") == by4("OC"),
        (_, 1) => v.get("VB") == by4("C"),
        _ => true,
    };
    let plain = v.get("A") < 2 && v.get("B") != 1;
    // B is as wide as C; of the window C is as wide as a multiple of the channels.
    let wide = v.get("VB") <= v.get("VC") && (v.get("B") == 1 || v.get("VB") == v.get("VC"));
    window && wide && plain == (v.get("H") == 0)
}

/// What it may ask of the subgroup tile.
fn subgroup_legal(v: &Variant<'_>) -> bool {
    let eights = v.get("L") == 1 && v.get("CV") == 2;
    let b_fits = match v.get("B") {
        // C is as wide as the window, a multiple of the channels.
        1 => v.get("VB") < 2 && v.get("VB") <= v.get("VC"),
        2 => v.get("A") != 1 && v.get("VB") == if eights { 3 } else { 1 },
        // B is as wide as C.
        _ => (v.get("VB") % 2 == v.get("VC")) && (v.get("VB") != 3 || eights),
    };
    // Weights are packed where A slides.
    let slides = v.get("DEEP") == 3 && v.get("A") >= 2 && v.get("VA") == 1 && v.get("B") == 2;
    b_fits && (v.get("VA") < 2 || v.get("A") < 2) && (v.get("SLIDE") == 0 || slides)
}

impl Entry {
    /// All legal variants of which `wanted` is true.
    pub fn variants(&self, wanted: impl Fn(&Variant<'_>) -> bool) -> Vec<Defines> {
        let mut found = vec![];
        self.extend(&mut Defines::new(), self.axes, &mut |d| {
            if (self.legal)(&Variant(d)) && wanted(&Variant(d)) {
                found.push(d.clone());
            }
        });
        found
    }

    /// Every combination of the values of `axes`, one after the other: all of the tables' at once are gigabytes.
    fn extend(&self, chosen: &mut Defines, axes: &[Axis], each: &mut impl FnMut(&Defines)) {
        let Some(((names, values), rest)) = axes.split_first() else { return each(chosen) };
        for value in *values {
            for (name, v) in names.split(' ').zip(value.split(' ')) {
                chosen.insert(name.to_string(), v.to_string());
            }
            self.extend(chosen, rest, each);
        }
    }

    /// Whether `defines` is one of the variants.
    pub fn has(&self, defines: &Defines) -> bool {
        let names: usize = self.axes.iter().map(|(n, _)| n.split(' ').count()).sum();
        let allowed = |(names, values): &(&str, &[&str])| {
            if [POOL, CONV].contains(&(*names, *values)) {
                return names.split(' ').all(|n| defines.contains_key(n));
            }
            let value: Option<Vec<&str>> =
                names.split(' ').map(|n| defines.get(n).map(String::as_str)).collect();
            value.is_some_and(|v| values.contains(&v.join(" ").as_str()))
        };
        names == defines.len() && self.axes.iter().all(allowed) && (self.legal)(&Variant(defines))
    }
}
