//! Every kernel with the workgroups and tiles that GPUs get, on whatever adapter there is.

use crate::harness::demand;
use ssgan::checks::{ALL, Checks, Extent};
use ssgan::gpu::AdapterChoice;
use ssgan::native;
use ssgan::ops::Tiling;

#[test]
fn kernels_as_on_a_gpu() {
    let gpu = native::open(&AdapterChoice { as_gpu: true, ..AdapterChoice::default() }).unwrap();
    assert!(gpu.elementwise_group() == 64 && matches!(Tiling::for_gpu(&gpu), Tiling::Portable));
    for check in ALL.iter().filter(|check| check.extent == Extent::Short) {
        println!("{}, {}", check.family, check.name);
        demand(&Checks::new(gpu.clone(), vec![Tiling::Portable]), check.run);
    }
}
