//! Settings from defaults, a recipe, a `--config` file, and flags, each over the one before.

use super::settings::{OwnImages, RunSettings};
use crate::app::model_file::{self, Changes};
use crate::app::{source, text as text_file};
use crate::data;
use crate::error::{Error, Result};
use crate::model::infer::infer;
use crate::model::parse;
use crate::model::shape::{DataShape, ModelShape};
use crate::model::spec::{LayerOp, ModelSpec};
use crate::text;
use crate::train::settings::{LabelChoice, LabelCount, Method, Settings};
use std::path::Path;
use toml::Table;
use toml::de::DeTable;

/// The recipes that come with the program: names and configuration files.
pub const RECIPES: [(&str, &str); 3] = [
    ("paper", include_str!("../../../assets/recipes/paper.toml")),
    ("best", include_str!("../../../assets/recipes/best.toml")),
    ("quick", include_str!("../../../assets/recipes/quick.toml")),
];

/// Settings and the model that they name.
#[derive(Debug)]
pub struct Resolved {
    /// Checked one by one.
    pub settings: RunSettings,
    /// The model file, read.
    pub spec: ModelSpec,
    /// The model file's text.
    pub model_toml: String,
}

impl Resolved {
    /// Checks what can be checked before the data are there: labels and model, where the data set's shape is known.
    ///
    /// # Errors
    /// [`Error::Usage`] for labels that the data set does not have; [`Error::Text`] for a model that does not fit it.
    pub fn check_before_data(&self) -> Result<()> {
        let RunSettings { dataset, data_dir, train, .. } = &self.settings;
        if self.settings.data.is_some() {
            return Ok(());
        }
        let Some((shape, images)) = source::known(dataset, data_dir.as_deref())? else { return Ok(()) };
        let labels = match train.labels {
            LabelCount::Balanced(n) => Some(n),
            LabelCount::All => None,
        };
        if let Some(n) = labels.filter(|_| train.label_choice == LabelChoice::Random) {
            data::check_balance(n as usize, shape.classes)?;
        }
        for (name, n) in [("labels", labels), ("unlabelled", train.unlabelled)] {
            if let Some(n) = n.filter(|n| *n > images) {
                return Err(Error::Usage(format!(
                    "{name} = {n}: {dataset} has {images} training images; use at most {images}"
                )));
            }
        }
        self.shaped(shape).map(drop)
    }

    /// The model's shapes on images of this shape.
    ///
    /// # Errors
    /// As [`parse::check`]; [`Error::Usage`] for a generator that another was put in place of, which has no lines to name.
    pub fn shaped(&self, data: DataShape) -> Result<ModelShape> {
        let (s, changes) = (&self.settings, self.settings.model_changes());
        let Some(generator) = changes.generator else {
            return parse::check(&self.spec, &self.model_toml, &s.model, data);
        };
        infer(&self.spec, data).map_err(|e| {
            if e.net == "generator" {
                let (model, image) = (&s.model, data.image);
                return Error::Usage(format!(
                    "--generator {generator} does not fit images of {image}: give --generator {model} for the model's own, or put one for them into a model file"
                ));
            }
            // With its own generator the model says it with the line of its file.
            let own = model_file::load_with(&s.model, Changes { generator: None, ..changes });
            let told = own.and_then(|(spec, text)| parse::check(&spec, &text, &s.model, data));
            told.err().filter(|e| matches!(e, Error::Text { .. })).unwrap_or_else(|| e.into())
        })
    }

    /// The settings as the text of a configuration file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that TOML cannot hold, such as a path that is not Unicode.
    pub fn config_toml(&self) -> Result<String> {
        self.settings.to_toml()
    }
}

/// Layers the settings and reads the model: defaults, the recipe of this name, a configuration file, and `flags`, values
/// by key. The defaults are those for `own` images, once they are known.
///
/// # Errors
/// [`Error::Text`] for a mistake in the configuration or model file, [`Error::Usage`] for a value that makes
/// no sense, [`Error::Io`] for a file that cannot be read.
pub fn resolve(
    recipe: Option<&str>,
    file: Option<&Path>,
    flags: &Table,
    own: Option<OwnImages>,
) -> Result<Resolved> {
    let recipe = RECIPES.iter().find(|(name, _)| recipe == Some(name));
    let recipe = recipe.map(|(name, text)| ConfigFile::parse(name, (*text).into())).transpose()?;
    let file = file.map(ConfigFile::read).transpose()?;
    let layered = |mut settings: RunSettings| -> Result<RunSettings> {
        if let Some(recipe) = &recipe {
            let without = (settings.generator.clone(), settings.train.generator_loss);
            recipe.over(&mut settings)?;
            let file = file.as_ref().map(|file| &file.values);
            if !keeps_generator(&settings, file, flags) {
                (settings.generator, settings.train.generator_loss) = without;
            }
        }
        let measured = settings.train.clone();
        file.iter().try_for_each(|file| file.over(&mut settings))?;
        over(&mut settings, flags)?;
        let given =
            |key: &str| flags.contains_key(key) || file.as_ref().is_some_and(|f| f.values.contains_key(key));
        own.iter().for_each(|own| settings.suit(*own, &measured, given));
        // The run's folder keeps it, and may be gone on with from elsewhere.
        for path in settings.data_dir.iter_mut().chain(&mut settings.data) {
            *path = std::path::absolute(&*path).map_err(Error::io("read", path.as_path()))?;
        }
        if let Some(data) = &settings.data {
            settings.dataset = source::own::name(data);
        }
        Ok(settings)
    };
    let defaults = |method, convolutional| match own {
        Some(_) => RunSettings::own_defaults(method, convolutional),
        None => RunSettings::defaults(method, convolutional),
    };
    // Method and model decide the defaults of other settings, so they are resolved first.
    let first = layered(defaults(Default::default(), false))?;
    let changes = Changes { side: own.map(|own| own.side), ..first.model_changes() };
    let (spec, model_toml) = model_file::load_with(&first.model, changes).map_err(|e| match e {
        Error::Usage(_) => {
            let key = if model_file::load(&first.model).is_ok() { "generator" } else { "model" };
            placed(e, key, file.as_ref(), flags)
        }
        other => other,
    })?;
    let convolutional = spec.discriminator.layers.iter().any(|l| matches!(l.op, LayerOp::Conv2d(_)));
    let settings = layered(defaults(first.train.method, convolutional))?;
    recipe
        .iter()
        .try_for_each(|r| check_method(r, defaults(settings.train.method, convolutional), &settings))?;
    validate(&settings, file.as_ref(), flags)?;
    Ok(Resolved { settings, spec, model_toml })
}

/// Refuses a recipe of semi-supervised training, which over the defaults `alone` cannot be supervised, for settings that are to be.
fn check_method(recipe: &ConfigFile, mut alone: RunSettings, settings: &RunSettings) -> Result<()> {
    recipe.over(&mut alone)?;
    alone.train.method = settings.train.method;
    if settings.train.method == Method::Ssl
        || settings.train.validate().is_ok()
        || alone.train.validate().is_ok()
    {
        return Ok(());
    }
    let name = &recipe.name;
    Err(Error::Usage(format!("the recipe {name} is for the method ssl: leave out one of the two")))
}

/// Whether a recipe's generator and its loss stay: they belong to the model that it names, and to each other. A file that names a
/// model and no generator means the model's own.
fn keeps_generator(recipe: &RunSettings, file: Option<&Table>, flags: &Table) -> bool {
    let differs = |key, own: Option<&str>| flags.get(key).is_some_and(|value| value.as_str() != own);
    let in_file = file.is_some_and(|values| values.contains_key("model") || values.contains_key("generator"));
    !in_file && !differs("model", Some(&recipe.model)) && !differs("generator", recipe.generator.as_deref())
}

/// `settings` with these values.
fn over(settings: &mut RunSettings, values: &Table) -> Result<()> {
    values.iter().try_for_each(|(key, value)| settings.set(key, value))
}

/// Checks what no setting shows alone. Own images may have any name.
fn validate(settings: &RunSettings, file: Option<&ConfigFile>, flags: &Table) -> Result<()> {
    if settings.data.is_none() {
        source::check_name(&settings.dataset).map_err(|e| placed(e, "dataset", file, flags))?;
    }
    settings.train.validate()
}

/// A mistake in the setting `key`, with the line of the file that it comes from, unless it comes from a flag.
fn placed(e: Error, key: &str, file: Option<&ConfigFile>, flags: &Table) -> Error {
    match file.filter(|_| !flags.contains_key(key)) {
        Some(file) => file.placed(e, key),
        None => e,
    }
}

/// Reads a configuration file's text; `name` is for messages.
///
/// # Errors
/// [`Error::Text`] with the line of a mistake, [`Error::Usage`] for values that do not fit together.
pub fn check(text: &str, name: &str) -> Result<RunSettings> {
    let file = ConfigFile::parse(name, text.into())?;
    let settings = file.over_defaults()?;
    validate(&settings, Some(&file), &Table::new())?;
    Ok(settings)
}

/// The defaults with the values of a configuration file's text, each of which is checked alone.
pub(in crate::app) fn read(text: &str, name: &str) -> Result<RunSettings> {
    ConfigFile::parse(name, text.into())?.over_defaults()
}

/// The settings and the model of a run folder, whose `config.toml` and `model.toml` these are; `flags` say anew what may
/// change when a run goes on.
///
/// # Errors
/// As [`resolve`].
pub fn of_run(config_toml: &str, model_toml: String, folder: &Path, flags: &Table) -> Result<Resolved> {
    let name = |file: &str| folder.join(file).display().to_string();
    let file = ConfigFile::parse(&name("config.toml"), config_toml.into())?;
    let mut settings = file.over_defaults()?;
    over(&mut settings, flags)?;
    validate(&settings, Some(&file), flags)?;
    let spec = parse::parse(&model_toml, &name("model.toml"))?;
    Ok(Resolved { settings, spec, model_toml })
}

/// A configuration file: any of the settings, with the place where each stands.
struct ConfigFile {
    name: String,
    text: String,
    values: Table,
    /// Byte offset of each key.
    places: Vec<(String, usize)>,
}

impl ConfigFile {
    fn read(path: &Path) -> Result<ConfigFile> {
        ConfigFile::parse(&path.display().to_string(), text_file::read(path)?)
    }

    fn parse(name: &str, text: String) -> Result<ConfigFile> {
        let document = DeTable::parse(&text).map_err(|e| text::toml_error(&text, name, 0, &e))?;
        let mut places: Vec<(String, usize)> =
            document.get_ref().keys().map(|k| (k.get_ref().to_string(), k.span().start)).collect();
        places.sort_by_key(|p| p.1);
        if let Some((key, at)) = places.iter().find(|(key, _)| !RunSettings::keys().any(|known| known == key))
        {
            return Err(text::error_at(&text, name, *at, unknown(key)));
        }
        let values = toml::from_str(&text).map_err(|e| text::toml_error(&text, name, 0, &e))?;
        Ok(ConfigFile { name: name.into(), text, values, places })
    }

    /// `settings` with this file's values.
    fn over(&self, settings: &mut RunSettings) -> Result<()> {
        for (key, _) in &self.places {
            let Some(value) = self.values.get(key) else { continue };
            settings.set(key, value).map_err(|e| self.placed(e, key))?;
        }
        Ok(())
    }

    /// The defaults with this file's values.
    fn over_defaults(&self) -> Result<RunSettings> {
        let mut settings = RunSettings::defaults(Default::default(), false);
        self.over(&mut settings)?;
        Ok(settings)
    }

    /// A mistake in the setting `key` with its line, if it is in this file.
    fn placed(&self, e: Error, key: &str) -> Error {
        match (e, self.places.iter().find(|(known, _)| known == key)) {
            (Error::Usage(reason), Some((_, at))) => text::error_at(&self.text, &self.name, *at, reason),
            (e, _) => e,
        }
    }
}

/// What to say of a key that no setting has: the setting with that short name, or the one whose name is nearest.
fn unknown(key: &str) -> String {
    let short = Settings::ALL.iter().find(|s| s.short == Some(key)).map(|s| s.key);
    let keys: Vec<&str> = RunSettings::keys().collect();
    // What a hostile file says is shown shortened, and escaped.
    let shown: String = key.chars().take(40).collect();
    match short.or_else(|| text::closest(&shown, &keys)) {
        Some(known) => format!("unknown setting {shown:?}; did you mean \"{known}\"?"),
        None => format!("unknown setting {shown:?}; `ssgan train --help` lists the settings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::run::settings::Channels;
    use crate::app::run::settings::ImageMemory;
    use crate::app::source::images::policy::Fit;
    use crate::gpu::Precision;
    use crate::model::shape::Dims;
    use crate::train::Tune;
    use crate::train::settings::{GeneratorLoss, Method};

    fn read(text: &str) -> Result<RunSettings> {
        super::read(text, "c.toml")
    }

    #[track_caller]
    fn fails(text: &str, line: usize, words: &str) {
        match read(text) {
            Err(Error::Text { file, line: at, reason }) => {
                assert!(file == "c.toml" && at == line && reason.contains(words), "line {at}: {reason}");
            }
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// Every setting that a run writes down is one that a file may have; those that are not always there, too.
    #[test]
    fn every_setting_is_known() {
        let text = |s: &str| Some(s.to_string());
        // Written out, so that a new field has to come here.
        let whole = RunSettings {
            model: "cnn".into(),
            generator: text("conv"),
            augment: Some("flip,shift".to_string().try_into().unwrap()),
            dataset: "mnist".into(),
            data: Some("c d".into()),
            image_size: Some(32),
            fit: Some(Fit::Crop),
            channels: Some(Channels::Three),
            hold_out: Some(0.25),
            image_memory: Some(ImageMemory::Host),
            data_dir: Some("a b".into()),
            offline: true,
            train: Settings { unlabelled: Some(5), ..Settings::defaults(Method::Ssl, false) },
            adapter: text("software"),
            backend: text("vulkan"),
            precision: Precision::Mixed,
            tune: Some(Tune::Full),
        };
        let written = whole.values().unwrap();
        let mut known: Vec<&str> = RunSettings::keys().collect();
        known.sort_unstable();
        assert_eq!(written.keys().map(String::as_str).collect::<Vec<_>>(), known);
        assert_eq!(read(&whole.to_toml().unwrap()).unwrap(), whole);
        let mut set = RunSettings::defaults(Method::Ssl, false);
        over(&mut set, &written).unwrap();
        assert_eq!(set, whole);
    }

    #[test]
    fn mistakes_have_their_line() {
        fails("seed = 1\nlearnig_rate = 0.1\n", 2, "did you mean \"learning_rate\"");
        fails("seed = 1\n\nepochs = \"ten\"\n", 3, "epochs = \"ten\": use a whole number from 1");
        fails("lr = 0.1\n", 1, "did you mean \"learning_rate\"");
        fails("zzz = 0.1\n", 1, "`ssgan train --help` lists");
        fails("labels = -5\n", 1, "labels = -5: use a whole number from 1");
        fails("seed = -1\n", 1, "seed");
        fails("method = \"magic\"\n", 1, "use ssl or supervised");
        fails("learning_rate = 0.0\n", 1, "such as 0.001");
        fails("offline = 1\n", 1, "offline = 1: use true or false");
        fails("precision = \"f16\"\n", 1, "use f32 or mixed");
        fails("seed = 1\nhold_out = 1.5\n", 2, "hold_out = 1.5: use a number from 0 to below 1, such as 0.2");
        fails("backend = \"opengl\"\n", 1, "use vulkan, metal or dx12");
        fails("channels = 3\n", 1, "use auto, 1 or 3, as a text");
        fails("[train]\nseed = 1\n", 1, "unknown setting \"train\"");
        fails("seed = \n", 1, "");
        fails("seed = 1\nseed = 2\n", 2, "duplicate");
    }

    /// A data set's name counts where no images of one's own are named, by a file or a flag, and a backend has several names.
    #[test]
    fn what_a_file_may_say_beside_the_words_of_flags() {
        let text = "seed = 1\ndataset = \"photos\"\n";
        let line = |result: Result<RunSettings>| match result {
            Err(Error::Text { line, .. }) => line,
            other => panic!("expected an error, got {other:?}"),
        };
        assert_eq!(line(check(text, "c.toml")), 2);
        assert_eq!(check(&format!("{text}data = \"/photos\"\n"), "c.toml").unwrap().dataset, "photos");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, text).unwrap();
        let with = |flags: &str| {
            let flags = flags.parse().unwrap();
            resolve(None, Some(&file), &flags, None).map(|resolved| resolved.settings)
        };
        assert_eq!(line(with("")), 2);
        assert_eq!(with("dataset = \"mnist\"").unwrap().dataset, "mnist");
        assert_eq!(with("data = \"/others\"").unwrap().dataset, "others");
        assert!(matches!(with("dataset = \"other\""), Err(Error::Usage(_))), "the flag's mistake");
        for backend in ["dx12", "VK", "vulkan, d3d12"] {
            let said = read(&format!("backend = {backend:?}\n")).unwrap();
            assert_eq!(said.backend.as_deref(), Some(backend));
        }
        assert_eq!(read("hold_out = 0\n").unwrap().hold_out, Some(0.0));
    }

    /// The recipe's generator and its loss stay where its own model is named, and go where another one is.
    #[test]
    fn a_recipe_s_generator_belongs_to_its_model() {
        let of = |flags: &str| {
            let settings = resolve(Some("best"), None, &flags.parse().unwrap(), None).unwrap().settings;
            (settings.generator, settings.train.generator_loss)
        };
        let (generator, loss) = (Some("conv-varied".to_string()), GeneratorLoss::MomentMatching);
        assert_eq!(of(""), (generator.clone(), loss));
        assert_eq!(of("model = \"cnn-deep\""), (generator, loss));
        assert_eq!(of("model = \"photo-small\""), (None, GeneratorLoss::FeatureMatching));
        assert_eq!(of("generator = \"conv\""), (Some("conv".into()), GeneratorLoss::FeatureMatching));
        let asked = "model = \"photo-small\"\ngenerator = \"conv\"\ngenerator_loss = \"moment_matching\"";
        assert_eq!(of(asked), (Some("conv".into()), loss));
        // A run's own settings, of one that had the model's own generator.
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        let with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            resolve(Some("best"), Some(&file), &Table::new(), None).unwrap().settings.generator
        };
        assert_eq!(with("model = \"cnn-deep\""), None);
        assert_eq!(with("epochs = 3").as_deref(), Some("conv-varied"));
    }

    /// A small folder is trained on for the steps that the defaults and the recipes have on MNIST, whose epochs have 117; the
    /// weights of a recipe's terms rise over as many steps too. What is given holds.
    #[test]
    fn a_small_folder_has_as_many_steps() {
        let of = |recipe: Option<&str>, count: u32, most: Option<u32>, flags: &str| {
            let own = OwnImages { count, side: 32, most };
            let settings = resolve(recipe, None, &flags.parse().unwrap(), Some(own)).unwrap().settings;
            let Settings { batch_size, epochs, ramp_epochs, evaluate_every, .. } = settings.train;
            [batch_size, epochs, ramp_epochs, evaluate_every]
        };
        // 60,000 images and more: as on MNIST.
        assert_eq!(of(None, 60_000, None, ""), [512, 10, 2, 1]);
        assert_eq!(of(Some("quick"), 60_000, None, ""), [512, 20, 2, 2]);
        assert_eq!(of(Some("quick"), 200_000, None, ""), [512, 20, 2, 2]);
        // 6,060 images: eleven steps an epoch, 1,177 and 2,343 of them, rising over 242.
        assert_eq!(of(None, 6_060, None, ""), [512, 107, 22, 10]);
        assert_eq!(of(Some("quick"), 6_060, None, ""), [512, 213, 22, 21]);
        assert_eq!(of(Some("quick"), 6_060, None, "epochs = 60"), [512, 60, 22, 6]);
        assert_eq!(of(Some("quick"), 6_060, None, "epochs = 5"), [512, 5, 3, 1]);
        // Smaller minibatches are more steps an epoch, and fewer images are fewer.
        assert_eq!(of(None, 6_060, None, "batch_size = 64"), [64, 13, 3, 1]);
        assert_eq!(of(Some("quick"), 6_060, None, "batch_size = 64"), [64, 25, 3, 2]);
        assert_eq!(of(Some("quick"), 60_000, None, "unlabelled = 6060"), [512, 213, 22, 21]);
        assert_eq!(of(None, 6_060, None, "unlabelled = 200"), [100, 585, 117, 58]);
        assert_eq!(of(Some("quick"), 6_060, None, "ramp_epochs = 3\nevaluate_every = 7"), [512, 213, 3, 7]);
        // What the adapter binds, half of the images, and no end of epochs.
        assert_eq!(of(None, 6_060, Some(100), ""), [100, 20, 4, 2]);
        assert_eq!(of(Some("best"), 1_000, None, ""), [500, 1_170, 117, 117]);
        assert_eq!(of(Some("best"), 30, None, ""), [15, 1_170, 117, 117]);
        assert_eq!(of(None, 1, None, ""), [1, 1_170, 234, 117]);
        // Batch norm needs two images, which half of three would not be.
        for count in [2, 3] {
            assert_eq!(of(None, count, None, ""), [2, 1_170, 234, 117], "{count}");
        }
        assert_eq!(of(None, 3, Some(1), "")[0], 1);
        // Ten hours of the paper's settings are not had of a few images.
        assert_eq!(of(Some("paper"), 150, None, "")[..2], [75, 1_200]);
        assert_eq!(of(Some("paper"), 60_000, None, "")[..2], [100, 300]);
        // Trained without the unlabelled images, epochs are of the labelled ones.
        let supervised = RunSettings::own_defaults(Method::Supervised, true).train;
        let own = of(None, 1_000, None, "method = \"supervised\"");
        assert_eq!(own[..2], [supervised.batch_size, supervised.epochs]);
    }

    /// Told of the model, with the line of its file, unless it is the generator that was put into it.
    #[test]
    fn what_does_not_fit_the_images_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let seven = dir.path().join("seven.toml");
        std::fs::write(&seven, parse::built_in("dnn").unwrap().0.replace("\"pixels\"", "49")).unwrap();
        let of = |generator: &str, side: u32| {
            let given = format!("model = \"cnn-deep\"\ngenerator = {generator:?}").parse().unwrap();
            let image = Dims { height: side, width: side, channels: 1 };
            resolve(None, None, &given, None).unwrap().shaped(DataShape { image, classes: 10 }).map(drop)
        };
        let reason = of(seven.to_str().unwrap(), 28).unwrap_err();
        assert!(
            matches!(reason, Error::Usage(_)) && reason.to_string().contains("--generator cnn-deep"),
            "{reason}"
        );
        for side in [27, 28, 33] {
            of("conv-varied", side).unwrap();
        }
        let small = of("conv-varied", 4).unwrap_err();
        assert!(matches!(small, Error::Text { .. }), "{small}");
        assert!(small.to_string().contains("models for images 1x4x4"), "{small}");
    }

    /// The bytes of `config.toml` are part of every checkpoint: they stay as they are.
    #[test]
    fn the_written_config_keeps_its_order() {
        let text = resolve(None, None, &Table::new(), None).unwrap().config_toml().unwrap();
        let begin =
            "model = \"dnn\"\ndataset = \"digits\"\noffline = false\nmethod = \"ssl\"\nlabels = 100\n";
        assert!(text.starts_with(begin) && text.contains("\nlearning_rate = 0.001\n"), "{text}");
        assert!(text.ends_with("\nevaluate_every = 1\nprecision = \"f32\"\n"), "{text}");
    }
}
