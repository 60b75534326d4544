//! Minibatches from the data set in GPU memory.

use super::{Ops, lanes};
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor};
use crate::rng;

/// Images that lie in one buffer; a data set may need several, as an adapter binds no more than so much of one at a time.
#[derive(Debug, Clone)]
pub struct ImageBlock {
    /// Bytes `count x H x W x C`, four a word, little-endian.
    pub images: Tensor,
    /// Number of its first image.
    pub first: u32,
    /// Images in it.
    pub count: u32,
}

/// Turns for a number of `common/permute.wgsl`, which repeats its four rounds until the result is below n. At least a quarter
/// of what they permute is, so that one in 10^31 needs more than 256 repetitions.
const PERMUTATION_TURNS: u64 = 256 * 6;

impl Ops {
    /// Image numbers of a minibatch: `indices` `[1, rows]` from the walk `stream` through 0..n; see
    /// `minibatch.wgsl`. `order` is the walk's place in the state (0 labelled, 1 unlabelled D, 2 unlabelled
    /// G, 3 initialisation), `pool` `[1, n]` maps its elements to images, `labels` = (`[1, n]` of these elements, `[1, rows]` of the
    /// minibatch).
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn minibatch(
        &self,
        p: &mut Program,
        (order, stream, n): (u32, u32, u32),
        pool: Option<&Tensor>,
        labels: Option<(&Tensor, &Tensor)>,
        indices: &Tensor,
    ) -> Result<()> {
        let wanted = indices.cols as usize;
        assert!(n > 0 && pool.is_none_or(|pool| pool.len() >= n as usize) && indices.len() >= wanted);
        let labels_fit = |(all, rows): (&Tensor, &Tensor)| all.len() >= n as usize && rows.len() >= wanted;
        assert!(labels.is_none_or(labels_fit));
        // Of the pool and the labels only the chosen ones are read.
        let chosen = 1 + u64::from(pool.is_some()) + 2 * u64::from(labels.is_some());
        let mut call = Call::new("minibatch", "data")
            .define("STREAM", order)
            .optional("POOL", "pool", pool)
            .optional("LABELS", "pool_labels", labels.map(|(all, _)| all))
            .bind("state", &self.state)
            .bind("indices", indices)
            .param("rows", indices.cols)
            .param("n", n)
            .param("half_bits", rng::half_bits(n))
            .turns(PERMUTATION_TURNS)
            .param("stream", stream)
            .bytes(chosen * indices.bytes());
        if let Some((_, rows)) = labels {
            call = call.bind("labels", rows);
        }
        p.each(&self.gpu, call, indices.cols.into())
    }

    /// Rows `start..start + rows` of x `[.., pixels]` = images (bytes) / 255; in the order of `indices`, or from the state's
    /// `position.w` on; `indices` `[1, rows]`. Rows whose image is in none of the `blocks` stay as they are.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn gather_images(
        &self,
        p: &mut Program,
        blocks: &[ImageBlock],
        indices: Option<&Tensor>,
        x: &Tensor,
        (start, rows): (u32, u32),
    ) -> Result<()> {
        assert!(
            u64::from(start) + u64::from(rows) <= x.rows.into()
                && indices.is_none_or(|indices| indices.len() >= rows as usize)
        );
        let (v, ty) = lanes(x.cols);
        let values = u64::from(rows) * u64::from(x.cols);
        for block in blocks {
            assert!(block.images.bytes() >= u64::from(block.count) * u64::from(x.cols));
            let call = Call::new("gather_images", "data")
                .define("SEQUENCE", u32::from(indices.is_none()))
                .define("V", v)
                .define("T", ty)
                .bind("images", &block.images)
                .bind("x", x)
                .param("rows", rows)
                .param("start", start)
                .param("pixels", x.cols)
                .param("first", block.first)
                .param("count", block.count)
                .bytes(5 * values / blocks.len() as u64);
            let call = match indices {
                Some(i) => call.bind("indices", i),
                None => call.bind("state", &self.state),
            };
            p.each(&self.gpu, call, values / u64::from(v))?;
        }
        Ok(())
    }
}
