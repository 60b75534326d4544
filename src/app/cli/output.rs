//! What leaves the program: results on standard output, files where they were asked for, the one error on standard error.

use crate::app::doctor;
use crate::app::export::onnx;
use crate::app::run::settings::with_flags;
use crate::app::source::images::would_be_read;
use crate::error::{Error, Result};
use crate::gpu;
use crate::model::shape::Dims;
use serde::Serialize;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Writes text to standard output, all of it. A reader that went away (`ssgan ... | head`) is no failure, and hides none.
///
/// # Errors
/// [`Error::Io`].
pub fn print(text: &str) -> Result<()> {
    print_to_reader(text).map(drop)
}

/// As [`print()`]; whether there is still a reader.
///
/// # Errors
/// As [`print()`].
pub fn print_to_reader(text: &str) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::io("write", "standard output")(e)),
    }
}

/// Characters across the terminal on standard output; `None` if it is none.
pub fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes one indented JSON document to standard output. NaN and infinities become null.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&crate::app::text::json("the result", value)?)
}

/// A path for JSON, which is Unicode: what is not comes as U+FFFD, where serde would refuse it.
pub fn path(path: &Path) -> String {
    path.display().to_string()
}

/// Prints `error: ...` with its causes to standard error and gives the exit status.
pub fn fail(e: &Error) -> ExitCode {
    let mut text = format!("error: {}", said(e));
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        // Most of our messages already end in their cause.
        if !text.contains(&inner_text) {
            text += &format!("\n  because: {inner_text}");
        }
        cause = inner.source();
    }
    crate::app::report::progress::say(&text);
    ExitCode::from(match e {
        Error::Interrupted(_) => crate::app::run::interrupt::exit_code(),
        e => e.exit_code(),
    })
}

/// An error as the command line says it. The engine, which knows neither flags nor commands, names settings by their keys.
fn said(e: &Error) -> String {
    let text = match e {
        Error::Usage(_) | Error::Adapter(_) | Error::Gpu(_) | Error::DeviceLost(_) | Error::Diverged(_) => {
            with_flags(&e.to_string())
        }
        // The others are of files, which have the keys.
        _ => return e.to_string(),
    };
    // Some list the adapters themselves.
    let to_choose = matches!(e, Error::Adapter(_)) && text.contains("`--adapter`");
    if to_choose && !text.contains("there is: ") {
        return text + " (`ssgan adapters --json`)";
    }
    match text.ends_with(gpu::install_hint()) {
        true => text + doctor::install_command(),
        false => text,
    }
}

/// What a command writes where it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PNG.
    Picture,
    /// SVG.
    Drawing,
    /// A traced step, safetensors.
    Trace,
    /// A timeline for Perfetto, JSON.
    Timeline,
    /// An exported classifier, ONNX.
    Onnx,
    /// A page to label images on, HTML.
    Page,
    /// A table to fill in, CSV.
    Table,
}

impl Kind {
    /// What its files are, and how their names must end: where the ending would mean another format.
    fn ending(self) -> Option<(&'static str, &'static str)> {
        match self {
            Kind::Picture => Some(("pictures are PNG", "png")),
            Kind::Drawing => Some(("drawings are SVG", "svg")),
            Kind::Onnx => Some(("models for other programs are ONNX", "onnx")),
            Kind::Page => Some(("pages are HTML", "html")),
            Kind::Table => Some(("tables are CSV", "csv")),
            Kind::Trace | Kind::Timeline => None,
        }
    }

    /// What a file is that is not to be lost.
    fn other(self) -> &'static str {
        match self {
            Kind::Table => "may have been filled in",
            _ => "is something else",
        }
    }

    /// Whether a file that begins like this is of the kind. Of an empty one nothing is lost.
    fn is(self, begin: &[u8]) -> bool {
        let holds = |text: &str| begin.windows(text.len()).any(|w| w == text.as_bytes());
        begin.is_empty()
            || match self {
                Kind::Picture => begin.starts_with(b"\x89PNG"),
                Kind::Drawing => begin.starts_with(b"<"),
                Kind::Trace => holds("\"format\":\"ssgan-trace-"),
                Kind::Timeline => holds("\"traceEvents\""),
                Kind::Onnx => onnx::is_ours(begin),
                Kind::Page => holds("<title>What to label first</title>"),
                // Somebody may have filled it in.
                Kind::Table => false,
            }
    }
}

/// Refuses a picture that would be one of the user's images from then on, which lie in `images`.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_apart(file: &Path, images: Option<&Path>) -> Result<()> {
    match images.filter(|images| would_be_read(images, file)) {
        None => Ok(()),
        Some(images) => Err(Error::Usage(format!(
            "{} would be taken for one of the images in {}: write it to another folder",
            file.display(),
            images.display()
        ))),
    }
}

/// Largest height and width of many images in one picture, before small ones are enlarged.
const MAX_SIDE: u64 = 8192;

/// Refuses so many images in one picture that it would be too large.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_grid(count: usize, image: Dims) -> Result<()> {
    let side = u64::from(image.height.max(image.width)) * (count as f64).sqrt().ceil() as u64;
    if side <= MAX_SIDE {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--count {count}: a picture {side} pixels wide or high; at most {MAX_SIDE} are drawn"
    )))
}

/// Whether a command's file goes to standard output, where no words may follow it.
pub fn is_standard_output(file: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|path| file == Path::new(path))
}

/// Refuses a file that goes where the result does.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_not_the_result(file: &Path) -> Result<()> {
    match is_standard_output(file) {
        false => Ok(()),
        true => Err(Error::Usage(format!(
            "{}: the result goes to standard output; name another file for this",
            file.display()
        ))),
    }
}

/// Where files are that a shell has opened.
const OPENED: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];

/// Bytes in which a trace's metadata name the format.
const BEGIN: u64 = 4 << 20;

/// Refuses, before the work that it is for, a file that cannot be written, whose name ends like that of another format, or
/// in whose place something else is.
///
/// # Errors
/// [`Error::Usage`] naming the folder or the ending, [`Error::Io`] where nothing can be written, [`Error::Output`] for what
/// would be lost.
pub fn check_file(file: &Path, kind: Kind) -> Result<()> {
    let name = file.display();
    let there = std::fs::metadata(file);
    // To a device, a pipe, or what a shell has opened it goes as it is.
    let opened = OPENED.iter().any(|path| file.starts_with(path));
    if opened || there.as_ref().is_ok_and(|t| !t.is_file() && !t.is_dir()) {
        return Ok(());
    }
    if there.as_ref().is_ok_and(|t| t.is_dir()) {
        return Err(Error::Usage(format!("{name} is a folder: name a file in it")));
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|f| !f.is_dir()) {
        return Err(Error::Usage(format!("{name}: there is no folder {}", folder.display())));
    }
    if let Some((what, ending)) = kind.ending()
        && !file.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
    {
        let instead = file.with_extension(ending);
        return Err(Error::Usage(format!("{name}: {what}; name it {}", instead.display())));
    }
    if there.is_ok_and(|t| t.is_file()) {
        let mut begin = vec![];
        let read = std::fs::File::open(file).and_then(|f| f.take(BEGIN).read_to_end(&mut begin));
        read.map_err(Error::io("read", file))?;
        if !kind.is(&begin) {
            return Err(Error::Output(format!("{name} is there and {}: give another name", kind.other())));
        }
    }
    // A link stays one.
    let target = dunce::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    crate::app::atomic::temporary_beside(&target).map(drop).map_err(Error::io("write", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine's words for settings become the command line's, and nothing else changes.
    #[test]
    fn errors_of_the_engine_name_flags() {
        for (text, spoken) in [
            ("try `batch_size = 240` (adapter A)", "try `--batch-size 240` (adapter A)"),
            ("use `generator_loss = feature_matching`", "use `--generator-loss feature-matching`"),
            ("smaller `learning_rate` or another `seed`", "smaller `--learning-rate` or another `--seed`"),
            ("`precision = f32`", "`--precision f32`"),
            ("`train` and `p` are none, nor is seed, `seed", "`train` and `p` are none, nor is seed, `seed"),
        ] {
            assert_eq!(with_flags(text), spoken);
        }
        let adapter = said(&Error::Adapter("choose another `adapter`".into()));
        assert!(adapter.contains("another `--adapter` (`ssgan adapters --json`)"), "{adapter}");
        let listed = said(&Error::Adapter("there is: A; choose one of these as `adapter`".into()));
        assert!(listed.ends_with("these as `--adapter`"), "{listed}");
        let none = said(&Error::Adapter(format!("none found; {}", gpu::install_hint())));
        if cfg!(target_os = "linux") {
            assert!(none.contains("apt-get install"), "{none}");
        }
        // A line of a file has the key.
        let reason = "missing `seed`".to_string();
        assert!(said(&Error::Text { file: "c.toml".into(), line: 1, reason }).ends_with("missing `seed`"));
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            dir.path().join(name)
        };
        let trace = b"\x10\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"ssgan-trace-1\"}}";
        let checkpoint = b"\x10\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"ssgan-1\"}}";
        assert!(check_file(&file("a.png", b"\x89PNG..."), Kind::Picture).is_ok());
        assert!(check_file(&file("a.safetensors", trace), Kind::Trace).is_ok());
        assert!(check_file(&file("empty.json", b""), Kind::Timeline).is_ok());
        assert!(check_file(&file("a.st", trace), Kind::Trace).is_ok());
        assert!(check_file(&dir.path().join("new.PNG"), Kind::Picture).is_ok());
        assert!(check_file(&file("ours.onnx", b"\x08\x08\x12\x05ssgan\x1a\x050.1.0"), Kind::Onnx).is_ok());
        let folder = dir.path().join("f.png");
        std::fs::create_dir(&folder).unwrap();
        for (path, kind, code) in [
            (file("b.safetensors", checkpoint), Kind::Trace, 6),
            (file("b.png", b"epochs = 3"), Kind::Picture, 6),
            (file("config.toml", b"epochs = 3"), Kind::Picture, 2),
            (file("c.safetensors", checkpoint), Kind::Picture, 2),
            (dir.path().join("none/d.png"), Kind::Picture, 2),
            (dir.path().join("plot.svg"), Kind::Picture, 2),
            (file("summary.json", b"{\"steps\": 3}"), Kind::Timeline, 6),
            (file("theirs.onnx", b"\x08\x08\x12\x07pytorch\x1a\x053.0.0"), Kind::Onnx, 6),
            (file("d.onnx", checkpoint), Kind::Onnx, 6),
            (file("labels.csv", b"path,label,share\n1.png,ant,0.5\n"), Kind::Table, 6),
            (file("theirs.html", b"<!doctype html><title>Mine</title>"), Kind::Page, 6),
            (file("labels.tsv", b""), Kind::Table, 2),
            (file("d.safetensors", checkpoint), Kind::Onnx, 2),
            (folder, Kind::Picture, 2),
        ] {
            let before = std::fs::read(&path).ok();
            let e = check_file(&path, kind).unwrap_err();
            assert_eq!(e.exit_code(), code, "{}: {e}", path.display());
            assert_eq!(std::fs::read(&path).ok(), before);
        }
        if cfg!(unix) {
            assert!(check_file(Path::new("/dev/null"), Kind::Picture).is_ok());
        }
    }

    /// What a shell has opened is written to as it is, and no other file below `/dev`, such as those of `/dev/shm`.
    #[test]
    fn files_that_are_not_looked_at() {
        for file in ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1"] {
            assert!(check_file(Path::new(file), Kind::Table).is_ok(), "{file}");
        }
        assert_eq!(check_file(Path::new("/dev/none/labels.csv"), Kind::Table).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn pictures_have_a_largest_side() {
        let of = |side: u32, count: usize| {
            check_grid(count, Dims { height: side, width: 1, channels: 1 }).map_err(|e| e.exit_code())
        };
        assert_eq!([of(28, 10_000), of(2048, 16), of(8192, 1)], [Ok(()); 3]);
        assert_eq!([of(2048, 17), of(82, 10_000), of(4096, 10_000)], [Err(2); 3]);
    }
}
