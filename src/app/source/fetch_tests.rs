//! Downloads against a small HTTP server on this machine.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::app::source::idx::Kind;
use crate::app::source::idx::tests::{gz, images, labels};

/// Serves `/good/`, `/again/` (recompressed), `/wrong/`, `/cut/` and `/endless/`; 404 for the rest.
/// Returns the address; the thread ends with the process.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|s| drop(answer(s))));
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let (mirror, name) = path.split_once('/').unwrap_or((path, ""));
    let file = bytes_of(name.trim_end_matches(".gz"));
    let head = |n: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n");
    let send = |stream: &mut TcpStream, body: &[u8], announced: usize| {
        stream.write_all(head(announced).as_bytes())?;
        stream.write_all(body)
    };
    match mirror {
        "good" => send(&mut stream, &gz(&file), gz(&file).len()),
        "again" => {
            let again = [gz(&file[..9]), gz(&file[9..])].concat();
            send(&mut stream, &again, again.len())
        }
        "wrong" => {
            send(&mut stream, &gz(&[file.clone(), vec![1]].concat()), gz(&[file, vec![1]].concat()).len())
        }
        "cut" => send(&mut stream, &gz(&file)[..20], gz(&file).len()),
        "endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[7; 4096])?;
            }
        }
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

fn bytes_of(name: &str) -> Vec<u8> {
    if name.contains("images") { images(7, 5, 5) } else { labels(7) }
}

/// A data set of four small files; leaks the few bytes of its hashes.
fn source() -> Source {
    let leak = |s: String| -> &'static str { Box::leak(s.into_boxed_str()) };
    let file = |name: &'static str, kind| {
        let zipped = gz(&bytes_of(name));
        Published {
            name,
            kind,
            gz_bytes: zipped.len() as u64,
            gz_sha256: leak(hex_sha256(&zipped)),
            sha256: leak(hex_sha256(&bytes_of(name))),
        }
    };
    let files = [
        file("a-images-idx3-ubyte", Kind::Images),
        file("a-labels-idx1-ubyte", Kind::Labels),
        file("b-images-idx3-ubyte", Kind::Images),
        file("b-labels-idx1-ubyte", Kind::Labels),
    ];
    Source { name: "small", classes: 10, mirrors: &[], files }
}

/// Runs [`ensure_in`] over the named mirrors; returns the result and the names in the folder.
fn try_mirrors(dir: &Path, source: &Source, mirrors: &[&str]) -> (Result<()>, Vec<String>) {
    let server = serve();
    let mirrors: Vec<String> = mirrors.iter().map(|m| format!("{server}{m}/")).collect();
    let mirrors: Vec<&str> = mirrors.iter().map(String::as_str).collect();
    let result = ensure_in(dir, source, &mirrors, Some(&agent(false)), &mut crate::app::source::Silent);
    (result, names(dir))
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn all(source: &Source) -> Vec<String> {
    source.files.iter().map(|f| format!("{}.gz", f.name)).collect()
}

#[test]
fn a_bad_mirror_falls_to_the_next() {
    for bad in ["wrong", "cut", "gone", "endless"] {
        let dir = tempfile::tempdir().unwrap();
        let source = source();
        let (result, names) = try_mirrors(dir.path(), &source, &[bad, "good"]);
        result.unwrap_or_else(|e| panic!("{bad}: {e}"));
        assert_eq!(names, all(&source), "{bad}");
        let paths = locate(&source, dir.path()).unwrap();
        assert_eq!(idx::read_file(&paths[0], Kind::Images).unwrap().count, 7);
    }
}

#[test]
fn when_all_fail_each_is_named_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (result, names) = try_mirrors(dir.path(), &source(), &["wrong", "cut", "gone", "endless"]);
    match result {
        Err(Error::Download(m)) => {
            for part in ["wrong/", "SHA-256", "cut/", "cut after", "gone/", "404", "endless/", "--data-dir"] {
                assert!(m.contains(part), "{part} is not in {m}");
            }
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(names, [""; 0]);
}

/// Files that were compressed anew count by the hash of the unpacked bytes.
#[test]
fn recompressed_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = source();
    try_mirrors(dir.path(), &source, &["again"]).0.unwrap();
    let dir = tempfile::tempdir().unwrap();
    source.files[2].sha256 = source.files[3].sha256;
    try_mirrors(dir.path(), &source, &["again"]).0.unwrap_err();
}

#[test]
fn what_is_there_is_not_downloaded_and_what_is_damaged_is() {
    let dir = tempfile::tempdir().unwrap();
    let source = source();
    for (i, file) in source.files.iter().enumerate() {
        std::fs::write(dir.path().join(spellings(file.name)[2 * (i % 2)].clone()), bytes_of(file.name))
            .unwrap();
    }
    let before = names(dir.path());
    let (result, after) = try_mirrors(dir.path(), &source, &[]);
    result.unwrap();
    assert_eq!(before, after);

    std::fs::write(dir.path().join(source.files[0].name), b"damaged").unwrap();
    let (result, _) = try_mirrors(dir.path(), &source, &[]);
    assert!(matches!(result, Err(Error::Download(_))), "{result:?}");
    let (result, after) = try_mirrors(dir.path(), &source, &["good"]);
    result.unwrap();
    assert!(
        after.contains(&all(&source)[0]) && !after.contains(&source.files[0].name.to_string()),
        "{after:?}"
    );
}

#[test]
fn offline_says_what_is_missing_and_never_dials() {
    let dir = tempfile::tempdir().unwrap();
    let mirrors = [serve() + "good/"];
    let result = ensure_in(dir.path(), &source(), &[&mirrors[0]], None, &mut crate::app::source::Silent);
    assert!(
        matches!(&result, Err(Error::Data(m)) if m.contains("--offline") && m.contains("--data-dir") && m.contains("fetch --dataset "))
    );
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn missing_files_are_all_listed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a-images.idx3-ubyte.gz"), b"").unwrap();
    let e = locate(&source(), dir.path()).unwrap_err();
    let Error::Data(m) = &e else { panic!("{e}") };
    for part in ["a-labels-idx1-ubyte", "b-images-idx3-ubyte", "b-labels-idx1-ubyte", ".gz"] {
        assert!(m.contains(part), "{part} is not in {m}");
    }
    assert!(!m.contains("a-images"), "{m}");
    let none = tempfile::tempdir().unwrap();
    let e = locate(&source(), none.path()).unwrap_err().to_string();
    assert!(
        e.contains("none of") && e.contains("such as a-images-idx3-ubyte or a-images-idx3-ubyte.gz"),
        "{e}"
    );
}
