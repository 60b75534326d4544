use super::*;
use crate::app::source::idx::tests::{file, gz, images, write_set};
use std::fs;
use std::io::Write;

/// A `.npy` of that type and shape.
fn npy_file(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(head.len() + 11).is_multiple_of(64) {
        head.push(' ');
    }
    head.push('\n');
    [&b"\x93NUMPY\x01\0"[..], &(head.len() as u16).to_le_bytes(), head.as_bytes(), data].concat()
}

fn npz_file(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let methods = [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored];
    for ((name, bytes), method) in arrays.iter().zip(methods.into_iter().cycle()) {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn set(path: &Path) -> Result<ImageSet> {
    read(path).map(|opened| opened.unwrap().set)
}

fn refused(path: &Path, expected: &str) {
    let e = set(path).unwrap_err();
    assert!(e.exit_code() == 4 && e.to_string().contains(expected), "{e}, expected {expected:?}");
}

/// In the style of MedMNIST: labels N x 1, one of them missing, a colour image of 2 x 2.
#[test]
fn npz_of_medmnist() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bloodmnist.npz");
    let colour: Vec<u8> = (0..36).collect();
    npz_file(
        &path,
        &[
            ("train_images", npy_file("|u1", "3, 2, 2, 3", &colour)),
            ("train_labels", npy_file("|u1", "3, 1", &[7, 255, 2])),
            ("val_images", npy_file("|u1", "1, 2, 2, 3", &colour[..12])),
            ("val_labels", npy_file("<i8", "1, 1", &7i64.to_le_bytes())),
            ("test_images", npy_file("|u1", "1, 2, 2, 3", &colour[12..24])),
            ("test_labels", npy_file(">i2", "1,", &2i16.to_be_bytes())),
        ],
    );
    let set = set(&path).unwrap();
    assert_eq!(
        (set.name.as_str(), set.policy.dims().channels, &set.train.pixels),
        ("bloodmnist", 3, &colour)
    );
    assert_eq!(set.class_names, ["2", "7"]);
    assert_eq!(set.train.labels, [Some(1), None, Some(0)]);
    assert_eq!((&set.validation.labels[..], &set.test.labels[..]), (&[Some(1)][..], &[Some(0)][..]));
    assert_eq!(set.train.paths[2], PathBuf::from("train_images#2"));
}

#[test]
fn npz_of_keras() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mnist.npz");
    let arrays = [
        ("x_train", npy_file("|u1", "2, 1, 2", &[1, 2, 3, 4])),
        ("y_train", npy_file("<i4", "2,", &[5, 0, 0, 0, 255, 255, 255, 255])),
    ];
    npz_file(&path, &arrays);
    let set = set(&path).unwrap();
    assert_eq!((set.train.labels, set.test.len()), (vec![Some(0), None], 0));
}

#[test]
fn broken_npz() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    fs::write(&path, "no zip at all").unwrap();
    refused(&path, "a.npz: no archive of NumPy arrays");
    let one = |name: &str, bytes: Vec<u8>| {
        npz_file(&path, &[(name, bytes)]);
    };
    one("images", npy_file("|u1", "1, 1, 1", &[1]));
    refused(&path, "no array train_images or x_train; there are images.npy");
    one("train_images", npy_file("<f4", "1, 1, 1", &[0; 4]));
    refused(&path, "train_images: numbers of the type <f4");
    one("train_images", npy_file("<u2", "1, 1, 1", &[0; 2]));
    refused(&path, "save them as uint8");
    one("train_images", npy_file("|u1", "1, 3, 2, 2", &[0; 12]));
    refused(&path, "of shape [1, 3, 2, 2]");
    one("train_images", npy_file("|u1", "9, 9, 9", &[0; 12]));
    refused(&path, "truncated: 729 bytes are needed, 12 there");
    one("train_images", npy_file("|u1", "99999999, 99999, 99999", &[0; 12]));
    refused(&path, "are more than 4294967296 bytes");
    one("train_images", npy_file("|u1", "x, 1, 1", &[0]));
    refused(&path, "a head that makes no sense");
    one("train_images", b"PK\x03\x04 something else".to_vec());
    refused(&path, "not a NumPy array");
    let labels = npy_file("|u1", "3,", &[1, 2, 3]);
    npz_file(&path, &[("train_images", npy_file("|u1", "2, 1, 1", &[1, 2])), ("train_labels", labels)]);
    refused(&path, "2 images and 3 labels do not belong together");
}

/// What is written is what NumPy writes, and is read again.
#[test]
fn written_arrays() {
    let few = [
        npz::Written { name: "a", kind: "<u2", shape: &[3], bytes: &[1, 0, 2, 0, 3, 1] },
        npz::Written { name: "b", kind: "|u1", shape: &[1, 2, 2], bytes: &[9, 8, 7, 6] },
    ];
    let bytes = npz::to_bytes(&few).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("few.npz");
    fs::write(&path, &bytes).unwrap();
    let [a, c, b] = npz::arrays(&path, ["a", "c", "b"]).unwrap().unwrap();
    let same = |read: &npz::Array, of: &npz::Written<'_>| {
        assert_eq!((read.kind.as_str(), &read.shape[..], &read.bytes[..]), (of.kind, of.shape, of.bytes));
    };
    same(a.as_ref().unwrap(), &few[0]);
    same(b.as_ref().unwrap(), &few[1]);
    assert_eq!(c, None);
    assert_eq!(npz::numbers(a.unwrap()).unwrap(), [1, 2, 259]);
    let mut archive = zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name("a.npy").unwrap(), &mut text).unwrap();
    assert_eq!(text, npy_file("<u2", "3,", &[1, 0, 2, 0, 3, 1]));
    assert!(npz::to_bytes(&[few[0], few[0]]).is_err());
}

/// Every byte of a head changed: an array or an error, never a panic.
#[test]
fn mutated_npy() {
    let good = npy_file("|u1", "2, 1, 2", &[1, 2, 3, 4]);
    for at in 0..good.len() {
        assert!(npz::npy(&good[..at]).is_err());
        for value in [0, 1, b'9', b'\'', b')', 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            if let Ok(array) = npz::npy(&bytes[..]) {
                assert!(array.bytes.len() <= 4);
            }
        }
    }
}

fn record(labels: &[u8], colours: [u8; 3]) -> Vec<u8> {
    let plane = |v: u8| vec![v; 1024];
    [labels, &plane(colours[0]), &plane(colours[1]), &plane(colours[2])].concat()
}

#[test]
fn cifar_10_and_100() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cifar-10-batches-bin");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    put("batches.meta.txt", b"airplane\nautomobile\nbird\n\n");
    put("data_batch_1.bin", &[record(&[2], [1, 2, 3]), record(&[0], [4, 5, 6])].concat());
    put("data_batch_3.bin", &record(&[255], [7, 8, 9]));
    put("test_batch.bin", &record(&[1], [9, 9, 9]));
    let ten = set(dir.path()).unwrap();
    assert_eq!((ten.name.as_str(), &ten.class_names[2]), ("cifar-10", &"bird".to_string()));
    assert_eq!(
        (ten.train.labels.clone(), ten.test.labels.clone()),
        (vec![Some(2), Some(0), None], vec![Some(1)])
    );
    assert_eq!(ten.train.pixels[..6], [1, 2, 3, 1, 2, 3]);
    put("data_batch_2.bin", &record(&[3], [0; 3]));
    refused(dir.path(), "label 3, but 3 classes have names");
    put("data_batch_2.bin", &[0; 100]);
    refused(dir.path(), "data_batch_2.bin: 100 bytes are no whole number of records of 3073");

    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    put("fine_label_names.txt", b"apple\nbeaver\n");
    put("train.bin", &record(&[0, 1], [1, 2, 3]));
    let hundred = set(dir.path()).unwrap();
    assert_eq!((hundred.name.as_str(), &hundred.train.labels[..]), ("cifar-100", &[Some(1)][..]));
}

/// A nested folder of MNIST's names keeps the folder's name; images of any size.
#[test]
fn idx_in_a_nested_folder() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("KMNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    write_set(&raw, [3, 2], [(4, 6), (4, 6)]);
    let kmnist = set(dir.path()).unwrap();
    assert_eq!((kmnist.name.as_str(), kmnist.policy.height, kmnist.policy.width), ("kmnist", 4, 6));
    assert_eq!((kmnist.train.labels, kmnist.test.len()), (vec![Some(0), Some(1), Some(2)], 2));
    write_set(&raw, [3, 2], [(4, 6), (6, 4)]);
    refused(dir.path(), "images of 6x4x1, the training images are 4x6x1");
    assert!(read(&dir.path().join("nothing")).unwrap().is_none());
}

/// Labels from 1 (EMNIST's letters), several sets in one folder, gzipped, images written column by column.
#[test]
fn idx_of_emnist() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    put("emnist-letters-train-images-idx3-ubyte.gz", &gz(&images(3, 2, 2)));
    put("emnist-letters-train-labels-idx1-ubyte.gz", &gz(&file(0x801, &[3], &[1, 26, 3])));
    let letters = set(dir.path()).unwrap();
    assert_eq!((letters.name.as_str(), letters.class_names.len()), ("emnist-letters", 3));
    assert_eq!(
        (letters.class_names[0].as_str(), letters.train.labels),
        ("1", vec![Some(0), Some(2), Some(1)])
    );
    assert_eq!(letters.train.pixels, [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11]);
    put("emnist-mnist-train-images-idx3-ubyte", &images(1, 3, 3));
    refused(dir.path(), "several sets of IDX files: give the images of one of them");
    let one = dir.path().join("emnist-mnist-train-images-idx3-ubyte");
    refused(dir.path(), &one.display().to_string());
    let one = set(&one).unwrap();
    assert_eq!(
        (&one.train.labels[..], &one.train.pixels[..]),
        (&[None][..], &[0, 3, 6, 1, 4, 7, 2, 5, 8][..])
    );
}

/// QMNIST: labels of 32 bits along two axes, of which the first column counts; -1 is none.
#[test]
fn idx_of_qmnist() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    let rows: Vec<u8> = [5i32, 77, -1, 78, 300, 79].iter().flat_map(|v| v.to_be_bytes()).collect();
    put("qmnist-train-images-idx3-ubyte", &images(3, 2, 2));
    put("qmnist-train-labels-idx2-int", &file(0xc02, &[3, 2], &rows));
    let qmnist = set(dir.path()).unwrap();
    assert_eq!(
        (qmnist.name.as_str(), &qmnist.class_names[..]),
        ("qmnist", &["5".to_string(), "300".into()][..])
    );
    assert_eq!(qmnist.train.labels, [Some(0), None, Some(1)]);
}

/// Four axes are colour; 255 of 8 bits is no label, but of 256 classes the last.
#[test]
fn idx_in_colour() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    put("train-images-idx4-ubyte", &file(0x804, &[2, 1, 2, 3], &(0..12).collect::<Vec<u8>>()));
    put("train-labels-idx1-ubyte", &file(0x801, &[2], &[255, 0]));
    let colour = set(dir.path()).unwrap();
    assert_eq!((colour.policy.channels, colour.train.labels), (3, vec![None, Some(0)]));
    put("train-labels-idx1-ubyte", &file(0x801, &[2], &[255, 254]));
    assert_eq!(set(dir.path()).unwrap().train.labels, [Some(1), Some(0)]);
    put("train-labels-idx1-ubyte", &file(0x803, &[2, 1, 1], &[255, 254]));
    refused(dir.path(), "labels lie along 1 or 2 axes, this file has 3");
    put("train-images-idx4-ubyte", &file(0x804, &[2, 1, 2, 5], &[0; 20]));
    refused(dir.path(), "images are unsigned bytes, N x H x W");
    put("train-images-idx4-ubyte", &file(0xd03, &[1, 1, 1], &[0; 4]));
    refused(dir.path(), "it has 32-bit floats along 3 axes; wanted are whole numbers along 1 to 4");
}

/// Nothing is tested on what was learnt: of a picture in two parts the one for testing stays.
#[test]
fn parts_of_packed_sets_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let arrays = [
        ("train_images", npy_file("|u1", "3, 1, 1", &[1, 2, 3])),
        ("train_labels", npy_file("|u1", "3,", &[0, 1, 0])),
        ("test_images", npy_file("|u1", "2, 1, 1", &[2, 4])),
        ("test_labels", npy_file("|u1", "2,", &[1, 0])),
    ];
    npz_file(&path, &arrays);
    let mut set = set(&path).unwrap();
    set.keep_parts_apart();
    assert_eq!((&set.train.pixels[..], &set.test.pixels[..]), (&[1, 3][..], &[2, 4][..]));
    assert_eq!(set.train.labels, [Some(0), Some(0)]);
    assert!(set.notes[0].starts_with("1 images are in two parts"), "{:?}", set.notes);
}

#[test]
fn matlab_files_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train_32x32.mat");
    fs::write(&path, b"MATLAB 5.0 MAT-file").unwrap();
    refused(&path, "write the arrays as .npz");
}

#[test]
fn equal_images_of_packed_sets_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let images = npy_file("|u1", "2, 1, 1", &[1, 1]);
    npz_file(&path, &[("train_images", images), ("train_labels", npy_file("|u1", "2,", &[0, 1]))]);
    let set = set(&path).unwrap();
    assert!(
        set.notes[0].starts_with("1 pairs of equal images have different labels: train_images#0 (0)"),
        "{:?}",
        set.notes
    );
}
