//! What the documentation says of the whole source, held to the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files under a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|p| p.is_dir());
    let rust = files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs"));
    rust.chain(folders.iter().flat_map(|f| sources(f))).collect()
}

/// `unsafe` is where the table of CONTRIBUTING.md says, once in each file, and nowhere else.
#[test]
fn unsafe_is_where_it_is_said_to_be() {
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
    let mut blocks = BTreeSet::new();
    for file in ["src", "tests", "fuzz/fuzz_targets"].iter().flat_map(|f| sources(&root().join(f))) {
        if name(&file) == "tests/conventions.rs" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().map(|l| l.split("//").next().unwrap_or_default());
        let words = code.flat_map(|l| l.split(|c: char| !c.is_alphanumeric() && c != '_'));
        let count = words.filter(|w| *w == "unsafe").count();
        assert!(count <= 1, "{}: {count} times", file.display());
        if count == 1 {
            blocks.insert(name(&file));
        }
    }
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let rows = contributing.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next());
    let table: BTreeSet<String> = rows.filter(|f| f.ends_with(".rs")).map(String::from).collect();
    assert!(!table.is_empty());
    assert_eq!(blocks, table, "the source, and the table of CONTRIBUTING.md");
}

/// The modules of the engine, and the application above them, each with what it may use: those before it.
const FLOORS: [&str; 16] = [
    "error",
    "rng",
    "text",
    "numerics",
    "shape",
    "data",
    "gpu",
    "ops",
    "layers",
    "model",
    "nn",
    "train",
    "reference",
    "native",
    "checks",
    "app",
];

/// The floors that are not the engine.
const PROGRAM: [&str; 3] = ["native", "checks", "app"];

/// The rooms of the application, likewise.
const ROOMS: [&str; 17] = [
    "text",
    "atomic",
    "lock",
    "cache",
    "doctor",
    "augment",
    "model_file",
    "source",
    "report",
    "label",
    "likeness",
    "run",
    "export",
    "profile",
    "gpu_report",
    "experiment",
    "cli",
];

/// The text of a file up to its tests, which are at its end.
fn without_tests(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap().to_string()
}

/// Code without comments and tests.
fn code(file: &Path) -> String {
    let code = without_tests(file);
    code.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Reads a tree of paths, such as `b::{c, d::{self, e as f}}`, into `found`, each behind the names `before` it; what follows it.
fn tree<'a>(mut rest: &'a str, before: &[&'a str], found: &mut Vec<Vec<&'a str>>) -> &'a str {
    let mut path = before.to_vec();
    loop {
        rest = rest.trim_start();
        if let Some(list) = rest.strip_prefix('{') {
            rest = list.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = tree(rest, &path, found);
                // Another name that it gets.
                rest = rest.trim_start_matches(|c: char| c != ',' && c != '}');
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let (name, behind) = rest.split_at(rest.find(|c: char| !in_a_word(c)).unwrap_or(rest.len()));
        path.extend(Some(name).filter(|name| !name.is_empty()));
        match behind.strip_prefix("::") {
            Some(behind) if !name.is_empty() => rest = behind,
            _ => {
                found.push(path);
                return behind;
            }
        }
    }
}

fn in_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths in the code that begin with `first`, name by name.
fn paths<'a>(code: &'a str, first: &'a str) -> Vec<Vec<&'a str>> {
    let (mut found, mut from) = (vec![], 0);
    while let Some(at) = code[from..].find(first).map(|at| from + at) {
        from = at + first.len();
        let inside = match code[..at].strip_suffix("::") {
            Some(before) => before.ends_with(|c: char| in_a_word(c) || c == '>'),
            None => code[..at].ends_with(in_a_word),
        };
        if let Some(rest) = code[from..].strip_prefix("::").filter(|_| !inside) {
            from = code.len() - tree(rest, &[first], &mut found).len();
        }
    }
    found
}

/// What the code of the file `path` in src names in this crate, as folders of modules from src on.
fn uses(path: &Path, code: &str) -> Vec<PathBuf> {
    let mut own = path.with_extension("");
    if own.ends_with("mod") {
        own.pop();
    }
    let from_src = |path: Vec<&str>| {
        let begin = if path[0] == "crate" { PathBuf::new() } else { own.clone() };
        path.into_iter().fold(begin, |at, name| match name {
            "crate" | "self" => at,
            "super" => at.parent().map(Path::to_path_buf).unwrap_or_default(),
            name => at.join(name),
        })
    };
    let found = ["crate", "super", "self"].into_iter().flat_map(|first| paths(code, first));
    found.map(from_src).collect()
}

/// What the tests below see of a file.
#[test]
fn paths_are_read() {
    let code = "use std::{io::{Read, self as i}, fs};
        use super::super::{a, b::{self, c as d,}};
        pub(super) fn f() { std::mem::take::<T>(y); crate::gpu::*; $crate::z; my_std::fs; a::std::env; ::std::env::args() }
        super::{super::q, r::s}; self::t::U; self.v";
    let read = |first| paths(code, first).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(
        read("std"),
        ["std::io::Read", "std::io::self", "std::fs", "std::mem::take", "std::env::args"]
    );
    let above =
        ["super::super::a", "super::super::b::self", "super::super::b::c", "super::super::q", "super::r::s"];
    assert_eq!(read("super"), above);
    assert_eq!(read("crate"), ["crate::gpu", "crate::z"]);
    for (file, named) in [
        ("x/y/z.rs", ["gpu", "z", "x/a", "x/b", "x/b/c", "x/q", "x/y/r/s", "x/y/z/t/U"]),
        ("x/y/mod.rs", ["gpu", "z", "a", "b", "b/c", "q", "x/r/s", "x/y/t/U"]),
    ] {
        assert_eq!(uses(Path::new(file), code), named.map(PathBuf::from), "{file}");
    }
}

/// No arrow leads from a lower floor to a higher one, so none from the engine to the application, and none goes in a circle.
#[test]
fn arrows_lead_down() {
    let src = root().join("src");
    for (folder, order) in [("", &FLOORS[..]), ("app", &ROOMS[..])] {
        for file in sources(&src.join(folder)) {
            let path = file.strip_prefix(&src).unwrap();
            let inside = path.strip_prefix(folder).unwrap();
            let own = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
            if ["lib", "main", "mod"].contains(&own) || path.to_str().unwrap().ends_with("tests.rs") {
                continue;
            }
            let floor = |name: &str| order.iter().position(|o| *o == name);
            let mine = floor(own).unwrap_or_else(|| panic!("{own}: in none of the lists of this test"));
            for used in uses(path, &code(&file)) {
                let inside = used.strip_prefix(folder).ok().and_then(|used| used.iter().next());
                let theirs = inside.and_then(|name| floor(name.to_str().unwrap()));
                assert!(
                    theirs.is_none_or(|t| t <= mine),
                    "{} uses {}, which is above it",
                    file.display(),
                    used.display()
                );
            }
        }
    }
}

/// The pictures of the modules, in docs/architecture.md and on the library's front page, have every room of the application.
#[test]
fn the_pictures_have_every_room() {
    for (file, begin) in [("docs/architecture.md", "```text\n"), ("src/lib.rs", "//! ```text\n//! cli ->")] {
        let page = fs::read_to_string(root().join(file)).unwrap();
        let picture = page.split_once(begin).unwrap().1.split("```").next().unwrap();
        // What a line says behind its boxes names rooms by chance.
        let end = |line: &str| line.char_indices().nth(52).map_or(line.len(), |(at, _)| at);
        let boxes = picture.lines().map(|line| &line[..end(line)]);
        let named: BTreeSet<&str> = boxes.flat_map(|line| line.split(|c: char| !in_a_word(c))).collect();
        // The front page's begins with the command line.
        let missing: Vec<_> = ROOMS.iter().filter(|room| **room != "cli" && !named.contains(*room)).collect();
        assert!(missing.is_empty(), "{file}: {missing:?}");
    }
}

/// The files that the pages for contributors name are there, and what is said to be in one is in it.
#[test]
fn what_contributors_are_sent_to_is_there() {
    for page in ["CONTRIBUTING.md", "docs/architecture.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        // What stands between two marks, and what between those.
        let parts: Vec<&str> = text.split('`').collect();
        for at in (1..parts.len()).step_by(2) {
            let folders = ["src/", "tests/", "shaders/", "assets/", "docs/", "fuzz/", ".ci/"];
            let path = parts[at];
            if !folders.iter().any(|folder| path.starts_with(folder)) || path.contains("NAME") {
                continue;
            }
            let file = root().join(path);
            assert!(file.exists(), "{page}: {path}");
            if at > 1 && file.is_file() && ["in", "of"].contains(&parts[at - 1].trim()) {
                let name = parts[at - 2].trim_end_matches('!').rsplit("::").next().unwrap_or_default();
                let text = fs::read_to_string(file).unwrap();
                let found = text.split(|c: char| !in_a_word(c)).any(|word| word == name);
                assert!(found, "{page}: {name}, which is not in {path}");
            }
        }
    }
}

/// The engine is handed what it needs of the system: it opens no file, no connection, no process, starts no thread, has no
/// clock and waits for nothing.
#[test]
fn the_engine_touches_no_system() {
    for floor in FLOORS.iter().filter(|f| !PROGRAM.contains(f)) {
        let folder = root().join("src").join(floor);
        let files = if folder.is_dir() { sources(&folder) } else { vec![folder.with_extension("rs")] };
        for file in files.iter().filter(|f| !f.to_str().unwrap().ends_with("tests.rs")) {
            let code = code(file);
            for part in paths(&code, "std").iter().filter_map(|path| path.get(1)) {
                let allowed = !["fs", "net", "process", "env", "thread"].contains(part);
                assert!(allowed, "{} uses std::{part}", file.display());
            }
            for word in ["Instant", "SystemTime", "pollster", "block_on"] {
                assert!(!code.contains(word), "{} uses {word}", file.display());
            }
        }
    }
}

/// Every check that `ssgan gpu-report` performs is one that a test performs too, wherever there is an adapter.
#[test]
fn every_check_is_a_test() {
    let named = |code: &str| -> BTreeSet<String> {
        let words = code.split(|c: char| !in_a_word(c) && c != ':').filter(|word| word.contains("::"));
        words.map(String::from).collect()
    };
    let list = code(&root().join("src/checks/list.rs"));
    let checks = named(list.split_once("pub const ALL").unwrap().1);
    assert!(checks.contains("gemm::rows"), "{checks:?}");
    // Those that need cooperative matrices are ignored.
    let tests = sources(&root().join("tests/kernels")).into_iter().filter(|f| !f.ends_with("cooperative.rs"));
    let tests: BTreeSet<String> = tests.flat_map(|file| named(&code(&file))).collect();
    let missing: Vec<_> = checks.difference(&tests).collect();
    assert!(missing.is_empty(), "checks that no line of tests/kernels performs: {missing:?}");
}

/// Whether a function begins in this line.
fn begins_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let before: Vec<&str> = words.by_ref().take_while(|word| *word != "fn").collect();
    let qualifies = |word: &&str| {
        word.starts_with("pub") || word.ends_with(')') || ["const", "async", "unsafe"].contains(word)
    };
    words.next().is_some() && before.iter().all(qualifies)
}

/// The functions of the code, each with its line, from 1, and its number of lines. As rustfmt has it, the last is indented like
/// the first.
fn functions(code: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = code.lines().map(str::trim_end).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begun = lines.iter().enumerate().filter(|(_, line)| begins_function(line));
    let measured = begun.map(|(at, first)| {
        let ends =
            |line: &&str| indent(line) == indent(first) && (line.trim_start() == "}" || line.ends_with(';'));
        match first.ends_with(['}', ';']) {
            true => (at + 1, 1),
            false => (at + 1, 2 + lines[at + 1..].iter().position(ends).unwrap_or(0)),
        }
    });
    measured.collect()
}

#[test]
fn functions_are_measured() {
    let code = "impl A {
    pub(in crate::app) const fn a(
        x: u8,
    ) -> u8 {
        match x {
            _ => 1,
        }
    }
    fn b(&self);
    fn c() {}
}
fn d<T>()
where
    T: Fn() -> u8,
{
    let f: fn(u8) = the fn;
}";
    assert_eq!(functions(code), [(2, 7), (9, 1), (10, 1), (12, 6)]);
}

/// No file of the source has more than 400 lines and no function more than 60, tests apart; nor has the README more than 150.
#[test]
fn files_and_functions_are_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "README.md: {} lines, of 150", readme.lines().count());
    let mut long = vec![];
    for file in sources(&root().join("src")) {
        if file.to_str().unwrap().ends_with("tests.rs") {
            continue;
        }
        let code = code(&file);
        let (name, lines) = (file.strip_prefix(root()).unwrap().display(), code.lines().count());
        if lines > 400 {
            long.push(format!("{name}: {lines} lines, of 400"));
        }
        let functions = functions(&code).into_iter().filter(|(_, lines)| *lines > 60);
        long.extend(functions.map(|(at, lines)| format!("{name}:{at}: a function of {lines} lines, of 60")));
    }
    assert!(long.is_empty(), "to be split by meaning: {long:#?}");
}

/// The text literals of Rust code, as they are written, without those in comments.
fn literals(code: &str) -> Vec<&str> {
    let (mut found, mut rest) = (vec![], code);
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let before = &rest[..at];
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix('\'') {
            // A character, or the name of a lifetime.
            let mut characters = after.chars();
            let closed = match characters.next() {
                Some('\\') => {
                    characters.next();
                    characters.as_str().split_once('\'').map(|(_, after)| after)
                }
                _ => characters.as_str().strip_prefix('\''),
            };
            rest = closed.unwrap_or(after);
        } else if let Some(after) = rest.strip_prefix('"') {
            let name = before.trim_end_matches('#');
            let hashes = "#".repeat(before.len() - name.len());
            let raw =
                name.strip_suffix('r').is_some_and(|n| !n.ends_with(|c: char| in_a_word(c) && c != 'b'));
            let mut escaped = false;
            let end = match raw {
                true => after.find(&format!("\"{hashes}")),
                false => after.find(|c: char| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                }),
            };
            let (text, after) = after.split_at(end.unwrap_or(after.len()));
            found.push(text);
            rest = after.strip_prefix('"').unwrap_or_default();
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// What the next test sees of a file.
#[test]
fn literals_are_read() {
    let code = r##"a("one // \"two\"", 'x', '"', '\'', b"three"); // "not this
        fn f<'a>(s: &'a str) -> u8 { 1 / 2 } r#"four "five""# + r"\" + "six \\" /// "nor this"
        "se\
         ven""##;
    let read = [r#"one // \"two\""#, "three", r#"four "five""#, r"\", r"six \\", "se\\\n         ven"];
    assert_eq!(literals(code), read);
}

/// The engine knows nothing of the program around it: its messages name settings as they are declared, neither flags nor commands.
#[test]
fn the_engine_names_no_flags_and_no_commands() {
    let src = root().join("src");
    let is_engine = |file: &PathBuf| {
        let path = file.strip_prefix(&src).unwrap();
        let floor = path.iter().next().unwrap().to_str().unwrap();
        !["app", "main.rs", "native.rs"].contains(&floor) && !path.to_str().unwrap().ends_with("tests.rs")
    };
    let mut read = 0;
    for file in sources(&src).into_iter().filter(is_engine) {
        for literal in literals(&without_tests(&file)) {
            let mut after = literal.split("--").skip(1);
            let flag = after.any(|after| after.starts_with(|c: char| c.is_ascii_lowercase()));
            assert!(!flag && !literal.contains("`ssgan "), "{}: {literal:?}", file.display());
            read += 1;
        }
    }
    assert!(read > 100, "{read} literals");
}

/// Without a target's standard library `.ci/run` goes on and says so, unless it is told to fail.
#[cfg(target_os = "linux")]
#[test]
fn what_ci_cannot_check_is_told() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let (_, rest) = script.split_once("\nunchecked=()\n").unwrap();
    let (function, _) = rest.split_once("\n}\n").unwrap();
    // In place of target.sh.
    let ended = |status: u8, required: &str| {
        let begin = format!("set -euo pipefail\nsh() {{ return {status}; }}\nunchecked=()\n");
        let script = format!("{begin}{function}\n}}\nelsewhere wasm32 cargo\necho on");
        let mut bash = Command::new("bash");
        let out = bash.args(["-c", &script]).env("SSGAN_REQUIRE_TARGETS", required).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (status, said) = ended(3, "");
    assert!(status == Some(0) && said.contains("NOT CHECKED: wasm32") && said.ends_with("\non\n"), "{said}");
    for (status, required) in [(3, "1"), (1, ""), (1, "1")] {
        assert_eq!(ended(status, required), (Some(status.into()), String::new()), "required: {required:?}");
    }
    assert_eq!(ended(0, "1"), (Some(0), "on\n".into()));
}

/// The package has what its source includes, tests too: others compile them without the repository.
#[test]
fn what_is_included_is_packaged() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let packaged = manifest["package"]["include"].as_array().unwrap();
    let packaged: Vec<&str> = packaged.iter().map(|p| p.as_str().unwrap().trim_start_matches('/')).collect();
    let (top, mut read) = (dunce::canonicalize(root()).unwrap(), 0);
    for file in sources(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let included = ["include_str!(\"", "include_bytes!(\""].map(|name| text.split(name).skip(1));
        for path in included.into_iter().flatten() {
            let path = file.with_file_name(path.split('"').next().unwrap());
            let path = dunce::canonicalize(&path).unwrap().strip_prefix(&top).unwrap().to_path_buf();
            let there = packaged.iter().any(|p| path.starts_with(p));
            assert!(there, "{} includes {}, which Cargo.toml leaves out", file.display(), path.display());
            read += 1;
        }
    }
    assert!(read > 10, "{read} files");
}

/// Mean and sample standard deviation, as the README and the report's page write them.
fn mean(values: &[f64], digits: usize) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return format!("{mean:.digits$}");
    }
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    format!("{mean:.digits$} ± {deviation:.digits$}")
}

fn list(values: &[f64], digits: usize) -> String {
    values.iter().map(|v| format!("{v:.digits$}")).collect::<Vec<_>>().join(", ")
}

/// Takes out of the rows of the README's table the one that begins with `name`, and demands that it ends like this.
fn check_row(rows: &mut Vec<&str>, name: &str, end: &str) {
    let row = rows.iter().position(|row| row.starts_with(&format!("| {name}")) && row.ends_with(end));
    let Some(row) = row else { panic!("the README's row of {name} should end in\n{end}\nof\n{rows:#?}") };
    rows.remove(row);
}

/// docs/results has the pages that the program makes of the summaries there, and the README's table their accuracies.
#[test]
fn results_are_those_of_their_runs() {
    let folder = root().join("docs/results");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let made = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_ssgan"))
        .args(["reproduce", "--ablate", "--quiet", "--merge"])
        .args([&folder, Path::new("--out"), made.path()])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let page = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for name in ["report.md", "index.html"] {
        let same = page(&folder, name) == page(made.path(), name);
        assert!(same, "{name}: not what ssgan reproduce --ablate --merge docs/results makes");
    }
    // Of each run, raw and averaged, by names such as ssl-cnn-seed1.
    let mut runs = BTreeMap::new();
    for entry in fs::read_dir(folder.join("summaries")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(id) = name.strip_suffix(".json") else { continue };
        let text = fs::read_to_string(folder.join("summaries").join(&name)).unwrap();
        let run: serde_json::Value = serde_json::from_str(&text).unwrap();
        let number = |key: &str| run[key].as_f64().unwrap();
        runs.insert(id.to_string(), (number("test_accuracy"), number("test_accuracy_ema")));
    }
    let of_seeds = |key: &str| -> BTreeMap<u32, (f64, f64)> {
        (1..=10).filter_map(|seed| Some((seed, *runs.get(&format!("{key}-seed{seed}"))?))).collect()
    };
    // Of the best recipe there are more label seeds than of the others.
    let best: Vec<u32> = of_seeds("recipe-best").into_keys().collect();
    let last = best.len();
    assert!(
        last > 1 && best.iter().zip(1..).all(|(seed, n)| *seed == n),
        "recipe-best of the label seeds {best:?}"
    );
    let best = format!("`--recipe best`, label seeds 1 to {last}");
    let header = "| | report | ours |";
    let table = readme.lines().skip_while(|l| !l.starts_with(header)).skip(1).take_while(|l| !l.is_empty());
    let mut rows: Vec<&str> = table.filter(|l| l.starts_with("| ")).collect();
    for (key, name) in [
        ("supervised-cnn", "supervised cnn"),
        ("supervised-dnn", "supervised dnn"),
        ("ssl-cnn", "semi-supervised cnn"),
        ("ssl-dnn", "semi-supervised dnn"),
        ("recipe-quick", "`--recipe quick`"),
        ("recipe-best", best.as_str()),
    ] {
        let (raw, averaged): (Vec<f64>, Vec<f64>) = of_seeds(key).into_values().unzip();
        let end = format!("| **{}** | {} | {} |", mean(&raw, 3), mean(&averaged, 3), list(&raw, 3));
        check_row(&mut rows, &format!("{name} |"), &end);
    }
    assert!(rows.is_empty(), "rows of the README's table that nothing was compared with: {rows:#?}");
    // A run that no command of the report's makes.
    let asked: serde_json::Value =
        serde_json::from_str(&page(&folder, "mnist-recipe-best-asked-seed2.json")).unwrap();
    let [raw, averaged] = ["test_accuracy", "test_accuracy_ema"].map(|key| asked[key].as_f64().unwrap());
    assert_eq!((asked["label_seed"].as_u64(), asked["asked"].as_array().map(Vec::len)), (Some(2), Some(20)));
    let told = page(&root().join("docs"), "recipes.md").contains(&format!("**{raw:.4} / {averaged:.4}**"));
    assert!(told, "docs/recipes.md does not say {raw:.4} / {averaged:.4} of the run with 20 labels more");
    let listed = page(&folder, "report.md").lines().filter(|l| l.contains(" | ssgan train ")).count();
    assert_eq!(listed, runs.len(), "runs that docs/results/report.md lists, and their summaries");
}
