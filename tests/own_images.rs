//! Images of one's own, as a user meets them: a folder in, a labelled folder out, through the program.

#[path = "common/small_data.rs"]
mod small_data;

use ssgan::app::report::png::Picture;
use ssgan::app::run::checkpoint;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Dense layers, which compile in seconds.
const MODEL: &str = r#"name = "m"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "gaussian_noise", sigma = 0.1 },
    { op = "dense", units = 32, weight_norm = "fixed", init = { normal = 0.1 } },
    { op = "relu", feature = true },
    { op = "dense", units = "classes", weight_norm = "trained", init = { normal = 0.1 } },
]
[generator]
latent = 4
layers = [
    { op = "dense", units = 16, bias = false },
    { op = "batch_norm" },
    { op = "softplus" },
    { op = "dense", units = "pixels" },
    { op = "sigmoid" },
]
"#;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        fs::write(bench.path("m.toml"), MODEL).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        self.run_in(self.0.path(), line)
    }

    fn run_in(&self, folder: &Path, line: &str) -> Output {
        self.command(folder, line).output().unwrap()
    }

    fn command(&self, folder: &Path, line: &str) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_ssgan"));
        c.current_dir(folder).env("SSGAN_CACHE_DIR", self.path("cache")).stdin(Stdio::null());
        c.args(line.split_whitespace());
        c
    }

    /// With a list on standard input.
    #[track_caller]
    fn succeeds_with(&self, list: &str, line: &str) {
        let mut c = self.command(self.0.path(), line);
        let c = c.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = c.spawn().unwrap();
        child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "`{line}`: {}", String::from_utf8_lossy(&out.stderr));
    }

    #[track_caller]
    fn succeeds(&self, line: &str) -> (String, String) {
        let out = self.run(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
        assert!(out.status.success(), "`{line}`: {}", text(&out.stderr));
        (text(&out.stdout), text(&out.stderr))
    }

    #[track_caller]
    fn fails(&self, line: &str, code: i32, words: &[&str]) {
        let out = self.run(line);
        let text = String::from_utf8_lossy(&out.stderr).to_string();
        assert_eq!(out.status.code(), Some(code), "`{line}`: {text}");
        assert!(!text.contains("panicked") && out.stdout.is_empty(), "`{line}`: {text}");
        for word in words {
            assert!(text.contains(word), "`{line}` does not say {word:?}: {text}");
        }
        assert!(!self.path("runs").exists(), "`{line}` left a run folder");
    }

    /// A picture of a class, gray or coloured: a bright bar whose place tells the class.
    fn picture(&self, name: &str, class: u32, number: u32, channels: u32) {
        let mut picture = Picture::filled(8, 8, channels, 0);
        for (i, pixel) in picture.pixels.chunks_exact_mut(channels as usize).enumerate() {
            let noise = (number.wrapping_mul(2_654_435_761) ^ (i as u32).wrapping_mul(40_503)) >> 5 & 31;
            let bright = if i as u32 / 8 == 2 * class { 200 } else { 0 };
            pixel.fill((noise + bright) as u8);
            pixel[0] = pixel[0].saturating_add((number % 40) as u8);
        }
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(&path).unwrap();
    }

    /// `few` labelled pictures of each of three classes and `many` without a label.
    fn photos(&self, few: u32, many: u32, channels: u32) {
        for number in 0..3 * few {
            let class = ["ant", "bee", "cow"][(number % 3) as usize];
            self.picture(&format!("photos/{class}/{number:04}.png"), number % 3, number, channels);
        }
        for number in 3 * few..3 * few + many {
            self.picture(&format!("photos/_unlabeled/{number:04}.png"), number % 3, number, channels);
        }
    }
}

/// IDX files in `d/`, of which no image is in both parts: it would be taken out of the training set.
fn set_of_two_parts(bench: &Bench, train: u32, test: u32) {
    small_data::set(&bench.path("d"), train, test);
    let file = bench.path("d/t10k-images-idx3-ubyte");
    let mut bytes = fs::read(&file).unwrap();
    bytes[16..].iter_mut().for_each(|v| *v = 255 - *v);
    fs::write(&file, bytes).unwrap();
}

/// The pictures of an IDX set as PNG files, in class folders or, where `classes` says no, unlabelled.
fn write_out(bench: &Bench, part: &str, to: &str, labelled: impl Fn(usize) -> bool) {
    let read = |name: &str, header: usize| fs::read(bench.path("d").join(name)).unwrap()[header..].to_vec();
    let images = read(&format!("{part}-images-idx3-ubyte"), 16);
    let labels = read(&format!("{part}-labels-idx1-ubyte"), 8);
    for (i, (pixels, label)) in images.chunks(64).zip(labels).enumerate() {
        let class = if labelled(i) { label.to_string() } else { "_unlabeled".into() };
        let folder = bench.path(to).join(class);
        fs::create_dir_all(&folder).unwrap();
        let picture = Picture { width: 8, height: 8, channels: 1, pixels: pixels.to_vec() };
        picture.save(&folder.join(format!("{i:05}.png"))).unwrap();
    }
}

/// Whether a table has a row of these cells.
fn has_row<const N: usize>(text: &str, cells: [&str; N]) -> bool {
    text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == cells)
}

/// Every tensor of the newest checkpoint, as bytes.
fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let file = ssgan::app::run::saved::resolve_checkpoint(run).unwrap();
    let saved = checkpoint::load(&file).unwrap();
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    saved.tensors.iter().map(|t| (t.name.clone(), bytes(&t.values))).collect()
}

/// A data set in IDX files and the same as PNG files in folders end in the same bytes: with all labels there and some of them
/// chosen, and with those alone there and all of them taken. So the labels of the other images are in no buffer that matters.
#[test]
fn folders_of_pictures_train_as_packed_files_do() {
    let bench = Bench::new();
    set_of_two_parts(&bench, 300, 60);
    let common = "--model m.toml --batch-size 64 --max-steps 6 --epochs 3 --quiet";
    bench.succeeds(&format!("train --dataset mnist --data-dir d --labels 20 --out idx {common}"));
    write_out(&bench, "train", "all/train", |_| true);
    write_out(&bench, "t10k", "all/test", |_| true);
    bench.succeeds(&format!("train all --labels 20 --out folders {common}"));
    assert!(tensors(&bench.path("idx")) == tensors(&bench.path("folders")), "class folders");
    let chosen: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("idx/labelled.json")).unwrap()).unwrap();
    let chosen: Vec<usize> =
        chosen["train"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as usize).collect();
    write_out(&bench, "train", "few/train", |i| chosen.contains(&i));
    write_out(&bench, "t10k", "few/test", |_| true);
    bench.succeeds(&format!("train few --out few-run {common}"));
    assert!(tensors(&bench.path("idx")) == tensors(&bench.path("few-run")), "twenty labels and no others");
    // Packed files without a name of their own.
    bench.succeeds(&format!("train d --labels 20 --out packed {common}"));
    assert!(tensors(&bench.path("idx")) == tensors(&bench.path("packed")), "the same files as one's own");
    // Labelled as files are: each image has the row of its picture, but for the path.
    bench.succeeds("label packed d --out of-packed --quiet --review --next 5");
    bench.succeeds("label packed all --out of-files --quiet");
    let rows = |out: &str, place: &dyn Fn(&str) -> (bool, usize)| -> Vec<((bool, usize), String)> {
        let table = fs::read_to_string(bench.path(out).join("labels.csv")).unwrap();
        let row =
            |line: &str| line.split_once(',').map(|(path, row)| (place(path), row.to_string())).unwrap();
        let mut rows: Vec<_> = table.lines().skip(1).map(row).collect();
        rows.sort();
        rows
    };
    let number = |text: &str| text.parse().unwrap();
    let packed = rows("of-packed", &|path| {
        assert!(path.starts_with("../d/"), "{path}");
        (path.contains("train"), number(path.rsplit('#').next().unwrap()))
    });
    let files =
        rows("of-files", &|path| (path.contains("/train/"), number(&path.rsplit('/').next().unwrap()[..5])));
    assert_eq!(packed.len(), 360);
    assert_eq!(packed, files);
    bench.fails(
        "label packed d --out classes --by-class copy",
        2,
        &["packed images are no files", "--by-class"],
    );
}

/// The two commands: what was found is told, labels are held out, the folder comes out labelled, and goes in again.
#[test]
fn a_folder_goes_in_and_comes_out_labelled() {
    let bench = Bench::new();
    bench.photos(10, 60, 3);
    let (_, told) = bench.succeeds("train photos --model m.toml --epochs 60 --out run");
    for words in ["6 of the 30 labels are held out", "90 images 3x8x8"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert!(has_row(&told, ["ant", "10"]) && has_row(&told, ["unlabelled", "60"]), "{told}");
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("run/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["class_names"], serde_json::json!(["ant", "bee", "cow"]));
    assert_eq!((&summary["held_out"], &summary["labels"]), (&true.into(), &24.into()));
    let (tested, _) = bench.succeeds("eval run --quiet");
    assert!(tested.contains("of 6 images whose labels were held out") && tested.contains("bee"), "{tested}");
    // By another name they are the same pixels, of which those are tested on that it has not learnt.
    fs::rename(bench.path("photos"), bench.path("pictures")).unwrap();
    let (sixth, told) = bench.succeeds("eval run pictures");
    fs::rename(bench.path("pictures"), bench.path("photos")).unwrap();
    assert!(sixth.contains("24 images left out, whose labels the run has learnt"), "{sixth}");
    assert!(told.contains("testing m on 6 images"), "{told}");
    let accuracy =
        |text: &str| text.lines().find(|line| line.starts_with("accuracy")).map(str::to_string).unwrap();
    assert_eq!(accuracy(&sixth), accuracy(&tested));
    bench.succeeds("label run photos --out labelled --quiet --by-class copy --review --next 5");
    let table = fs::read_to_string(bench.path("labelled/labels.csv")).unwrap();
    assert_eq!(table.lines().count(), 91, "{table}");
    let right = |line: &&str| {
        let number: usize = line[..line.find(".png").unwrap()].rsplit('/').next().unwrap().parse().unwrap();
        line.split(',').nth(1) == Some(["ant", "bee", "cow"][number % 3])
    };
    assert!(table.lines().skip(1).filter(right).count() >= 80, "{table}");
    assert_eq!(table.matches(",given,").count(), 30);
    assert!(bench.path("labelled/summary.json").is_file() && bench.path("labelled/review.html").is_file());
    assert_eq!(fs::read_to_string(bench.path("labelled/next.csv")).unwrap().lines().count(), 6);
    // The parts, put together, are the whole. What one part moves away another one would not find.
    bench.succeeds("label run photos --out whole --quiet");
    for i in 1..=2 {
        bench.succeeds(&format!("label run photos --out parts/{i} --quiet --shard {i}/2"));
    }
    bench.fails("label --out parts --merge parts/1", 2, &["--shard 2/2"]);
    bench.fails("label run photos --out parts --merge parts/1 parts/2", 2, &["--merge", "cannot be used"]);
    let (told, _) = bench.succeeds("label --out parts --merge parts/2 parts/1");
    assert!(told.replace('\\', "/").contains("parts/labels.csv"), "{told}");
    for name in ["labels.csv", "skipped.csv", "summary.json"] {
        let text = |out: &str| fs::read_to_string(bench.path(out).join(name)).unwrap();
        assert_eq!(text("parts"), text("whole"));
    }
    // Parts with folders of their own, put together above them.
    for i in 1..=2 {
        bench.succeeds(&format!("label run photos --out sorted/{i} --quiet --shard {i}/2 --by-class copy"));
    }
    bench.succeeds("label --out sorted --merge sorted/1 sorted/2");
    // The same picture in two classes, and in two parts.
    bench.picture("odd/train/ant/1.png", 0, 1, 1);
    bench.picture("odd/train/bee/1.png", 0, 1, 1);
    bench.picture("odd/train/bee/2.png", 1, 2, 1);
    bench.picture("odd/val/bee/2.png", 1, 2, 1);
    let (told, noted) = bench.succeeds("data info odd");
    for words in [
        "`train` refuses equal pictures with different labels: train/ant/1.png (ant)",
        "1 images are in two parts",
    ] {
        assert!(noted.replace('\\', "/").contains(words), "{noted}");
    }
    assert!(has_row(&told, ["bee", "1", "1"]), "{told}");
    fs::remove_file(bench.path("odd/train/bee/1.png")).unwrap();
    bench.fails("train odd", 4, &["not learnt from, which leaves no label of bee (", "label others"]);
    let (_, noted) = bench.succeeds("data info odd");
    assert!(noted.contains("`train` refuses this") && noted.contains("no label of bee"), "{noted}");
    bench.picture("odd/val/ant/3.png", 0, 3, 1);
    assert!(bench.succeeds("eval run odd").0.contains("2 test images"));
    let (told, _) = bench.succeeds("data info sorted");
    assert!(has_row(&told, ["unlabelled", "60", "0"]) && has_row(&told, ["images", "90", "0"]), "{told}");
    bench.fails(
        "label run photos --out moved --by-class move --shard 1/2",
        2,
        &["--by-class move", "hardlink"],
    );
    // A finished labelling is not written over, and what cannot be written into is refused before images are read.
    bench.fails("label run nowhere --out labelled", 6, &["labelled: the labelling in it is finished"]);
    bench.fails("label run nowhere --out m.toml", 6, &["m.toml is not empty", "--out"]);
    bench.fails("label run nowhere --out m.toml/labelled", 6, &["cannot write m.toml"]);
    // Images that the run never saw, of another size and in another order of classes.
    bench.picture("other/cow/a.png", 2, 7, 1);
    bench.picture("other/ant/b.png", 0, 8, 1);
    let (tested, told) = bench.succeeds("eval run other");
    assert!(told.contains("trained on photos") && !told.contains("learnt from"), "{told}");
    assert!(tested.contains("2 test images") && !tested.contains("left out"), "{tested}");
    bench.picture("other/dog/c.png", 2, 7, 1);
    let out = bench.run("eval run other --quiet");
    let said = String::from_utf8_lossy(&out.stderr).to_string();
    assert!(out.status.code() == Some(4) && said.contains("does not know the class dog"), "{said}");
    // The predictions are no labels that a model may learn from.
    let (_, told) = bench.succeeds("train labelled/labels.csv --model m.toml --max-steps 1 --out again");
    assert!(has_row(&told, ["unlabelled", "60"]), "{told}");
}

/// Images of equal names in a list are labelled each, and come each to a place of its own; those that are moved are all there
/// afterwards, also where two are equal.
#[test]
fn images_of_equal_names_stay_apart() {
    let bench = Bench::new();
    bench.photos(10, 20, 1);
    bench.succeeds("train photos --model m.toml --max-steps 1 --out run --quiet");
    let shots = ["DCIM/100/IMG_1.png", "DCIM/101/IMG_1.png", "DCIM/101/IMG_2.png"];
    for (shot, number) in shots.iter().zip([1, 1, 2]) {
        bench.picture(shot, 1, number, 1);
    }
    // The paths in a table without their class folders; each leads to an image.
    let below = |out: &str| -> Vec<String> {
        let table = fs::read_to_string(bench.path(out).join("labels.csv")).unwrap();
        let paths = table.lines().skip(1).map(|row| row.split(',').next().unwrap());
        let there = |path: &&str| bench.path(out).join(path).is_file();
        paths.filter(there).map(|path| path.split_once('/').unwrap().1.to_string()).collect()
    };
    let apart = ["100/IMG_1.png", "101/IMG_1.png", "101/IMG_2.png"];
    let (_, told) = bench.succeeds(&format!("label run {} --out copied --by-class copy", shots.join(" ")));
    assert!(told.contains("some images have equal names"), "{told}");
    assert_eq!(below("copied"), apart);
    bench.succeeds(&format!("label run {} {} --out two --by-class copy --quiet", shots[0], shots[2]));
    assert_eq!(below("two"), ["IMG_1.png", "IMG_2.png"], "no two are equal");
    // A list that names one of them twice.
    let list = format!("{}\n{}\n{}\nDCIM/100/../101/IMG_2.png\n", shots[0], shots[1], shots[2]);
    bench.succeeds_with(&list, "label run - --out listed --quiet");
    let listed = fs::read_to_string(bench.path("listed/labels.csv")).unwrap();
    assert_eq!(listed.matches("../DCIM/").count(), 3, "{listed}");
    bench.fails("label run - --out nothing", 4, &["no image is named"]);
    assert!(!bench.path("nothing").exists());
    bench.succeeds_with(&list, "label run - --out moved --by-class move --quiet");
    assert_eq!(below("moved"), apart);
    assert!(shots.iter().all(|shot| !bench.path(shot).exists()));
    let table = |out: &str| fs::read_to_string(bench.path(out).join("labels.csv")).unwrap();
    assert_eq!(table("moved"), table("copied"));
}

/// People train and label in the folder of their images: what is written there is no image the next time.
#[test]
fn what_the_program_writes_among_the_images_is_none_of_them() {
    let bench = Bench::new();
    bench.photos(10, 20, 1);
    fs::copy(bench.path("m.toml"), bench.path("photos/m.toml")).unwrap();
    let here = |line: &str| {
        let out = bench.run_in(&bench.path("photos"), line);
        let told = String::from_utf8_lossy(&out.stderr).to_string();
        assert!(out.status.success(), "`{line}`: {told}");
        told
    };
    let counted = |told: &str| {
        assert!(told.contains("50 images 1x8x8") && has_row(told, ["unlabelled", "20"]), "{told}");
        assert!(!has_row(told, ["runs", "0"]) && !has_row(told, ["labelled", "0"]), "{told}");
    };
    counted(&here("train . --model m.toml --epochs 1"));
    let runs: Vec<_> = fs::read_dir(bench.path("photos/runs")).unwrap().flatten().collect();
    assert_eq!(runs.len(), 1);
    let run = format!("runs/{}", runs[0].file_name().to_str().unwrap());
    here(&format!("train --resume {run} --epochs 2"));
    let told = here(&format!("label {run} . --out labelled --by-class copy"));
    assert!(
        told.contains("labelling 50 images")
            && told.contains("passed over, as written by ssgan (read where named itself): runs/"),
        "{told}"
    );
    assert!(!told.contains("other files") && !told.contains("does not know"), "{told}");
    // A picture of the generator's is none of them either.
    for line in [
        format!("sample {run} --out grid.png"),
        "data preview .".to_string(),
        format!("eval {run} --confusion ant/confusion.png"),
        "profile . --out ant".to_string(),
    ] {
        let out = bench.run_in(&bench.path("photos"), &line);
        let told = String::from_utf8_lossy(&out.stderr).to_string();
        assert!(
            out.status.code() == Some(2) && told.contains("would be taken for one of the images in"),
            "`{line}`: {told}"
        );
    }
    here(&format!("sample {run} --out {run}/grid.png"));
    here(&format!("sample {run} --out ../grid.png"));
    counted(&here("train . --model m.toml --epochs 1 --out runs/second"));
    counted(&here("train labelled --model m.toml --epochs 1 --out third"));
}

/// What the model asks for is filled in and trained on, beside what was given before, and is known to the next labelling; images
/// to test on are not learnt from on any round.
#[test]
fn labels_that_were_asked_for_are_trained_on() {
    let bench = Bench::new();
    for number in 0..90 {
        let class = number % 3;
        let folder = match number {
            0..15 => format!("train/{}", ["ant", "bee", "cow"][class as usize]),
            15..75 => "train/_unlabeled".into(),
            _ => format!("test/{}", ["ant", "bee", "cow"][class as usize]),
        };
        bench.picture(&format!("photos/{folder}/{number:04}.png"), class, number, 1);
    }
    bench.succeeds("train photos --model m.toml --epochs 5 --out run");
    let (told, _) = bench.succeeds("label run photos --out first --quiet --next 6");
    assert!(told.replace('\\', "/").contains("first/next.csv, then `ssgan train first`"), "{told}");
    let class = |path: &str| {
        ["ant", "bee", "cow"][path[path.len() - 8..path.len() - 4].parse::<usize>().unwrap() % 3]
    };
    let table = |out: &str| fs::read_to_string(bench.path(out).join("next.csv")).unwrap();
    let asked = |out: &str| -> Vec<String> {
        table(out).lines().skip(1).map(|row| row.split(',').next().unwrap().to_string()).collect()
    };
    let first = asked("first");
    assert!(first.len() == 6 && first.iter().all(|path| path.contains("_unlabeled")), "{first:?}");
    let fill = |row: &str| match row.split_once(",,") {
        Some((path, rest)) => format!("{path},{},{rest}\n", class(path)),
        None => format!("{row}\n"),
    };
    fs::write(bench.path("first/next.csv"), table("first").lines().map(fill).collect::<String>()).unwrap();
    let (_, told) = bench.succeeds("train first --model m.toml --epochs 5 --out again");
    assert_eq!(told.matches("next.csv: labels added: 6").count(), 1, "{told}");
    assert!(!told.contains("not used"), "{told}");
    assert!(has_row(&told, ["unlabelled", "54", "0"]), "{told}");
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("again/summary.json")).unwrap()).unwrap();
    assert_eq!((&summary["held_out"], &summary["labels"]), (&false.into(), &21.into()));
    bench.succeeds("label again first --out second --quiet --next 6");
    let labels = fs::read_to_string(bench.path("second/labels.csv")).unwrap();
    assert_eq!(labels.matches(",given,").count(), 36, "{labels}");
    assert_eq!(labels.lines().filter(|row| row.ends_with(",test")).count(), 15, "{labels}");
    assert!(asked("second").iter().all(|path| !first.contains(path)));
    // The program's own pictures may come to lie there, and no other table takes its place.
    bench.succeeds("data preview second --out second/preview.png --quiet");
    bench.fails("pick second", 2, &["its images lie elsewhere"]);
    // What is no class of the model stays what it is, and is not asked for again.
    let more = table("second");
    let [owl, none] = [1, 2].map(|i| more.lines().nth(i).unwrap().split(',').next().unwrap());
    let corrections = format!("path,label,status\n{owl},owl,given\n{none},,given\n");
    fs::write(bench.path("second/corrections.csv"), corrections).unwrap();
    let (told, _) = bench.succeeds("label again second --out third --quiet --next 6");
    assert!(told.contains("2 images with a label that the model does not know, or none"), "{told}");
    assert!(asked("third").iter().all(|path| path != owl && path != none), "{}", table("third"));
    let (told, _) = bench.succeeds("data info third");
    assert!(has_row(&told, ["owl", "1", "0"]), "{told}");
    bench.succeeds("label again photos second --out fourth --quiet");
    assert!(bench.succeeds("data info fourth").0.contains("owl"));
}

/// Without any label: the program says which images to begin with, one of each kind among few, and trains on them.
#[test]
fn a_folder_without_a_label_is_picked_from() {
    let bench = Bench::new();
    for number in 0..90 {
        bench.picture(&format!("flat/{number:04}.png"), number % 3, number, 1);
    }
    bench.fails("train flat", 4, &["no label for any of them", "ssgan pick"]);
    let (told, _) = bench.succeeds("pick flat --count 6 --out flat/labels.csv");
    assert!(told.contains("6 images of 90 to label first") && told.contains("ssgan train flat"), "{told}");
    bench.fails("train flat", 4, &["no label for any of them"]);
    let table = bench.path("flat/labels.csv");
    let class = |path: &str| ["ant", "bee", "cow"][path[..4].parse::<usize>().unwrap() % 3];
    let fill = |text: String| -> String {
        let row = |line: &str| match line.split(',').collect::<Vec<_>>()[..] {
            [path, "", share] => format!("{path},{},{share}\n", class(path)),
            _ => format!("{line}\n"),
        };
        text.lines().map(row).collect()
    };
    let filled = fill(fs::read_to_string(&table).unwrap());
    for name in ["ant", "bee", "cow"] {
        assert!(filled.contains(&format!(",{name},")), "{filled}");
    }
    fs::write(&table, &filled).unwrap();
    let (_, told) = bench.succeeds("train flat --model m.toml --epochs 2 --out run");
    assert!(has_row(&told, ["unlabelled", "84"]) && !told.contains("not used"), "{told}");
    // What is there is not written over, and of what is there nothing is lost in another table.
    bench.fails("pick flat --count 6 --out flat/labels.csv", 6, &["may have been filled in"]);
    let (more, _) = bench.succeeds("pick flat --count 4 --out more.csv --json --quiet");
    let more: serde_json::Value = serde_json::from_str(&more).unwrap();
    let paths = |key: &str| -> Vec<String> {
        more[key].as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap().into()).collect()
    };
    assert_eq!((paths("images").len(), paths("labelled").len(), &more["of"]), (4, 6, &90.into()));
    assert!(paths("images").iter().all(|path| !filled.contains(path)));
    // Written elsewhere it is as it must be in the folder, whose file of labels it takes the place of.
    let (told, _) = bench.succeeds("pick flat --count 4 --out more-2.csv --quiet");
    assert!(
        told.contains("it takes the place of") && told.contains("4 images of 90 to label first, which"),
        "{told}"
    );
    fs::write(bench.path("flat/labels.csv"), fill(fs::read_to_string(bench.path("more-2.csv")).unwrap()))
        .unwrap();
    let (told, _) = bench.succeeds("data info flat");
    assert!(has_row(&told, ["unlabelled", "80", "0"]), "{told}");
    // Through a pipe goes the page alone.
    if cfg!(unix) {
        let (page, _) = bench.succeeds("pick flat --count 4 --out /dev/stdout --quiet");
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"), "{page}");
    }
    // The page, again and again, but not over another one.
    for _ in 0..2 {
        bench.succeeds("pick flat --quiet");
    }
    assert!(fs::read_to_string(bench.path("pick.html")).unwrap().contains("data-path="));
    fs::write(bench.path("mine.html"), "<!doctype html><title>Mine</title>").unwrap();
    bench.fails("pick flat --out mine.html", 6, &["mine.html is there and is something else"]);
    bench.fails("pick flat --out labels.txt", 2, &["pages are HTML"]);
    bench.fails("pick flat --count 0", 2, &["--count"]);
    bench.fails("pick nowhere", 4, &["no such folder"]);
    bench.photos(1, 0, 1);
    bench.fails("pick photos", 4, &["every image to learn from has a label"]);
    bench.picture("parts/train/ant/1.png", 0, 1, 1);
    bench.picture("parts/test/ant/2.png", 0, 2, 1);
    bench.fails("pick parts", 2, &["images to test on", "train instead"]);
    bench.fails("pick flat/labels.csv", 2, &["is a file: give the folder"]);
    small_data::set(&bench.path("d"), 30, 6);
    bench.fails("pick d", 4, &["every image to learn from has a label"]);
}

/// Packed images without a label: what to label first, training, what to label next, and training again, by tables that name
/// their places.
#[test]
fn packed_images_are_labelled_from_round_to_round() {
    let bench = Bench::new();
    set_of_two_parts(&bench, 90, 12);
    let labels = bench.path("d/train-labels-idx1-ubyte");
    let known = fs::read(&labels).unwrap()[8..].to_vec();
    fs::remove_file(&labels).unwrap();
    let answer = |path: &str| known[path.rsplit_once('#').unwrap().1.parse::<usize>().unwrap()];
    let fill = |table: &str| {
        let row = |line: &str| match line.split_once(",,") {
            Some((path, rest)) => format!("{path},{},{rest}\n", answer(path)),
            None => format!("{line}\n"),
        };
        let text = fs::read_to_string(bench.path(table)).unwrap();
        fs::write(bench.path(table), text.lines().map(row).collect::<String>()).unwrap();
    };
    bench.fails("train d", 4, &["no label for any of them", "ssgan pick"]);
    let (told, _) = bench.succeeds("pick d --count 30 --out d/labels.csv");
    assert!(told.replace('\\', "/").contains("ssgan train d/labels.csv"), "{told}");
    fill("d/labels.csv");
    // Asked for more, it knows those.
    let (told, _) = bench.succeeds("pick d --count 5 --quiet");
    assert!(told.contains("30 labels already, which come along"), "{told}");
    let table = fs::read_to_string(bench.path("d/labels.csv")).unwrap();
    fs::write(bench.path("d/labels.csv"), table.clone() + "t10k-images-idx3-ubyte#3,7,\n").unwrap();
    bench.fails("pick d --quiet", 2, &["images to test on too"]);
    fs::write(bench.path("d/labels.csv"), table).unwrap();
    let summary = |run: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(bench.path(run).join("summary.json")).unwrap()).unwrap()
    };
    bench.succeeds("train d --model m.toml --epochs 5 --out run --quiet");
    assert_eq!((&summary("run")["labels"], &summary("run")["held_out"]), (&30.into(), &false.into()));
    let (told, _) = bench.succeeds("label run d --out first --quiet --next 6 --review");
    assert!(told.replace('\\', "/").contains("first/next.csv, then `ssgan train first`"), "{told}");
    fill("first/next.csv");
    let (_, told) = bench.succeeds("train first --model m.toml --epochs 5 --out again");
    assert!(told.contains("next.csv: labels added: 6"), "{told}");
    assert_eq!(&summary("again")["labels"], &36);
    let (_, told) = bench.succeeds("eval again first");
    assert!(!told.contains("trained on"), "{told}");
    bench.succeeds("label again first --out second --quiet --next 6");
    let labels = fs::read_to_string(bench.path("second/labels.csv")).unwrap();
    assert_eq!(labels.matches(",given,").count(), 36 + 12, "{labels}");
    bench.fails("pick first", 2, &["images to test on too"]);
}

/// What is tested on has a label: `test/` without any hides no labels of `val/`, and no image without one is lost.
#[test]
fn images_to_test_on_without_a_label_are_learnt_from() {
    let bench = Bench::new();
    for number in 0..40 {
        let class = number % 3;
        let name = ["ant", "bee", "cow"][class as usize];
        let folder = match number {
            0..30 => format!("train/{name}"),
            30..36 => format!("val/{name}"),
            _ => "test".into(),
        };
        bench.picture(&format!("photos/{folder}/{number:04}.png"), class, number, 1);
    }
    let summary = |run: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(bench.path(run).join("summary.json")).unwrap()).unwrap()
    };
    let (_, told) = bench.succeeds("train photos --model m.toml --epochs 2 --out run");
    for words in [
        "no image of test has a label: those of val are tested on",
        "4 images of test without a label are learnt from",
        "34 images 1x8x8",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    assert_eq!((&summary("run")["held_out"], &summary("run")["labels"]), (&false.into(), &30.into()));
    assert!(bench.succeeds("eval run photos").0.contains("6 test images"));
    // With one that has a label, that is tested on, and the others are learnt from, as are those of val/.
    bench.picture("photos/test/bee/0040.png", 1, 40, 1);
    let (told, noted) = bench.succeeds("data info photos");
    assert!(has_row(&told, ["images", "40", "1"]), "{told}");
    for words in ["the 6 images of val are learnt from without their labels", "4 images of test without a"] {
        assert!(noted.contains(words), "{words:?} is not in {noted}");
    }
    // With nothing else to test on, labels are held out, and are what is tested on again.
    for gone in ["val", "test/bee"] {
        fs::remove_dir_all(bench.path("photos").join(gone)).unwrap();
    }
    let (_, told) = bench.succeeds("train photos --model m.toml --epochs 2 --out held-out");
    assert!(told.contains("6 of the 30 labels are held out") && told.contains("34 images 1x8x8"), "{told}");
    let (tested, told) = bench.succeeds("eval held-out photos");
    assert!(tested.contains("24 images left out, whose labels the run has learnt"), "{tested}");
    assert!(told.contains("testing m on 6 images"), "{told}");
}

/// Half of them would be one, which a batch norm cannot learn from.
#[test]
fn two_or_three_images_train() {
    let bench = Bench::new();
    for (number, class) in ["ant", "bee", "_unlabeled"].iter().enumerate() {
        bench.picture(&format!("few/{class}/{number}.png"), number as u32 % 2, number as u32, 1);
        if number > 0 {
            let (_, told) =
                bench.succeeds(&format!("train few --model m.toml --epochs 2 --out run-{number}"));
            assert!(told.contains("2 epochs of 2 images a minibatch"), "{told}");
        }
    }
}

/// What `train` says to type for comparison learns from the same labels and is tested on the same images; and what it begins with
/// may have other classes.
#[test]
fn a_run_is_compared_with_what_is_like_it() {
    let bench = Bench::new();
    bench.photos(10, 20, 3);
    let chosen = "--image-size 6 --fit crop --channels 1 --hold-out 0.4 --augment none";
    let (result, _) = bench.succeeds(&format!("train photos --model m.toml --epochs 2 {chosen} --out run"));
    let line = result.lines().find_map(|line| {
        line.trim().strip_prefix("ssgan ")?.strip_suffix("    for comparison, by the labels alone")
    });
    let line = line.unwrap_or_else(|| panic!("{result}"));
    bench.succeeds(&format!("{line} --max-steps 1 --quiet --out alone"));
    for file in ["images.npz", "labelled.json"] {
        let [ours, theirs] = ["run", "alone"].map(|run| fs::read(bench.path(run).join(file)).unwrap());
        assert!(ours == theirs, "{file} after `{line}`");
    }
    fs::rename(bench.path("photos/ant"), bench.path("photos/wasp")).unwrap();
    let line = format!("train photos --model m.toml --max-steps 1 {chosen} --from run --out from");
    let (_, told) = bench.succeeds(&line);
    assert!(
        told.contains("stood for ant, bee, cow, in this order; now they stand for bee, cow, wasp"),
        "{told}"
    );
}

#[test]
fn folders_that_cannot_be_trained_on() {
    let bench = Bench::new();
    fs::create_dir(bench.path("empty")).unwrap();
    bench.fails("train empty", 4, &["no images", "nothing is in it"]);
    bench.fails("train nowhere", 4, &["nowhere", "no such folder"]);
    // What can be refused is, before images are read.
    fs::write(bench.path("file"), "").unwrap();
    fs::create_dir(bench.path("used")).unwrap();
    fs::write(bench.path("used/x"), "").unwrap();
    bench.fails("train nowhere --out used", 6, &["used is not empty", "--out"]);
    bench.fails("train nowhere --out file", 6, &["file is not empty", "--out"]);
    bench.fails("train nowhere --from typo", 6, &["typo"]);
    for number in 0..4 {
        bench.picture(&format!("flat/{number}.png"), 0, number, 1);
        bench.picture(&format!("one/ant/{number}.png"), 0, number, 1);
        bench.picture(&format!("layout/ant/{number}.png"), 0, number, 1);
        bench.picture(&format!("layout/test/{number}.png"), 1, number, 1);
    }
    bench.fails("train flat", 4, &["no label for any of them", "ssgan pick"]);
    bench.fails("train one", 4, &["\"ant\" is the only class"]);
    bench.fails("data preview one --test", 4, &["one has no test images: leave out --test"]);
    assert!(!bench.path("preview.png").exists());
    bench.fails("train layout", 4, &["test/", "rename it"]);
    bench.fails("train --image-size 16", 2, &["--image-size would do nothing", "images of your own"]);
    bench.fails("train flat --image-size 4096", 2, &["--image-size 4096: dnn", "weights"]);
    bench.fails("train flat --dataset mnist", 2, &["cannot be used with"]);
    bench.fails("train flat --hold-out 1", 2, &["from 0 to below 1"]);
    // A data set by name would be passed over beside images of a file, also of that of a run.
    fs::create_dir(bench.path("made")).unwrap();
    fs::copy(bench.path("m.toml"), bench.path("made/model.toml")).unwrap();
    fs::write(bench.path("made/config.toml"), "data = \"one\"\n").unwrap();
    for line in ["train --config made/config.toml --dataset mnist", "train --resume made --data-dir d"] {
        bench.fails(line, 2, &["would do nothing: the settings name images of your own"]);
    }
    fs::write(bench.path("flat/labels.csv"), "path,label\n0.png,ant\n1.png,bee\n7.png,bee\n").unwrap();
    bench.fails("train flat", 3, &["labels.csv", "7.png"]);
}

/// Of a class with fewer than five labels none is held out, and then nothing is known of the accuracy.
#[test]
fn one_label_of_each_class_is_enough() {
    let bench = Bench::new();
    bench.photos(1, 40, 1);
    let (result, told) = bench.succeeds("train photos --model m.toml --epochs 3 --out run");
    assert!(told.contains("no class has enough labels to hold one out"), "{told}");
    assert!(result.contains("the test accuracy is not known"), "{result}");
    let summary: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(bench.path("run/summary.json")).unwrap()).unwrap();
    assert!(summary["test_accuracy"].is_null() && summary["labels"] == 3, "{summary}");
    bench.succeeds("train --resume run --epochs 4 --quiet");
    let out = bench.run("eval run");
    assert_eq!(out.status.code(), Some(4), "{}", String::from_utf8_lossy(&out.stderr));
    let (result, told) = bench.succeeds("label run photos --out labelled");
    assert!(told.contains("not calibrated: no label was held out"), "{told}");
    assert!(result.contains("not calibrated: there are no held-out labels"), "{result}");
    // There is no other label in the folder than those that it has learnt.
    let out = bench.run("eval run photos");
    let told = String::from_utf8_lossy(&out.stderr).to_string();
    assert!(out.status.code() == Some(4) && told.contains("learnt the labels of all 3 images"), "{told}");
    // What is tested on, and what is labelled, need not be what is trained on.
    bench.picture("other/test/ant/900.png", 0, 900, 1);
    bench.picture("other/test/cow/901.png", 2, 901, 1);
    bench.fails("data info other", 4, &["test/ without train/"]);
    let (tested, _) = bench.succeeds("eval run other --json");
    let tested: serde_json::Value = serde_json::from_str(&tested).unwrap();
    assert_eq!(tested["test_images"], 2, "{tested}");
    bench.picture("other/monday/902.png", 1, 902, 1);
    bench.succeeds("label run other --out other-labelled --quiet");
    let labels = fs::read_to_string(bench.path("other-labelled/labels.csv")).unwrap();
    assert_eq!(labels.lines().count(), 4, "{labels}");
}

/// What a run is tested and calibrated with lies in its folder: that of the images may grow, move, and be labelled further.
#[test]
fn a_run_keeps_what_it_is_tested_on() {
    let bench = Bench::new();
    bench.photos(40, 12, 1);
    bench.succeeds("train photos --model m.toml --epochs 20 --out run --quiet");
    let summary = |out: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(bench.path(out).join("summary.json")).unwrap()).unwrap()
    };
    bench.succeeds("label run photos --out before --quiet --target-precision 0.9");
    let (tested, _) = bench.succeeds("eval run --quiet");
    fs::rename(bench.path("photos"), bench.path("pictures")).unwrap();
    bench.picture("pictures/_unlabeled/new.png", 1, 1000, 1);
    bench.picture("pictures/cow/new.png", 2, 1001, 1);
    bench.succeeds("label run pictures --out after --quiet --target-precision 0.9");
    let (before, after) = (summary("before"), summary("after"));
    assert!(before["calibrated"] == true && before["held_out"] == 24, "{before}");
    for key in ["temperature", "held_out", "threshold", "precision"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_eq!(bench.succeeds("eval run --quiet").0, tested);
    // With weights that have learnt the labels of what is held out now, and of more than this run learns.
    let (_, told) =
        bench.succeeds("train pictures --from run --model m.toml --epochs 1 --label-seed 2 --out more");
    assert!(
        told.contains("these weights have learnt the labels of") && told.contains("of the 24 test images"),
        "{told}"
    );
    let of = |line: &str| -> serde_json::Value { serde_json::from_str(&bench.succeeds(line).0).unwrap() };
    let (both, own) = (of("eval more pictures --json"), of("eval more --json"));
    assert!(both["left_out"].as_u64() > Some(97) && both["test_images"].as_u64() < Some(24), "{both}");
    assert_eq!((&both["test_images"], &both["accuracy"]), (&own["test_images"], &own["accuracy"]));
    // All of it was learnt before.
    bench.succeeds("train pictures --from run --model m.toml --max-steps 1 --hold-out 0 --out all --quiet");
    bench.succeeds("train pictures --from all --model m.toml --max-steps 1 --out none --quiet");
    bench.fails(
        "eval none",
        4,
        &["began with had learnt the labels of all test images of pictures: name images"],
    );
    // By a checkpoint as well, and not by one that has left its folder.
    bench.succeeds("eval run/checkpoints/epoch-20.safetensors --quiet");
    fs::copy(bench.path("run/checkpoints/epoch-20.safetensors"), bench.path("gone.safetensors")).unwrap();
    let (_, told) =
        bench.succeeds("train pictures --from gone.safetensors --model m.toml --max-steps 1 --out more2");
    assert!(told.contains("not all labels that these weights have learnt are known"), "{told}");
    bench.fails(
        "label gone.safetensors pictures --out b --target-precision 0.9",
        4,
        &["photos", "the run's own folder"],
    );
    let (_, told) = bench.succeeds("label gone.safetensors pictures --out bare");
    assert!(told.contains("not calibrated") && told.contains("photos"), "{told}");
    let file = bench.path("run/images.npz");
    let half = fs::read(&file).unwrap();
    fs::write(&file, &half[..half.len() / 2]).unwrap();
    bench.fails("eval run", 7, &["images.npz", "damaged"]);
}
