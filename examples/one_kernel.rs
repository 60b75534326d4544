//! Runs one kernel and reads what it wrote: `cargo run --example one_kernel`.

use ssgan::gpu::{AdapterChoice, Program};
use ssgan::native::{self, BlockOn};
use ssgan::ops::{Ops, Rows};

fn main() -> ssgan::Result<()> {
    let gpu = native::open(&AdapterChoice::default())?;
    let ops = Ops::new(&gpu);
    // Three rows of two channels. Means and variances over the rows, as batch normalisation has them.
    let x = gpu.upload("x", 3, 2, &[1.0f32, 10.0, 2.0, 20.0, 3.0, 60.0]);
    let mut program = Program::new();
    let statistics = ops.batch_norm_statistics(&mut program, "example", (&x, Rows::of(&x)), None)?;
    for dispatch in &program.dispatches {
        let [x, y, z] = dispatch.grid;
        println!("{} {}: {x} x {y} x {z} workgroups", dispatch.kernel.name, dispatch.kernel.variant());
    }
    gpu.submit(&program, &[]).block_on()?;
    println!("means {:?}", gpu.read::<f32>(&statistics.mean).block_on()?);
    println!("variances {:?}", gpu.read::<f32>(&statistics.variance).block_on()?);
    Ok(())
}
