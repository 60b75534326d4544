use super::*;
use crate::ops::Operand;

#[test]
fn shapes() {
    let p = product("512x1000x784", true).unwrap();
    assert_eq!((p.size, p.a), ((512, 1000, 784), Operand::Columns));
    assert_eq!(bench::cost(&p), (802_816_000, 4 * (512 * 784 + 784_000 + 512_000)));
    for bad in ["", "1x2", "0x1x1", "1x2x3x4", "1x2xa", "1x2x1000001", "-1x2x3"] {
        assert_eq!(product(bad, false).unwrap_err().exit_code(), 2, "{bad:?}");
    }
}
