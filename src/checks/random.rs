//! Philox's numbers and what is made of them: noise, dropout, minibatches; images gathered from bytes.

use super::{Checks, Output, Slack, input, numbers, wide};
use crate::error::Result;
use crate::model::shape::Dims;
use crate::ops::{Fill, ImageBlock, State};
use crate::reference::dropout::dropout_factors;
use crate::reference::gaussian_noise::gaussian_noise;
use crate::reference::{minibatch, random_affine, random_flip, random_shift};
use crate::rng::{self, Counter};

const SEED: u64 = 0x0123_4567_89ab_cdef;
const STREAM: u32 = 0x0301;

fn state(step: u32) -> State {
    State { seed_lo: SEED as u32, seed_hi: (SEED >> 32) as u32, step, ..State::default() }
}

const LENGTHS: [u32; 7] = [1, 3, 4, 5, 128, 1031, 70_001];

/// Bits and uniform numbers of a stream are exact; normal ones are not.
pub fn numbers_of_a_stream(checks: &Checks<'_>) -> Result<()> {
    for (i, n) in LENGTHS.into_iter().enumerate() {
        let step = if i % 2 == 0 { 7 } else { u32::MAX };
        let at = Counter { stream: STREAM, step };
        let [bits, uniform, normal] = [0; 3].map(|_| Output::new(checks, 1, n, Slack::Vec4));
        checks.run(state(step), |ops, p| {
            ops.random_fill(p, "check", STREAM, Fill::Bits, &bits.tensor)?;
            ops.random_fill(p, "check", STREAM, Fill::Uniform, &uniform.tensor)?;
            ops.random_fill(p, "check", STREAM, Fill::Normal, &normal.tensor)
        })?;
        let want: Vec<u32> = (0..n).map(|i| rng::block(SEED, at, i / 4)[i as usize % 4]).collect();
        checks.same(&format!("{n} raw numbers"), &want, &bits.read::<u32>(checks, "bits")?);
        // 24 bits: exact in f32.
        let want: Vec<f32> = (0..n).map(|i| rng::uniform(SEED, at, i) as f32).collect();
        checks.same(&format!("{n} uniform numbers"), &want, &uniform.read::<f32>(checks, "uniform")?);
        let want: Vec<f64> = (0..n).map(|i| rng::normal(SEED, at, i)).collect();
        // Around a zero of sine and cosine the turn's own spacing is left, times a radius of up to 5.8.
        checks.values("normal", &want, &normal.read(checks, "normal")?, 1e-6);
    }
    Ok(())
}

/// Noise that is added.
pub fn noise(checks: &Checks<'_>) -> Result<()> {
    for n in LENGTHS {
        let x = numbers(141, n);
        let tx = input(checks, 1, n, &x);
        let y = Output::new(checks, 1, n, Slack::Vec4);
        checks.run(state(3), |ops, p| ops.noise(p, "check", STREAM, 0.3, &tx, &y.tensor))?;
        let at = Counter { stream: STREAM, step: 3 };
        let want = gaussian_noise(&wide(&x), f64::from(0.3f32), SEED, at);
        // The sum can cancel.
        checks.values("noise", &want, &y.read(checks, "noise")?, 5e-7);
    }
    Ok(())
}

/// Dropped values and the scale of the others.
pub fn dropout(checks: &Checks<'_>) -> Result<()> {
    for n in LENGTHS {
        for rate in [0.0, 0.25, 0.5, 0.9] {
            let x = numbers(142, n);
            let tx = input(checks, 1, n, &x);
            let y = Output::new(checks, 1, n, Slack::Vec4);
            checks.run(state(4), |ops, p| ops.dropout(p, "check", STREAM, rate, &tx, &y.tensor))?;
            let at = Counter { stream: STREAM, step: 4 };
            let factors = dropout_factors(n as usize, rate.into(), SEED, at);
            let want: Vec<f64> = factors.iter().zip(&x).map(|(f, x)| f * f64::from(*x)).collect();
            checks.values(
                &format!("{n} values, dropout {rate}"),
                &want,
                &y.read::<f32>(checks, "dropout")?,
                0.0,
            );
        }
    }
    Ok(())
}

/// Rows, height, width and channels. The tests add lines that are longer than an invocation may loop.
const IMAGES: [(u32, u32, u32, u32); 5] =
    [(1, 2, 2, 1), (3, 5, 7, 1), (7, 4, 3, 3), (130, 28, 28, 1), (5, 9, 8, 16)];

/// Shifted images and the gradient.
pub fn random_shift(checks: &Checks<'_>) -> Result<()> {
    for (rows, h, w, c) in IMAGES.into_iter().chain([(2, 2, 20_000, 3)]) {
        for most in [0, 1, h.min(w) - 1] {
            let image = Dims { height: h, width: w, channels: c };
            let x = numbers(143, rows * image.len());
            let tx = input(checks, rows * image.pixels(), c, &x);
            let [y, dx] = [0; 2].map(|_| Output::new(checks, rows * image.pixels(), c, Slack::None));
            checks.run(state(5), |ops, p| {
                let draw = (STREAM, most);
                ops.random_shift(p, "check", draw, image, false, (&tx, &y.tensor))?;
                ops.random_shift(p, "check", draw, image, true, (&tx, &dx.tensor))
            })?;
            let at = Counter { stream: STREAM, step: 5 };
            let offsets = random_shift::offsets(rows as usize, most, SEED, at);
            let name = format!("random_shift {rows} {h}x{w}x{c}, {most}");
            for (out, want) in [
                (&y, random_shift::shift(&wide(&x), image, &offsets)),
                (&dx, random_shift::shift_grad(&wide(&x), image, &offsets)),
            ] {
                checks.values_within(&name, &want, &out.read::<f32>(checks, &name)?, (0.0, 0.0));
            }
        }
    }
    Ok(())
}

/// Mirrored images.
pub fn random_flip(checks: &Checks<'_>) -> Result<()> {
    for (rows, h, w, c) in IMAGES.into_iter().chain([(2, 2, 1, 3), (2, 2, 20_000, 3)]) {
        let image = Dims { height: h, width: w, channels: c };
        let x = numbers(145, rows * image.len());
        let tx = input(checks, rows * image.pixels(), c, &x);
        let y = Output::new(checks, rows * image.pixels(), c, Slack::None);
        checks.run(state(5), |ops, p| ops.random_flip(p, "check", STREAM, image, (&tx, &y.tensor)))?;
        let mirrored = random_flip::draw(rows as usize, SEED, Counter { stream: STREAM, step: 5 });
        let name = format!("random_flip {rows} {h}x{w}x{c}");
        let want = random_flip::flip(&wide(&x), image, &mirrored);
        checks.values_within(&name, &want, &y.read::<f32>(checks, &name)?, (0.0, 0.0));
    }
    Ok(())
}

/// Images under an affine map, and the gradient.
pub fn random_affine(checks: &Checks<'_>) -> Result<()> {
    for (rows, h, w, c) in IMAGES.into_iter().chain([(2, 2, 3_000, 3)]) {
        for (shift, warp) in [(0.0, 0.0), (1.0, 0.0), (0.0, 0.4), (1.75, 0.2)] {
            let image = Dims { height: h, width: w, channels: c };
            let x = numbers(144, rows * image.len());
            let tx = input(checks, rows * image.pixels(), c, &x);
            let [y, dx] = [0; 2].map(|_| Output::new(checks, rows * image.pixels(), c, Slack::None));
            checks.run(state(5), |ops, p| {
                let draw = (STREAM, shift, warp);
                ops.random_affine(p, "check", draw, image, false, (&tx, &y.tensor))?;
                ops.random_affine(p, "check", draw, image, true, (&tx, &dx.tensor))
            })?;
            let at = Counter { stream: STREAM, step: 5 };
            let maps = random_affine::draw(rows as usize, shift, warp, SEED, at);
            let name = format!("random_affine {rows} {h}x{w}x{c}, {shift}, {warp}");
            // Where a pixel is read is rounded at the size of the image, and weights with it.
            let slack = f64::from(h.max(w)) * 1e-6;
            for (out, want) in [
                (&y, random_affine::warp(&wide(&x), image, &maps)),
                (&dx, random_affine::warp_grad(&wide(&x), image, &maps)),
            ] {
                checks.values(&name, &want, &out.read::<f32>(checks, &name)?, slack);
            }
        }
    }
    Ok(())
}

/// Walks through every order stream, across ends of epochs, also several within a minibatch.
pub fn minibatches(checks: &Checks<'_>) -> Result<()> {
    for (order, rows, n, step) in [
        (0, 1, 1, 0),
        (0, 100, 100, 3),
        (1, 33, 100, 5),
        (2, 64, 1000, 15),
        (1, 512, 60_000, 117),
        (3, 31, 5, 2),
        (2, 500, 50_000, 99),
    ] {
        for (pooled, labelled) in [(false, false), (true, false), (false, true), (true, true)] {
            let name = format!("minibatch {rows} of {n}, step {step}");
            let pool: Vec<u32> = (0..n).map(|i| n + 9 - i).collect();
            let classes: Vec<u32> = (0..n).map(|i| i.wrapping_mul(0x9e37_79b9) >> 20).collect();
            let (tpool, tclasses) = (input(checks, 1, n, &pool), input(checks, 1, n, &classes));
            let [indices, labels] = [0; 2].map(|_| Output::new(checks, 1, rows, Slack::None));
            let mut state = state(step);
            state.epoch[order as usize] = step * rows / n;
            state.position[order as usize] = step * rows % n;
            checks.run(state, |ops, p| {
                let pool = pooled.then_some(&tpool);
                let labels = labelled.then_some((&tclasses, &labels.open));
                ops.minibatch(p, (order, STREAM, n), pool, labels, &indices.tensor)
            })?;
            let elements = minibatch(SEED, STREAM, step, rows, n);
            let image = |i: &u32| if pooled { pool[*i as usize] } else { *i };
            let want: Vec<u32> = elements.iter().map(image).collect();
            checks.same(&format!("{name}: indices"), &want, &indices.read::<u32>(checks, &name)?);
            let got: Vec<u32> = labels.read(checks, &name)?;
            let class = |i: &u32| if labelled { classes[*i as usize] } else { f32::NAN.to_bits() };
            let expected: Vec<u32> = elements.iter().map(class).collect();
            checks.same(&format!("{name}: labels"), &expected, &got);
        }
    }
    Ok(())
}

/// Also of images that lie in several buffers, of which one may begin within a minibatch.
pub fn gathered_images(checks: &Checks<'_>) -> Result<()> {
    for (count, pixels, rows, start, block) in [
        (1, 1, 1, 0, 1),
        (5, 3, 4, 2, 5),
        (9, 49, 7, 0, 2),
        (9, 49, 5, 0, 9),
        (7, 4, 9, 1, 3),
        (20, 64, 20, 3, 20),
        (6, 784, 33, 5, 5),
        (3, 5, 8, 0, 1),
    ] {
        for sequence in [false, true] {
            let name = format!("gather {rows} of {count} x {pixels} by {block}, in sequence: {sequence}");
            let bytes: Vec<u8> =
                (0..count * pixels).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let blocks: Vec<ImageBlock> = bytes
                .chunks((block * pixels) as usize)
                .enumerate()
                .map(|(i, bytes)| image_block(checks, i as u32 * block, bytes, pixels))
                .collect();
            let order: Vec<u32> = (0..rows).map(|i| (i * 3 + 1) % count).collect();
            let indices = input(checks, 1, rows, &order);
            let x = Output::new(checks, start + rows + 2, pixels, Slack::None);
            let position = count / 2;
            let state = State { position: [0, 0, 0, position], ..state(0) };
            checks.run(state, |ops, p| {
                let order = (!sequence).then_some(&indices);
                ops.gather_images(p, &blocks, order, &x.tensor, (start, rows))
            })?;
            let mut want = vec![f64::NAN; ((start + rows + 2) * pixels) as usize];
            let mut written = vec![false; want.len()];
            for row in 0..rows {
                let image = if sequence { position + row } else { order[row as usize] };
                // Behind the last image there is nothing to gather.
                for i in (0..pixels).filter(|_| image < count) {
                    let (to, byte) = ((start + row) * pixels + i, bytes[(image * pixels + i) as usize]);
                    want[to as usize] = f64::from(byte) / 255.0;
                    written[to as usize] = true;
                }
            }
            let got: Vec<f32> = x.read(checks, &name)?;
            let those = |of: bool| (0..want.len()).filter(|&i| written[i] == of).collect::<Vec<_>>();
            let expected: Vec<f64> = those(true).iter().map(|&i| want[i]).collect();
            let gathered: Vec<f32> = those(true).iter().map(|&i| got[i]).collect();
            checks.values(&name, &expected, &gathered, 0.0);
            let beside: Vec<f32> = those(false).iter().map(|&i| got[i]).collect();
            checks.untouched(&name, "rows beside the minibatch", &beside);
        }
    }
    Ok(())
}

/// A buffer of the images whose bytes these are.
fn image_block(checks: &Checks<'_>, first: u32, bytes: &[u8], pixels: u32) -> ImageBlock {
    let word = |c: &[u8]| c.iter().enumerate().fold(0, |w, (i, b)| w | u32::from(*b) << (8 * i));
    let words: Vec<u32> = bytes.chunks(4).map(word).collect();
    let images = input(checks, 1, words.len() as u32, &words);
    ImageBlock { images, first, count: bytes.len() as u32 / pixels }
}
