//! What the documentation says of the whole source, held to the source.

use std::collections::BTreeSet;
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

/// Code without comments and tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The words that follow `prefix` in the code: `crate::` gives modules.
fn named_after<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = String> + 'a {
    let word = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split(prefix).skip(1).flat_map(move |rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().split(',').map(|w| word(w.trim())).collect(),
        None => vec![word(rest)],
    })
}

/// No arrow leads from a lower floor to a higher one, so none from the engine to the application, and none goes in a circle.
#[test]
fn arrows_lead_down() {
    for (folder, prefix, order) in [("src", "crate::", &FLOORS[..]), ("src/app", "crate::app::", &ROOMS[..])]
    {
        let folder = root().join(folder);
        for file in sources(&folder) {
            let path = file.strip_prefix(&folder).unwrap();
            let own = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
            if ["lib", "main", "mod"].contains(&own) || path.to_str().unwrap().ends_with("tests.rs") {
                continue;
            }
            let floor = |name: &str| order.iter().position(|o| *o == name);
            let mine = floor(own).unwrap_or_else(|| panic!("{own}: in none of the lists of this test"));
            for used in named_after(&code(&file), prefix) {
                let theirs = floor(&used);
                assert!(
                    theirs.is_none_or(|t| t <= mine),
                    "{} uses {used}, which is above it",
                    file.display()
                );
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
            for part in named_after(&code, "std::") {
                let allowed = !["fs", "net", "process", "env", "thread"].contains(&part.as_str());
                assert!(allowed, "{} uses std::{part}", file.display());
            }
            for word in ["Instant", "SystemTime", "pollster", "block_on"] {
                assert!(!code.contains(word), "{} uses {word}", file.display());
            }
        }
    }
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
    let mut runs = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder.join("summaries")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(id) = name.strip_suffix(".json") else { continue };
        let text = fs::read_to_string(folder.join("summaries").join(&name)).unwrap();
        let run: serde_json::Value = serde_json::from_str(&text).unwrap();
        let number = |key: &str| run[key].as_f64().unwrap();
        runs.insert(id.to_string(), (number("test_accuracy"), number("test_accuracy_ema")));
    }
    for (key, name) in [
        ("supervised-cnn", "supervised cnn"),
        ("supervised-dnn", "supervised dnn"),
        ("ssl-cnn", "semi-supervised cnn"),
        ("ssl-dnn", "semi-supervised dnn"),
        ("recipe-quick", "`--recipe quick`"),
        ("recipe-best", "`--recipe best`, label seeds 1 to 3"),
    ] {
        let of_seeds = (1..=5).filter_map(|seed| runs.get(&format!("{key}-seed{seed}")).copied());
        let (raw, averaged): (Vec<f64>, Vec<f64>) = of_seeds.unzip();
        let bold = format!("| **{}** | {} | {} |", mean(&raw, 3), mean(&averaged, 3), list(&raw, 3));
        let row = readme.lines().find(|l| l.starts_with(&format!("| {name} |"))).unwrap();
        assert!(row.ends_with(&bold), "the README's row of {name} should end in\n{bold}");
    }
    let listed = page(&folder, "report.md").lines().filter(|l| l.contains(" | ssgan train ")).count();
    assert_eq!(listed, runs.len(), "runs that docs/results/report.md lists, and their summaries");
}
