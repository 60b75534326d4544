use super::*;
use crate::train::checkpoint::TensorData;
use safetensors::tensor::Dtype;
use std::path::PathBuf;

fn small() -> Checkpoint {
    let t = |name: &str, shape: &[usize], values: &[f32]| TensorData {
        name: name.into(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    let metadata = [("step", "7"), ("model", "dnn"), ("odd", "\"\\\n\u{1}é")];
    Checkpoint {
        tensors: vec![
            t("z.weight", &[2, 3], &[1.0, -2.5, f32::MIN_POSITIVE, -0.0, 1e30, 6.0]),
            t("a.bias", &[1], &[f32::NAN]),
            t("scalar", &[], &[3.0]),
            t("empty", &[0, 4], &[]),
        ],
        metadata: metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
    }
}

fn bits(c: &Checkpoint) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let of =
        |t: &TensorData| (t.name.clone(), t.shape.clone(), t.values.iter().map(|v| v.to_bits()).collect());
    c.tensors.iter().map(of).collect()
}

fn saved() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    save(&small(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (dir, path, bytes)
}

fn file_of(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn round_trip_keeps_order_bits_and_metadata() {
    let (_dir, path, _) = saved();
    let back = load(&path).unwrap();
    let name_order = |c: &Checkpoint| c.tensors.iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(name_order(&back), name_order(&small()));
    assert_eq!(bits(&back), bits(&small()));
    assert_eq!(back.metadata, small().metadata);
}

#[test]
fn equal_content_gives_equal_bytes() {
    let (_dir, path, first) = saved();
    for _ in 0..8 {
        save(&load(&path).unwrap(), &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }
}

#[test]
fn every_truncation_is_refused() {
    let (_dir, path, bytes) = saved();
    for n in 0..bytes.len() {
        std::fs::write(&path, &bytes[..n]).unwrap();
        let e = load(&path).expect_err(&format!("accepted {n} of {} bytes", bytes.len()));
        assert_eq!(e.exit_code(), 7, "{n}: {e}");
    }
    std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert!(load(&path).is_err(), "accepted a trailing byte");
}

#[test]
fn hostile_headers_are_refused() {
    let entry = |shape: &str, a: u64, b: u64| {
        format!("\"t\":{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{a},{b}]}}")
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("2^60 header", [&(1u64 << 60).to_le_bytes()[..], b"{}"].concat()),
        ("2^64-1 header", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        ("out of range", file_of(&format!("{{{}}}", entry("2", 0, 8)), 4)),
        ("backwards", file_of(&format!("{{{}}}", entry("1", 8, 4)), 8)),
        ("shape overflow", file_of(&format!("{{{}}}", entry("4294967296,4294967296,4294967296", 0, 4)), 4)),
        ("shape and size differ", file_of(&format!("{{{}}}", entry("2", 0, 4)), 4)),
        ("hole", file_of(&format!("{{{}}}", entry("1", 4, 8)), 8)),
        (
            "overlap",
            file_of(&format!("{{{},{}}}", entry("2", 0, 8), entry("2", 4, 12).replace("\"t\"", "\"u\"")), 12),
        ),
        ("wrong dtype", file_of(&format!("{{{}}}", entry("1", 0, 4).replace("F32", "I32")), 4)),
        ("unknown dtype", file_of(&format!("{{{}}}", entry("1", 0, 4).replace("F32", "Q9")), 4)),
        ("not JSON", file_of("{\"t\":", 4)),
        ("deep JSON", file_of(&"[".repeat(100_000), 0)),
        ("not UTF-8", [&2u64.to_le_bytes()[..], &[b'{', 0xff]].concat()),
        ("array", file_of("[]", 0)),
        ("metadata not text", file_of("{\"__metadata__\":{\"a\":1}}", 0)),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    for (what, bytes) in cases {
        std::fs::write(&path, bytes).unwrap();
        let e = load(&path).expect_err(what);
        assert_eq!(e.exit_code(), 7, "{what}: {e}");
        assert!(e.to_string().contains("a.safetensors"), "{what}: {e}");
    }
    assert_eq!(load(dir.path()).unwrap_err().exit_code(), 7);
    assert_eq!(load(&dir.path().join("none")).unwrap_err().exit_code(), 6);
}

#[test]
fn what_no_file_can_hold_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let mut twice = small();
    twice.tensors[1].name = "z.weight".into();
    let mut reserved = small();
    reserved.tensors[1].name = "__metadata__".into();
    let mut short = small();
    short.tensors[0].values.pop();
    for c in [twice, reserved, short] {
        assert_eq!(save(&c, &path).unwrap_err().exit_code(), 7);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn get_names_the_tensor_and_both_shapes() {
    let c = small();
    assert_eq!(c.get("z.weight", &[2, 3]).unwrap().len(), 6);
    let e = in_file(Path::new("x.st"))(c.get("z.weight", &[3, 2]).unwrap_err()).to_string();
    assert!(e.contains("x.st") && e.contains("[2, 3]") && e.contains("[3, 2]"), "{e}");
    assert!(c.get("nope", &[1]).unwrap_err().to_string().contains("nope"));
    assert!(c.meta("nope").is_err());
}

#[test]
fn other_writers_files_are_read() {
    let data: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &data).unwrap();
    let bytes = safetensors::serialize([("w", view)], None).unwrap();
    let back = Checkpoint::parse(&bytes).unwrap();
    assert_eq!(back.get("w", &[2]).unwrap(), [1.0, 2.0]);
}
