//! Every kernel with the workgroups and tiles that GPUs get, on whatever adapter there is.

use crate::common::TABLE;
use crate::harness::demand;
use ssgan::checks::{ALL, Checks, Extent};
use ssgan::gpu::AdapterChoice;
use ssgan::native;
use ssgan::ops::Tiling;
use std::collections::BTreeSet;

/// Those of software adapters and of cooperative matrices, which have tests of their own.
const OTHERS: [&str; 2] = ["gemm_subgroup", "gemm_cooperative"];

#[test]
fn kernels_as_on_a_gpu() {
    let gpu = native::open(&AdapterChoice { as_gpu: true, ..AdapterChoice::default() }).unwrap();
    assert!(gpu.elementwise_group() == 64 && matches!(Tiling::for_gpu(&gpu), Tiling::Portable));
    let mut ran = BTreeSet::new();
    for check in ALL.iter().filter(|check| check.extent == Extent::Short) {
        println!("{}, {}", check.family, check.name);
        let checks = Checks::new(gpu.clone(), vec![Tiling::Portable]);
        demand(&checks, check.run);
        ran.extend(checks.kernels().into_iter().map(|(kernel, _)| kernel));
    }
    let others = TABLE.iter().map(|entry| entry.kernel).filter(|kernel| !ran.contains(kernel));
    assert_eq!(others.collect::<BTreeSet<_>>(), BTreeSet::from(OTHERS), "kernels that no short check runs");
}
