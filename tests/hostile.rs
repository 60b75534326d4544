//! Files that nobody should have to trust: every kind that the program reads, damaged in a thousand ways and cut at
//! every byte. A reader gives a value or an error that names what is wrong; it never panics, and what it takes for whole
//! is what was written.

use ssgan::app::report::png::Picture;
use ssgan::app::run::checkpoint;
use ssgan::app::run::history;
use ssgan::app::source::images::label_file::{self, Reading};
use ssgan::app::source::images::{decode, found, scan};
use ssgan::app::source::{idx, packed};
use ssgan::model::parse;
use ssgan::model::shape::{DataShape, Dims};
use ssgan::rng::{self, Counter};
use ssgan::train::checkpoint::{Checkpoint, TensorData};
use std::path::Path;

const CASES: u32 = 1000;

const MNIST: DataShape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };

/// Numbers of one case.
struct Draw {
    case: u32,
    at: u32,
}

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.at += 1;
        let [a, ..] = rng::block(99, Counter { stream: self.case, step: 0 }, self.at);
        ((u64::from(a) * n.max(1) as u64) >> 32) as usize
    }
}

/// `bytes` with one to four changes: bits, bytes, sizes that are absurd, parts gone, doubled or exchanged.
fn damaged(bytes: &[u8], case: u32) -> Vec<u8> {
    let mut d = Draw { case, at: 0 };
    let mut b = bytes.to_vec();
    for _ in 0..=d.below(4) {
        if b.is_empty() {
            return b;
        }
        let i = d.below(b.len());
        let len = 1 + d.below((b.len() - i).min(16));
        match d.below(8) {
            0 => b[i] ^= 1 << d.below(8),
            1 => b[i] = [0, 0xff, b'"', b'{', b'\n', b'9'][d.below(6)],
            2 => b[i..i + len].fill(0xff),
            3 => b[i..i + len].fill(0),
            4 => drop(b.drain(i..i + len)),
            5 => {
                let part = b[i..i + len].to_vec();
                b.splice(i..i, part);
            }
            6 => b.truncate(i),
            _ => {
                let j = d.below(b.len());
                b.swap(i, j);
            }
        }
    }
    b
}

/// Reads every damaged and every shortened version; `read` says whether it was taken for whole.
fn torment(name: &str, bytes: &[u8], shortened_may_do: bool, mut read: impl FnMut(&Path) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    assert!(read(&path), "{name}: what was written is not read");
    for n in 0..bytes.len() {
        std::fs::write(&path, &bytes[..n]).unwrap();
        let taken = read(&path);
        assert!(shortened_may_do || !taken, "{name}: {n} of {} bytes were taken for whole", bytes.len());
    }
    for case in 0..CASES {
        std::fs::write(&path, damaged(bytes, case)).unwrap();
        read(&path);
    }
}

#[test]
fn checkpoints() {
    let tensor = |name: &str, shape: &[usize]| {
        let values = (0..shape.iter().product::<usize>()).map(|i| i as f32 - 2.5).collect();
        TensorData { name: name.into(), shape: shape.to_vec(), values }
    };
    let metadata = [("format", "ssgan-1"), ("step", "7"), ("model_toml", "name = \"m\"")];
    let whole = Checkpoint {
        tensors: vec![tensor("discriminator.1.weight", &[2, 3]), tensor("discriminator.1.bias", &[2])],
        metadata: metadata.map(|(k, v)| (k.into(), v.into())).into(),
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    checkpoint::save(&whole, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    torment("a.safetensors", &bytes, false, |path| match checkpoint::load(path) {
        // The checksum tells apart what was written from what was not; a file that names neither it nor the format is
        // another program's.
        Ok(read) => {
            let raw = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
            let own = raw.contains("\"sha256\":\"") || raw.contains("\"format\":\"ssgan-1\"");
            assert!(!own || read.tensors == whole.tensors, "a damaged checkpoint was taken for whole");
            true
        }
        Err(e) => {
            assert!(e.to_string().contains("a.safetensors"), "{e}");
            false
        }
    });
}

#[test]
fn idx_files_plain_and_gzipped() {
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 3];
    images.extend(0..18);
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 5];
    labels.extend([1, 2, 3, 4, 5]);
    for (name, bytes, kind) in [("images", images, idx::Kind::Images), ("labels", labels, idx::Kind::Labels)]
    {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, &bytes).unwrap();
        torment(name, &bytes, false, |path| idx::read_file(path, kind).is_ok());
        torment(name, &gzip.finish().unwrap(), false, |path| idx::read_file(path, kind).is_ok());
    }
}

/// Pictures of people's own, in every format that is read.
#[test]
fn images() {
    let image = image::RgbImage::from_fn(6, 5, |x, y| image::Rgb([x as u8 * 40, y as u8 * 50, 99]));
    for ending in ["png", "jpg", "webp", "bmp", "tiff", "ppm", "gif"] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let format = image::ImageFormat::from_extension(ending).unwrap();
        image.write_to(&mut bytes, format).unwrap();
        torment(&format!("a.{ending}"), bytes.get_ref(), true, |path| {
            let _ = decode::size(path);
            decode::read_with(path, |_| ()).is_ok()
        });
    }
}

#[test]
fn label_files() {
    let csv = "path,label,split,status\n\"a, b.png\",cat,train,given\nc.png,,test,predicted\n";
    let json = r#"{"a.png": "cat", "b/c.png": null, "d.png": 7}"#;
    for (name, text) in [("labels.csv", csv), ("labels.json", json)] {
        torment(name, text.as_bytes(), true, |path| match label_file::read(path, Reading::default()) {
            Ok(file) => file.rows.len() > 1,
            Err(e) => {
                assert!(e.to_string().contains(name), "{e}");
                false
            }
        });
        // The same of a whole folder, where most paths lead nowhere.
        torment(name, text.as_bytes(), true, |path| {
            let _ = scan::scan(&found::Request { path: path.into(), ..Default::default() });
            true
        });
    }
}

#[test]
fn npz_archives() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let head = b"\x93NUMPY\x01\0\x3c\0{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 3)}";
    for (name, n) in [("train_images", 12u8), ("test_images", 12)] {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        let bytes: Vec<u8> = head.iter().copied().chain(0..n).collect();
        std::io::Write::write_all(&mut zip, &bytes).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    torment("a.npz", &bytes, false, |path| packed::read(path).is_ok_and(|set| set.is_some()));
}

#[test]
fn pictures() {
    let mut p = Picture::filled(7, 5, 3, 0);
    p.pixels.iter_mut().enumerate().for_each(|(i, v)| *v = i as u8);
    let bytes = p.encode().unwrap();
    // The end of the last chunk is not needed to know the pixels.
    torment("a.png", &bytes, true, |path| Picture::load(path).is_ok());
}

#[test]
fn model_files() {
    for (name, source) in parse::BUILT_IN {
        torment(&format!("{name}.toml"), source.as_bytes(), true, |path| {
            let Ok(text) = std::fs::read_to_string(path) else { return false };
            let whole = parse::parse(&text, "m.toml");
            whole.and_then(|spec| parse::check(&spec, &text, "m.toml", MNIST)).is_ok()
        });
    }
}

#[test]
fn settings_files() {
    for name in ["paper", "best", "quick"] {
        let source = std::fs::read(format!("assets/recipes/{name}.toml")).unwrap();
        torment(&format!("{name}.toml"), &source, true, |path| {
            std::fs::read_to_string(path)
                .is_ok_and(|text| ssgan::app::cli::check_settings(&text, "s.toml").is_ok())
        });
    }
}

#[test]
fn metrics() {
    let lines = r#"{"kind":"step","step":1,"loss_supervised":2.5,"accuracy_labelled":0.5,"loss_discriminator":null,"loss_unlabelled":0.5,"loss_generated":1.0,"loss_generator":0.1,"d_unlabelled":0.5,"d_generated":0.5}
{"kind":"step","step":2,"loss_supervised":2.25,"accuracy_labelled":0.5,"loss_discriminator":1.5,"loss_unlabelled":0.5,"loss_generated":1.0,"loss_generator":0.1,"d_unlabelled":0.5,"d_generated":0.5}
"#;
    torment("metrics.jsonl", lines.as_bytes(), true, |path| {
        let steps = history::load(path.parent().unwrap()).map_or(0, |h| h.steps.len());
        assert!(steps <= 3, "steps from nowhere");
        steps == 2
    });
}
