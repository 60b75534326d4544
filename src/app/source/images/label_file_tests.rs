use super::*;

fn csv(text: &str) -> Result<LabelFile> {
    from_csv("l.csv", text, Reading::default())
}

fn pairs(file: &LabelFile) -> Vec<(&str, Option<&str>)> {
    file.rows.iter().map(|r| (r.path.as_str(), r.label.as_deref())).collect()
}

fn refused(text: &str, line: usize, expected: &str) {
    match csv(text) {
        Err(Error::Text { line: at, reason, .. }) => {
            assert!(at == line && reason.contains(expected), "line {at}: {reason}");
        }
        other => panic!("{other:?}, expected {expected:?}"),
    }
}

/// Every name of the columns, delimiters, ends of lines, the mark of Windows; names with commas, quotes and newlines.
#[test]
fn what_people_write() {
    let wanted = vec![("a.png", Some("cat")), ("b/c.png", None)];
    for path in PATHS {
        for label in LABELS {
            let file = csv(&format!("{path},{label}\na.png,cat\nb/c.png,\n")).unwrap();
            assert_eq!(pairs(&file), wanted, "{path}, {label}");
        }
    }
    for text in [
        "label;path\r\ncat;a.png\r\n;b/c.png\r\n",
        "Path\tLabel\na.png\tcat\nb/c.png\t\n",
        "\"path\",\"label\"\n\"a.png\", cat \n\"b/c.png\", \n",
    ] {
        assert_eq!(pairs(&csv(text).unwrap()), wanted, "{text}");
    }
    let odd =
        csv("path,label\n\"a, b.png\",x\n\"a \"\"b\"\".png\",x\n\"a\nb.png\",\"big, cat\"\nlast.png,y\n")
            .unwrap();
    let names = [("a, b.png", "x"), ("a \"b\".png", "x"), ("a\nb.png", "big, cat"), ("last.png", "y")];
    assert_eq!(pairs(&odd), names.map(|(p, l)| (p, Some(l))));
    assert_eq!(odd.rows[3].line, 6, "the line on which the row begins");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("labels.csv");
    std::fs::write(&file, "\u{feff}path,label\r\na.png,cat\r\n").unwrap();
    assert_eq!(pairs(&read(&file, Reading::default()).unwrap()), [("a.png", Some("cat"))]);
}

/// What Excel makes of a table with commas where lists have semicolons: the label stands in no column.
#[test]
fn labels_beside_the_table_are_not_lost() {
    let typed = "path,label,share,alike;\na.png,,0.9,4;cat\n";
    refused(typed, 1, "parted in two ways, as in \"alike;\"");
    refused("\"path,label,share\";\n\"a.png,,0.9\";cat\n", 1, "parted in two ways");
    refused("\"path,label\"\n\"a.png,\"\n", 1, "parted in two ways");
    for good in [
        "path,label,\"width, height\"\na.png,cat,3\n",
        "path\tlabel\tsize; mm\na.png\tcat\t3\n",
        "path,label,confidence,p_dog; small\na.png,cat,1,0\n",
        "path,label,p_dog;\na.png,cat,1\n",
        "path,label\t\na.png,cat\n",
    ] {
        assert_eq!(pairs(&csv(good).unwrap()), [("a.png", Some("cat"))], "{good}");
    }
}

#[test]
fn splits() {
    let file = csv("path,label,split\na,x,train\nb,x,\nc,y,Valid\nd,y,test\n").unwrap();
    let parts: Vec<_> = file.rows.iter().map(|r| r.part).collect();
    assert_eq!(parts, [Some(Part::Train), None, Some(Part::Validation), Some(Part::Test)]);
    refused("path,label,split\na,x,train\nb,x,tset\n", 3, "split \"tset\": known are train, val and test");
}

/// What `ssgan label` wrote goes in again: what was predicted is no label, unless somebody asks.
#[test]
fn predictions_are_no_labels() {
    let text = "path,label,confidence,status,second_label,second_confidence,disagrees_with_given,p_cat\n\
                a,cat,0.9,given,dog,0.1,,0.9\nb,dog,0.9,predicted,cat,0.1,,0.1\nc,dog,0.5,unsure,cat,0.5,,0.5\n\
                d,cat,1,,dog,0,,1\n";
    let file = csv(text).unwrap();
    assert_eq!(pairs(&file), [("a", Some("cat")), ("b", None), ("c", None), ("d", Some("cat"))]);
    // Somebody may have corrected one and left its status.
    let note = "l.csv: 2 labels predicted: these images count as unlabelled; give those that you corrected the status given, or \
                write them into next.csv or corrections.csv beside a labels.csv";
    assert_eq!(file.notes, [note]);
    let all = from_csv("l.csv", text, Reading { predicted: true, ..Reading::default() }).unwrap();
    assert_eq!(pairs(&all)[..3], [("a", Some("cat")), ("b", Some("dog")), ("c", None)]);
    refused("path,label,status\na,x,guess\n", 2, "status \"guess\"");
}

#[test]
fn unknown_columns() {
    refused("picture,label\na,x\n", 1, "no column of paths (named path, file_name");
    refused("path,lable\na,x\n", 1, "no column of labels (named label, class); the columns are path, lable");
    refused("path,label,splt\na,x,test\n", 1, "unknown column \"splt\"; did you mean \"split\"?");
    refused("path,label,staus\na,x,given\n", 1, "did you mean \"status\"?");
    refused("path,image,label\na,b,x\n", 1, "columns path and image say the same");
    let file = csv("id,path,label,age\n7,a,x,44\n").unwrap();
    assert_eq!(file.notes, ["l.csv: columns that are not used: id, age"]);
    refused("", 1, "no column of paths");
}

#[test]
fn broken_lines() {
    refused("path,label\na,x\nb,x,y\n", 3, "3 values, where the first line names 2 columns");
    refused("path,label\n,x\n", 2, "no path");
}

fn written(name: &str, bytes: &[u8]) -> Result<LabelFile> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(name);
    std::fs::write(&file, bytes).unwrap();
    read(&file, Reading::default())
}

#[test]
fn the_same_path_twice() {
    let refused = |name: &str, text: &str, expected: &str| {
        let e = written(name, text.as_bytes()).unwrap_err().to_string();
        assert!(e.contains(expected) && e.contains(name), "{e}");
    };
    refused("l.csv", "path,label\na,x\nb,y\na,x\n", "l.csv:4: \"a\" is there twice, first at 2: keep one");
    refused("l.json", r#"{"a": "x", "b": "y", "a": "y"}"#, "\"a\" is there twice, first at 1");
}

#[test]
fn json() {
    let file = written("l.json", br#"{"b/a.png": "cat", "c.png": null, "d.png": "", "e.png": 7}"#).unwrap();
    assert_eq!(
        pairs(&file),
        [("b/a.png", Some("cat")), ("c.png", None), ("d.png", None), ("e.png", Some("7"))]
    );
    for (text, expected) in [
        ("{\"a\": [1]}", "a label must be text, a whole number or null"),
        ("[\"a\"]", "expected an object of files and labels"),
        ("{\"a\": \"x\"", "EOF"),
    ] {
        let e = written("l.json", text.as_bytes()).unwrap_err();
        assert!(e.exit_code() == 3 && e.to_string().contains(expected), "{e}");
    }
}

#[test]
fn not_text() {
    let refused = |bytes: &[u8], line: usize, expected: &str| match written("l.csv", bytes) {
        Err(Error::Text { line: at, reason, .. }) => {
            assert!(at == line && reason.starts_with(expected), "line {at}: {reason}");
            assert!(reason.ends_with(": save it as UTF-8, which Excel calls \"CSV UTF-8\""), "{reason}");
        }
        other => panic!("{other:?}, expected {expected:?}"),
    };
    // Windows-1252, as Excel's plain CSV.
    refused(b"path,label\na.png,K\xe4fer\n", 2, "not UTF-8 text");
    refused(b"\xff\xfep\0a\0t\0h\0", 1, "UTF-16 text");
    refused(b"\xfe\xff\0p\0a\0t\0h", 1, "UTF-16 text");
}

/// As for folders: a script that makes a table of class folders writes such names.
#[test]
fn names_of_folders_without_labels_are_no_labels() {
    let text = "path,label\n1.png,cat\n2.png,_unlabeled\n3.png,_Unsure\n";
    let all = from_csv("l.csv", text, Reading::default()).unwrap();
    let labels: Vec<_> = all.rows.iter().map(|row| (row.label.as_deref(), row.no_label)).collect();
    assert_eq!(labels, [(Some("cat"), false), (None, false), (None, false)]);
    assert!(all.notes[0].contains("2 labels named like a folder without labels"), "{:?}", all.notes);
    let all = from_json("l.json", r#"{"1.png": "cat", "2.png": "_unlabelled"}"#).unwrap();
    assert_eq!(all.rows[1].label, None);
}
