//! What the labels of a source say to a model, which may not know them.

use std::path::Path;

use super::Given;
use crate::app::source::images::{Part, class_name, some};
use crate::app::source::own::of_model;

/// What each label of the source at `path` says, and what is to be told of those that the model does not know. Folders may be
/// sorted by anything, by days or cameras: where `sure` is not set, and the model knows no label at all, none says anything.
pub(super) fn said(
    path: &Path,
    sure: bool,
    theirs: &[String],
    class_names: &[String],
) -> (Vec<Given>, Option<String>) {
    let classes = of_model(theirs, class_names);
    let unknown: Vec<&str> = (theirs.iter().zip(&classes))
        .filter(|(_, class)| class.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let labels = sure || unknown.len() < theirs.len();
    let note = (!unknown.is_empty()).then(|| {
        let what = match labels {
            true => "these images keep their labels, and it says nothing of them",
            false => "these are no labels to it, and the images are labelled",
        };
        let unknown = some(unknown.iter().map(|name| name.to_string()), 5);
        format!("{}: the model does not know {unknown}: {what}", path.display())
    });
    let given = |(name, class): (&String, Option<u16>)| match class {
        Some(class) => Given::Class(class),
        None if labels => Given::Other(name.clone()),
        None => Given::Nothing,
    };
    (theirs.iter().zip(classes).map(given).collect(), note)
}

/// What its class folder says of a file, which is no image and so has no class of its own: `path` leads from the folder of all,
/// where class folders may be in those of parts; `known` is what each of the names says.
pub(super) fn said_by_folder(path: &Path, names: &[String], known: &[Given]) -> Given {
    let mut folders = path.parent().into_iter().flat_map(Path::iter).filter_map(|folder| folder.to_str());
    let class = folders.find(|folder| Part::named(folder).is_none()).map(class_name);
    let at = class.and_then(|class| names.iter().position(|name| *name == class));
    at.map_or(Given::Nothing, |at| known[at].clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_folders_of_what_is_no_image() {
        let (names, known) = (["a", "b"].map(String::from), [Given::Class(3), Given::Other("b".into())]);
        for (path, said) in [
            ("a/1.png", &known[0]),
            ("b/deep/1.png", &known[1]),
            ("train/a/1.png", &known[0]),
            ("train/1.png", &Given::Nothing),
            ("1.png", &Given::Nothing),
            ("c/a/1.png", &Given::Nothing),
        ] {
            assert_eq!(said_by_folder(Path::new(path), &names, &known), *said, "{path}");
        }
    }
}
