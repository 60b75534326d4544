//! The host's side of `shaders/common/state.wgsl`.

/// What changes from step to step: the bytes uploaded before each submit.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct State {
    /// Low word of the seed.
    pub seed_lo: u32,
    /// High word of the seed.
    pub seed_hi: u32,
    /// Step from 0.
    pub step: u32,
    /// Row of the metrics ring; beyond its end, on from its beginning.
    pub slot: u32,
    /// Epoch of each order stream.
    pub epoch: [u32; 4],
    /// Where the minibatch begins within that epoch; `[3]` also the first row of an evaluation.
    pub position: [u32; 4],
    /// D's Adam step size.
    pub learning_rate_d: f32,
    /// G's Adam step size.
    pub learning_rate_g: f32,
    /// 1 / (1 - (1 - rate)^t)
    pub ema_scale: f32,
    /// 0 to 1: how much of the entropy, consistency and balance weights holds.
    pub ramp: f32,
    /// 1 / (1 - beta1^t) of Adam's t-th update: D's first, second and third one of the step, G's.
    pub correction1: [f32; 4],
    /// 1 / (1 - beta2^t), alike.
    pub correction2: [f32; 4],
}

impl State {
    /// Its size in 32-bit words.
    pub const WORDS: u32 = (size_of::<State>() / 4) as u32;
}

#[cfg(test)]
mod tests {
    use super::State;
    use crate::gpu::{reflect, wgsl};
    use std::mem::offset_of;

    #[test]
    fn same_layout_as_the_shaders() {
        let text = wgsl::expand("noise", &wgsl::defines([("WG", &64)])).unwrap();
        let (r, _) = reflect::reflect("noise", &text).unwrap();
        let state = r.bindings.iter().find(|b| b.name == "state").unwrap();
        let reflect::BindingKind::Uniform { size, members } = &state.kind else { panic!("not a uniform") };
        assert_eq!(*size as usize, size_of::<State>());
        let host = [
            ("seed_lo", offset_of!(State, seed_lo)),
            ("seed_hi", offset_of!(State, seed_hi)),
            ("step", offset_of!(State, step)),
            ("slot", offset_of!(State, slot)),
            ("epoch", offset_of!(State, epoch)),
            ("position", offset_of!(State, position)),
            ("learning_rate_d", offset_of!(State, learning_rate_d)),
            ("learning_rate_g", offset_of!(State, learning_rate_g)),
            ("ema_scale", offset_of!(State, ema_scale)),
            ("ramp", offset_of!(State, ramp)),
            ("correction1", offset_of!(State, correction1)),
            ("correction2", offset_of!(State, correction2)),
        ];
        let shader: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.offset as usize)).collect();
        assert_eq!(shader, host);
    }
}
