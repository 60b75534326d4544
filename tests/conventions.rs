//! What the documentation says of the whole source, held to the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
