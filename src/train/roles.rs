//! Which images of a data set a run uses for what.

use super::device_data::Used;
use super::settings::{LabelChoice, LabelCount, Method, Settings};
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::model::shape::ModelShape;

/// Numbers of training images, by what they are used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Those whose labels D sees.
    pub labelled: Vec<u32>,
    /// Labelled ones that `supervised` holds out.
    pub validation: Vec<u32>,
    /// The unlabelled ones of `ssl`; all training images if `None`.
    pub unlabelled: Option<Vec<u32>>,
    /// How many unlabelled ones that are.
    pub unlabelled_count: u32,
}

impl Roles {
    /// Checks the settings, also against the model and the data, and chooses the images.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings, or a model, that do not fit; [`Error::Data`] for a data set that does not fit together.
    pub fn new(model: &ModelShape, settings: &Settings, data: &Dataset) -> Result<Roles> {
        settings.validate()?;
        model.check_data(data)?;
        if data.train.is_empty() {
            return Err(Error::Data(format!("{} has no images to learn from", data.name)));
        }
        let ssl = settings.method == Method::Ssl;
        let all = data.train.len() as u32;
        let unlabelled = match settings.unlabelled.filter(|_| ssl) {
            Some(n) => Some(data::choose_unlabelled(all, n, settings.label_seed)?),
            None => None,
        };
        let unlabelled_count = unlabelled.as_ref().map_or(all, |list| list.len() as u32);
        fits(model, settings, (unlabelled_count, &data.name))?;
        let chosen = labelled(settings, data)?;
        let (labelled, validation) = if !ssl && settings.validation_split > 0.0 {
            data::split_validation(
                &data.train,
                data.shape.image,
                &chosen,
                f64::from(settings.validation_split),
                settings.label_seed,
            )?
        } else {
            (chosen, vec![])
        };
        Ok(Roles { labelled, validation, unlabelled, unlabelled_count })
    }

    /// The images that some step looks at, where that is not all of them.
    pub(super) fn used(&self, method: Method) -> Option<Used> {
        match (method, &self.unlabelled) {
            (Method::Ssl, None) => None,
            (Method::Ssl, Some(unlabelled)) => Some(Used::of([&self.labelled[..], unlabelled])),
            (Method::Supervised, _) => Some(Used::of([&self.labelled[..]])),
        }
    }
}

/// The images whose labels count.
fn labelled(settings: &Settings, data: &Dataset) -> Result<Vec<u32>> {
    let Settings { labels, label_choice, label_seed, .. } = *settings;
    let names = &data.class_names;
    match (label_choice, labels) {
        (LabelChoice::Random, _) => data::choose(&data.train.labels, names, labels, label_seed),
        (LabelChoice::Clusters, LabelCount::Balanced(n)) => {
            data::choose_by_clusters(&data.train, data.shape.image, names, n, label_seed)
        }
        (LabelChoice::Clusters, LabelCount::All) => Err(Error::Usage(
            "label_choice = clusters: all labels count, none is chosen; give `labels` a number, or leave it out".into(),
        )),
    }
}

/// Whether minibatches of the size that was set are possible.
fn fits(model: &ModelShape, settings: &Settings, (unlabelled, name): (u32, &str)) -> Result<()> {
    let (rows, ssl) = (settings.batch_size, settings.method == Method::Ssl);
    let nets = [Some(&model.discriminator), settings.has_generator().then_some(&model.generator)];
    if let Some(net) = nets.into_iter().flatten().find(|net| rows == 1 && net.normalises_rows()) {
        return Err(Error::Usage(format!(
            "batch_size = 1: the {}'s batch norm would see one value of each channel; use at least 2",
            net.name
        )));
    }
    if ssl && rows > unlabelled {
        return Err(Error::Usage(format!(
            "batch_size = {rows}: larger than the {unlabelled} unlabelled images of {name}; use at most {unlabelled}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::shape::{DataShape, Dims};

    /// Two kinds of slopes, of which every fifth image is the second.
    #[test]
    fn labels_are_chosen_as_the_settings_say() {
        let image = Dims { height: 8, width: 8, channels: 1 };
        let kind = |i: u16| u16::from(i.is_multiple_of(5));
        let pixels = |i: u16| (0..64).map(move |p| if kind(i) == 0 { 30 * (p % 8) } else { 30 * (p / 8) });
        let train = Split::labelled((0..100).flat_map(pixels).collect(), (0..100).map(kind));
        let data = Dataset::new("slopes", DataShape { image, classes: 2 }, train, Split::default()).unwrap();
        let of = |label_choice, labels| {
            let labels = LabelCount::Balanced(labels);
            let chosen = labelled(
                &Settings { label_choice, labels, ..Settings::defaults(Method::Ssl, false) },
                &data,
            )?;
            Ok::<_, Error>(chosen.into_iter().map(|i| data.train.labels[i as usize]).collect::<Vec<_>>())
        };
        // The larger cluster first; three of an odd number cannot be as many of each class.
        assert_eq!(of(LabelChoice::Clusters, 2).unwrap(), [Some(0), Some(1)]);
        assert!(of(LabelChoice::Clusters, 3).is_err_and(|e| e.to_string().contains("only 2")));
        assert_eq!(of(LabelChoice::Random, 4).unwrap().len(), 4);
        assert!(of(LabelChoice::Random, 3).is_err_and(|e| e.to_string().contains("balanced")));
        let all = Settings {
            label_choice: LabelChoice::Clusters,
            labels: LabelCount::All,
            ..Settings::defaults(Method::Ssl, false)
        };
        assert!(labelled(&all, &data).is_err_and(|e| e.to_string().contains("none is chosen")));
    }
}
