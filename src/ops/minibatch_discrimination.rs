//! Minibatch discrimination.

use super::Ops;
use crate::error::Result;
use crate::gpu::{Call, Program, Tensor, linear_grid};

/// Rows of an invocation on software adapters.
const ROWS: u32 = 4;

/// Sizes of minibatch discrimination, under the letters of its paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinibatchSizes {
    /// A, features of a row.
    pub features: u32,
    /// B, numbers that are added to them.
    pub kernels: u32,
    /// C, values that a distance runs over.
    pub dims: u32,
}

impl MinibatchSizes {
    /// Whether these are the columns of m and of y.
    fn fit(self, m: u32, y: u32) -> bool {
        let [a, b, c] = [self.features, self.kernels, self.dims].map(u64::from);
        u64::from(m) == b * c && u64::from(y) == a + b
    }
}

impl Ops {
    /// Beside the features in y `[rows, A + B]` the closeness of each row to the rows `start..start + count`, among which it
    /// is; m `[rows, B * C]`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn minibatch_discrimination(
        &self,
        p: &mut Program,
        layer: &str,
        at: MinibatchSizes,
        (start, count): (u32, u32),
        m: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        assert!(at.fit(m.cols, y.cols));
        assert!(u64::from(start) + u64::from(count) <= m.rows.min(y.rows).into());
        let call = Call::new("minibatch_discrimination", layer)
            .bind("m", m)
            .bind("y", y)
            .bytes(bytes(at, count, 1))
            .flops(pairs(at, count) * (3 * u64::from(at.dims) + 2));
        self.compare_rows(p, call, at, (start, count))
    }

    /// dm `[rows, B * C]` from dy `[rows, A + B]`, for the rows `start..start + count`.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn minibatch_discrimination_grad(
        &self,
        p: &mut Program,
        layer: &str,
        at: MinibatchSizes,
        (start, count): (u32, u32),
        (m, dy): (&Tensor, &Tensor),
        dm: &Tensor,
    ) -> Result<()> {
        assert!(at.fit(dm.cols, dy.cols));
        assert!(
            m.cols == dm.cols
                && u64::from(start) + u64::from(count) <= m.rows.min(dy.rows).min(dm.rows).into()
        );
        let call = Call::new("minibatch_discrimination_grad", layer)
            .bind("m", m)
            .bind("dy", dy)
            .bind("dm", dm)
            .bytes(bytes(at, count, 2))
            .flops(pairs(at, count) * (5 * u64::from(at.dims) + 3));
        self.compare_rows(p, call, at, (start, count))
    }

    /// A workgroup for each kernel and as many rows as its invocations have.
    fn compare_rows(
        &self,
        p: &mut Program,
        call: Call<'_>,
        at: MinibatchSizes,
        (start, count): (u32, u32),
    ) -> Result<()> {
        let subgroup = self.broadcast.unwrap_or(0);
        // A row more saves broadcasts and reads and costs registers; GPUs rather have more invocations.
        let rows = if self.gpu.is_software() && at.dims <= 8 { ROWS } else { 1 };
        let lanes = if subgroup > 0 { subgroup } else { self.gpu.elementwise_group() };
        // With subgroups as many rows pass by at a time.
        let turns = count.div_ceil(subgroup.max(1)) + 1;
        let groups = u64::from(count.div_ceil(lanes * rows)) * u64::from(at.kernels);
        let call = call
            .define("DIMS", at.dims)
            .define("SG", subgroup)
            .define("R", rows)
            .turns(turns.into())
            .param("start", start)
            .param("count", count)
            .param("features", at.features)
            .param("kernels", at.kernels);
        p.dispatch(&self.gpu, call, linear_grid(groups))
    }

    /// The first columns of y `[rows, ..]` = those of x `[rows, ..]`, as many as the narrower of the two has; with `add`,
    /// they are added to y's.
    ///
    /// # Errors
    /// As [`Ops`].
    pub fn copy_columns(
        &self,
        p: &mut Program,
        layer: &str,
        add: bool,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        assert!(x.rows == y.rows);
        let columns = x.cols.min(y.cols);
        let values = u64::from(y.rows) * u64::from(columns);
        let call = Call::new("copy_columns", layer)
            .define("ADD", u32::from(add))
            .bind("x", x)
            .bind("y", y)
            .param("rows", y.rows)
            .param("columns", columns)
            .param("x_width", x.cols)
            .param("y_width", y.cols)
            .bytes(4 * values * if add { 3 } else { 2 })
            .flops(if add { values } else { 0 });
        p.each(&self.gpu, call, values)
    }
}

/// Bytes of these rows: of m, and of its gradient where there are two of them, and of the numbers beside the features.
fn bytes(at: MinibatchSizes, count: u32, of_m: u64) -> u64 {
    4 * u64::from(count) * u64::from(at.kernels) * (of_m * u64::from(at.dims) + 1)
}

/// Distances that a pass makes.
fn pairs(at: MinibatchSizes, count: u32) -> u64 {
    u64::from(count) * u64::from(count) * u64::from(at.kernels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 512 of all rows, and of the numbers beside the features alone.
    #[test]
    fn bytes_of_a_group() {
        let at = MinibatchSizes { features: 512, kernels: 32, dims: 5 };
        assert_eq!((bytes(at, 512, 1), bytes(at, 512, 2)), (393_216, 720_896));
    }

    /// An invocation passes the rows of its input one by one, with subgroups so many at a time as these have lanes.
    #[cfg(feature = "native")]
    #[test]
    fn rows_are_bounded_by_turns() {
        use crate::gpu::MAX_TURNS;

        let gpu = crate::native::open(&Default::default()).unwrap();
        let usual = Ops::new(&gpu);
        let alone = Ops { broadcast: None, ..usual.clone() };
        let at = MinibatchSizes { features: 1, kernels: 1, dims: 1 };
        let too_long = |result: Result<()>| match result {
            Ok(()) => false,
            Err(crate::Error::Usage(said)) => said.contains(&format!("loop {} times", MAX_TURNS + 1)),
            Err(e) => panic!("{e}"),
        };
        for ops in [&usual, &alone] {
            let most = (MAX_TURNS - 1) * ops.broadcast.unwrap_or(1);
            for (rows, fits) in [(most, true), (most + 1, false)] {
                // Recorded alone, so without memory.
                let mut p = Program::sharing();
                let [m, dm, y] = [1, 1, 2].map(|columns| p.scratch(&gpu, "test", rows, columns));
                let forward = ops.minibatch_discrimination(&mut p, "test", at, (0, rows), &m, &y);
                let backward =
                    ops.minibatch_discrimination_grad(&mut p, "test", at, (0, rows), (&m, &y), &dm);
                assert_eq!([forward, backward].map(too_long), [!fits; 2], "{rows} rows, {:?}", ops.broadcast);
            }
        }
    }
}
