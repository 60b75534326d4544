//! `ssgan gpu-report` in its short form: what the folder holds, and what is refused.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn ssgan(folder: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ssgan")).arg("gpu-report").arg(folder).args(flags).output().unwrap()
}

#[test]
fn the_short_form_finds_everything_right() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new/report");
    let out = ssgan(&folder, &["--quick", "--quiet", "--json"]);
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(&out.stdout)
    );
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report, serde_json::from_slice::<Value>(&out.stdout).unwrap());
    assert_eq!(report["format"], "ssgan-gpu-report-1");
    assert_eq!(report["quick"], true);
    for field in ["version", "shaders", "system", "seconds", "threads"] {
        assert!(!report[field].is_null(), "{field}");
    }
    assert!(!report["adapter"]["name"].as_str().unwrap().is_empty());
    let section = |key: &str| -> &Value {
        let all = report["sections"].as_array().unwrap();
        all.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no section {key}"))
    };
    // Time may be up before the last ones, which say so; nothing that was done is wrong.
    assert_eq!(section("adapter")["status"], "ok", "{}", section("adapter"));
    let judged = ["kernels", "step", "determinism", "resume"];
    for key in judged.into_iter().chain(["watchdog", "steps", "products", "tiles"]) {
        let found = section(key);
        let fine = match found["status"].as_str().unwrap() {
            "ok" => true,
            "look" => !judged.contains(&key),
            "unfinished" => found.to_string().contains("time was up"),
            _ => false,
        };
        assert!(fine, "{key}: {found}");
    }
    let kernels = &section("kernels")["data"];
    assert!(kernels["compared"].as_u64().unwrap() > 100, "{kernels}");
    assert_eq!(
        (kernels["wrong"].as_u64(), kernels["wrong_findings"].as_array().map(Vec::len)),
        (Some(0), Some(0))
    );
    for row in kernels["rows"].as_array().unwrap() {
        let worst = &row["worst"];
        assert!(worst["deviation"].as_f64().unwrap() <= worst["bound"].as_f64().unwrap(), "{row}");
    }
    let page = std::fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for outside in ["src=\"http", "href=\"http", "<script", "@import"] {
        assert!(!page.contains(outside), "the page needs {outside}");
    }
    let short = std::fs::read_to_string(folder.join("report.md")).unwrap();
    for section in report["sections"].as_array().unwrap() {
        let title = section["title"].as_str().unwrap();
        assert!(page.contains(title) && short.contains(title), "{title}");
    }
}

#[test]
fn what_would_be_lost_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let refused = |folder: &Path, flags: &[&str], code: i32, said: &str| {
        let out = ssgan(folder, flags);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(code) && stderr.contains(said), "{stderr}");
    };
    refused(dir.path(), &["--quick"], 6, "not empty");
    refused(&dir.path().join("notes.txt"), &["--quick"], 6, "notes.txt");
    refused(&dir.path().join("new"), &["--quick", "--adapter", "no such adapter"], 5, "no such adapter");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a refused report leaves no folder");
}
