//! Parameters between GPU memory and named tensors as PyTorch users expect them.
//!
//! `discriminator.2.weight_v`: network, layer index in the model file (from 0), parameter. Dense weights are
//! `[out, in]`, convolution weights `[out, in, kh, kw]` (in memory `[out, kh, kw, in]`), transposed ones
//! `[in, out, kh, kw]`. Flattened
//! activations are in the order height, width, channel.

use super::checkpoint::{Checkpoint, TensorData};
use crate::error::Result;
use crate::gpu::{Gpu, Tensor};
use crate::nn::{Layout, Net, Slot};

/// Memory order `[out, kh, kw, in]` to file order `[out, in, kh, kw]`, or back.
pub fn permute_weights(shape: &[u32], values: &[f32], to_file: bool) -> Vec<f32> {
    let [out, c, kh, kw] = shape else { return values.to_vec() };
    let (out, c, taps) = (*out as usize, *c as usize, (*kh * *kw) as usize);
    let mut moved = vec![0.0; values.len()];
    for o in 0..out {
        for t in 0..taps {
            for i in 0..c {
                let (memory, file) = ((o * taps + t) * c + i, (o * c + i) * taps + t);
                if to_file {
                    moved[file] = values[memory];
                } else {
                    moved[memory] = values[file];
                }
            }
        }
    }
    moved
}

fn named(prefix: &str, layer: usize, slot: &Slot, suffix: &str, arena: &[f32]) -> TensorData {
    TensorData {
        name: format!("{prefix}.{layer}.{}{suffix}", slot.name),
        shape: slot.shape.iter().map(|&d| d as usize).collect(),
        values: permute_weights(&slot.shape, &arena[slot.start..slot.start + slot.len], true),
    }
}

/// The slots of an arena as tensors `{prefix}.{layer}.{name}{suffix}`; `trained` says which arena it is.
///
/// # Errors
/// [`crate::error::Error::Gpu`] or [`crate::error::Error::DeviceLost`] if the device failed.
pub async fn export_arena(
    gpu: &Gpu,
    layout: &Layout,
    arena: &Tensor,
    trained: bool,
    prefix: &str,
    suffix: &str,
) -> Result<Vec<TensorData>> {
    let values: Vec<f32> = gpu.read(arena).await?;
    let slots = layout.layers.iter().enumerate().flat_map(|(i, l)| l.iter().map(move |s| (i, s)));
    Ok(slots
        .filter(|(_, s)| s.trained == trained)
        .map(|(i, s)| named(prefix, i, s, suffix, &values))
        .collect())
}

/// Fills an arena from tensors named as by [`export_arena`].
///
/// # Errors
/// [`crate::error::Error::Checkpoint`] if one is missing or has another shape.
pub fn import_arena(
    gpu: &Gpu,
    layout: &Layout,
    arena: &Tensor,
    trained: bool,
    prefix: &str,
    suffix: &str,
    from: &Checkpoint,
) -> Result<()> {
    for (i, layer) in layout.layers.iter().enumerate() {
        for s in layer.iter().filter(|s| s.trained == trained) {
            let shape: Vec<usize> = s.shape.iter().map(|&d| d as usize).collect();
            let values = from.get(&format!("{prefix}.{i}.{}{suffix}", s.name), &shape)?;
            gpu.write(&Layout::view(arena, s), &permute_weights(&s.shape, values, false));
        }
    }
    Ok(())
}

/// All parameters and stored statistics of a network.
///
/// # Errors
/// As [`export_arena`].
pub async fn export_net(gpu: &Gpu, net: &Net) -> Result<Vec<TensorData>> {
    let (p, name) = (&net.params, net.shape.name);
    let mut tensors = export_arena(gpu, &p.layout, &p.trained, true, name, "").await?;
    tensors.extend(export_arena(gpu, &p.layout, &p.stored, false, name, "").await?);
    Ok(tensors)
}

/// Sets all parameters and stored statistics of a network.
///
/// # Errors
/// As [`import_arena`].
pub fn import_net(gpu: &Gpu, net: &Net, from: &Checkpoint) -> Result<()> {
    let (p, name) = (&net.params, net.shape.name);
    import_arena(gpu, &p.layout, &p.trained, true, name, "", from)?;
    import_arena(gpu, &p.layout, &p.stored, false, name, "", from)
}

#[cfg(test)]
mod tests {
    use super::permute_weights;

    #[test]
    fn permutation_and_back() {
        let memory: Vec<f32> = (0..2 * 3 * 2 * 2).map(|i| i as f32).collect();
        let file = permute_weights(&[2, 3, 2, 2], &memory, true);
        // out 1, in 2, ky 0, kx 1 lies at ((1 * 2 + 0) * 2 + 1) * 3 + 2 in memory.
        assert_eq!(file[(3 + 2) * 4 + 1], memory[(2 * 2 + 1) * 3 + 2]);
        assert_eq!(permute_weights(&[2, 3, 2, 2], &file, false), memory);
    }
}
