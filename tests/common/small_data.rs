//! A small data set in IDX files: the embedded one takes longer to draw than small models take to train.

use std::fs;
use std::path::{Path, PathBuf};

/// An IDX file.
fn idx(path: PathBuf, sizes: &[u32], values: impl Iterator<Item = u8>) {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
    bytes.extend(values);
    fs::write(path, bytes).unwrap();
}

/// `n` images of 8 x 8, ten classes in turns: a bright spot that moves with the class, and other noise each.
pub fn split(folder: &Path, name: &str, n: u32) {
    let pixel = |i: u32, p: u32| {
        let noise =
            (i.wrapping_mul(2_654_435_761) ^ p.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 26;
        (noise + if p / 6 == i % 10 { 180 } else { 0 }) as u8
    };
    idx(
        folder.join(format!("{name}-images-idx3-ubyte")),
        &[n, 8, 8],
        (0..n * 64).map(|v| pixel(v / 64, v % 64)),
    );
    idx(folder.join(format!("{name}-labels-idx1-ubyte")), &[n], (0..n).map(|i| (i % 10) as u8));
}

/// A new folder with so many images to learn from and to test on.
pub fn set(folder: &Path, train: u32, test: u32) {
    fs::create_dir_all(folder).unwrap();
    split(folder, "train", train);
    split(folder, "t10k", test);
}
