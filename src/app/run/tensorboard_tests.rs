use super::*;
use crate::app::atomic::fault;
use crate::app::report::png::Picture;
use crate::train::checkpoint::Checkpoint;
use crate::train::event::{EpochTime, TimeAt};
use std::collections::BTreeMap;
use std::sync::Arc;

const DIMS: Dims = Dims { height: 2, width: 2, channels: 1 };

fn step(n: u32) -> StepMetrics {
    StepMetrics::new(n, [2.0 / n as f32, 0.5, f32::NAN])
}

fn epoch(n: u32, at: u32) -> EpochMetrics {
    EpochMetrics {
        epoch: n,
        step: at,
        mean: step(at),
        test_accuracy: 0.5 + n as f32 / 8.0,
        test_accuracy_ema: 0.0,
        test_loss: 0.7,
        validation_accuracy: Some(0.25),
        validation_loss: None,
        time: EpochTime { seconds: 1.5, ms_per_step: 10.0, images_per_second: 100.0 },
    }
}

/// CRC-32C bit by bit, the polynomial 0x1EDC6F41 with its bits reversed.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 })
    })
}

/// The messages of a file up to the first that is cut off. The checksums of whole ones must be right.
fn messages(path: &Path) -> Vec<Message> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let check = |part: &[u8], said: &[u8]| {
        let crc = crc32c(part);
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked.to_le_bytes(), said, "{}", path.display());
    };
    let mut all = vec![];
    while let Some((head, after)) = rest.split_first_chunk::<12>() {
        check(&head[..8], &head[8..]);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        if after.len() < length + 4 {
            break;
        }
        check(&after[..length], &after[length..length + 4]);
        all.push(Message::decode(&after[..length]).unwrap());
        rest = &after[length + 4..];
    }
    all
}

/// The names of the files in a run's folder.
fn names(run: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(run.join(EVENTS)).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Steps and numbers of every curve, and the steps of the pictures, as TensorBoard shows them: from a restart on, what was
/// said of later steps counts no more.
fn shown(run: &Path) -> BTreeMap<String, Vec<(i64, f32)>> {
    let mut curves: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for name in names(run) {
        for (i, message) in messages(&run.join(EVENTS).join(name)).into_iter().enumerate() {
            assert_eq!(message.file_version.as_deref(), (i == 0).then_some(VERSION));
            assert!(message.wall_time > 1e9);
            if message.session_log.is_some_and(|log| log.status == proto::START) {
                curves.values_mut().for_each(|points| points.retain(|(step, _)| *step < message.step));
            }
            for value in message.summary.into_iter().flat_map(|s| s.value) {
                let image = value.image.map(|image| image.height as f32);
                let number = value.simple_value.or(image).unwrap();
                curves.entry(value.tag).or_default().push((message.step, number));
            }
        }
    }
    curves
}

fn begin(out: &Path, known: &History, asked: bool) -> Result<Option<EventFile>> {
    let mut run = match out.exists() {
        true => RunDir::reopen(out)?,
        false => RunDir::create(Some(out), "m", "d", "x = 1\n")?,
    };
    EventFile::begin(&mut run, known, asked)
}

/// Steps `from..=to`, two in an epoch, with everything that a run tells.
fn go_on(events: &mut EventFile, from: u32, to: u32) -> Result<()> {
    let checkpoint = Arc::<Checkpoint>::default();
    for n in from..=to {
        events.record(&Event::Steps(&[step(n)]))?;
        if n % 2 == 0 {
            events.record(&Event::Epoch(&epoch(n / 2, n)))?;
            events.record(&Event::Samples { epoch: n / 2, dims: DIMS, images: &[0.5; 16] })?;
            let time = TimeAt { epoch: n / 2 + 1, step: n, time: EpochTime::default() };
            events.record(&Event::Checkpoint { epoch: n / 2, time, checkpoint: &checkpoint })?;
        }
    }
    Ok(())
}

fn known(steps: u32) -> History {
    let epochs = (1..=steps / 2).map(|e| epoch(e, 2 * e)).collect();
    History { steps: (1..=steps).map(step).collect(), epochs, times: vec![] }
}

#[test]
fn records_have_the_checksums_of_tfrecords() {
    // The check value of CRC-32C, and the rotation of which 15 bits go to the front.
    assert_eq!((crc32c(b"123456789"), CRC32C.checksum(b"123456789")), (0xe306_9283, 0xe306_9283));
    assert_eq!(masked(b"123456789"), 0x2507_c60du32.wrapping_add(MASK));
}

#[test]
fn every_number_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let mut events = begin(&out, &History::default(), true).unwrap().unwrap();
    go_on(&mut events, 1, 4).unwrap();
    let curves = shown(&out);
    assert_eq!(curves["train/loss_supervised"], [(1, 2.0), (2, 1.0), (3, 2.0 / 3.0), (4, 0.5)]);
    // A number that is 0 is one; those that the run does not have are none.
    assert_eq!(curves["evaluation/test_accuracy_ema"], [(2, 0.0), (4, 0.0)]);
    assert_eq!(curves["evaluation/test_accuracy"], [(2, 0.625), (4, 0.75)]);
    assert_eq!(curves["evaluation/validation_accuracy"].len(), 2);
    assert_eq!(curves["time/ms_per_step"], [(2, 10.0), (4, 10.0)]);
    assert_eq!(curves["samples"].iter().map(|p| p.0).collect::<Vec<_>>(), [2, 4]);
    for absent in ["train/loss_discriminator", "train/loss_generator", "evaluation/validation_loss"] {
        assert!(!curves.contains_key(absent), "{absent}");
    }
    let [name] = &names(&out)[..] else { panic!("one file") };
    let all = messages(&out.join(EVENTS).join(name));
    let image = all.iter().find_map(|m| m.summary.as_ref()?.value[0].image.clone()).unwrap();
    let png = std::io::Cursor::new(&image.encoded_image_string);
    let picture = Picture::read(Path::new("samples"), png).unwrap();
    assert_eq!(picture, grid::grid(&[0.5; 16], DIMS));
    assert_eq!(
        (image.width, image.height, image.colorspace),
        (picture.width as i32, picture.height as i32, 1)
    );
}

/// Killed after step 5 with a record half-written, gone on with after step 4; nobody needs to ask again.
#[test]
fn a_run_that_goes_on_shows_no_step_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (out, whole) = (dir.path().join("run"), dir.path().join("whole"));
    go_on(&mut begin(&whole, &History::default(), true).unwrap().unwrap(), 1, 8).unwrap();
    go_on(&mut begin(&out, &History::default(), true).unwrap().unwrap(), 1, 5).unwrap();
    let first = out.join(EVENTS).join(&names(&out)[0]);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes.extend(&record(&of_step(&step(6)))[..30]);
    std::fs::write(&first, bytes).unwrap();
    go_on(&mut begin(&out, &known(4), false).unwrap().unwrap(), 5, 8).unwrap();
    assert_eq!(names(&out), ["events.out.tfevents.0001", "events.out.tfevents.0002"]);
    assert_eq!(shown(&out), shown(&whole));
    let marks = messages(&out.join(EVENTS).join("events.out.tfevents.0002"));
    assert_eq!(marks[1].step, 5, "the restart is where the steps go on");
}

#[test]
fn event_files_are_there_where_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (out, whole) = (dir.path().join("run"), dir.path().join("whole"));
    assert!(begin(&out, &History::default(), false).unwrap().is_none());
    assert!(!out.join(EVENTS).exists());
    // Asked for later, they tell what was before, but for the pictures.
    drop(RunDir::create(Some(&out), "m", "d", "").map(|mut run| run.keep()));
    go_on(&mut begin(&out, &known(4), true).unwrap().unwrap(), 5, 6).unwrap();
    go_on(&mut begin(&whole, &History::default(), true).unwrap().unwrap(), 1, 6).unwrap();
    let (mut late, mut whole) = (shown(&out), shown(&whole));
    assert_eq!((late.remove("samples").unwrap().len(), whole.remove("samples").unwrap().len()), (1, 3));
    assert_eq!(late, whole);
}

/// Whatever operation on the files fails, the error names a file, and the run that goes on shows what a whole one shows.
#[test]
fn a_fault_at_every_operation_loses_no_step() {
    let dir = tempfile::tempdir().unwrap();
    let (out, whole) = (dir.path().join("run"), dir.path().join("whole"));
    go_on(&mut begin(&whole, &History::default(), true).unwrap().unwrap(), 1, 6).unwrap();
    let mut faults = 0;
    for n in 0.. {
        let mut run = RunDir::create(Some(&out), "m", "d", "x = 1\n").unwrap();
        run.keep();
        drop(run);
        let mut events = begin(&out, &History::default(), true).unwrap().unwrap();
        go_on(&mut events, 1, 2).unwrap();
        fault::after(n, ErrorKind::StorageFull, true);
        let result = go_on(&mut events, 3, 4)
            .and_then(|()| begin(&out, &known(4), false))
            .and_then(|events| go_on(&mut events.unwrap(), 5, 6));
        if !fault::end() {
            result.unwrap();
            break;
        }
        faults += 1;
        assert_eq!(result.unwrap_err().exit_code(), 6, "operation {n}");
        go_on(&mut begin(&out, &known(2), false).unwrap().unwrap(), 3, 6).unwrap();
        assert_eq!(shown(&out), shown(&whole), "operation {n}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    assert!(faults > 15, "{faults} operations");
}
