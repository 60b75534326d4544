//! Matrix products with operands by rows and by columns: dense layers. Convolutions are in `conv.rs`.

use crate::harness::{open, tests};
use ssgan::checks::gemm;
use ssgan::ops::{Gemm, Operand, Ops, Right};

tests! {
    rows_unchecked: unchecked(gemm::rows);
    both_by_rows: unchecked(gemm::both_by_rows);
    columns_unchecked: unchecked(gemm::columns);
    // What out-of-range reads and writes would hide behind robustness elsewhere, and the other way round.
    checked: checked(gemm::few);
    epilogues: unchecked(gemm::epilogues);
    the_size_of_the_dnn: unchecked(gemm::the_size_of_the_dnn);
    folded_rows: unchecked(gemm::folded_rows);
    long_sums: unchecked(gemm::long_sums);
    long_sums_by_columns: unchecked(gemm::long_sums_by_columns);
}

#[test]
fn impossible_products_are_errors() {
    let gpu = open(true);
    let ops = Ops::new(&gpu);
    let t = gpu.tensor("t", 2, 3);
    let try_gemm = |m, n, k| {
        let (a, b) = ((&t, Operand::Rows), Right::Rows(&t));
        let (conv, epilogue, gradient_in) = Default::default();
        ops.gemm(
            &mut Default::default(),
            "test",
            Gemm { m, n, k, a, b, conv, out: &t, epilogue, gradient_in },
        )
    };
    assert!(try_gemm(1, 3, 2).is_ok());
    for (m, n, k) in [(0, 3, 2), (1, 0, 2), (1, 3, 0), (4, 1, 2), (1, 3, 3), (3, 3, 1)] {
        assert!(try_gemm(m, n, k).is_err(), "{m} x {n} x {k} with 6 values each");
    }
}
