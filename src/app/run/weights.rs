//! A run that begins with the weights of another: `from.safetensors` in its folder has them.

use super::checkpoint::{self, in_file};
use super::folder::RunDir;
use super::images::Learnt;
use crate::error::{Error, Result};
use crate::train::Trainer;
use crate::train::checkpoint::Checkpoint;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

const FILE: &str = "from.safetensors";

/// The key under which the file says where the weights come from.
const PATH: &str = "from";
/// That of what they have learnt of the user's images, where it is known.
const LEARNT: &str = "learnt_sha256";

/// Where a run's first weights come from; a part of `env.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The checkpoint, as an absolute path.
    pub checkpoint: String,
    /// Steps that it was trained for, as it says.
    pub step: Option<String>,
    /// Name of the data set that it was trained on.
    pub dataset: Option<String>,
    /// SHA-256 of those data.
    pub data_sha256: Option<String>,
    /// Whether those are images of the user's.
    #[serde(skip)]
    pub on_own_images: bool,
    /// Which of these it has learnt the labels of, where it is known.
    #[serde(skip)]
    pub learnt: Option<Learnt>,
}

impl Origin {
    /// Whether these weights have learnt labels of the user's images.
    pub fn knows_own_images(&self) -> bool {
        self.on_own_images || self.learnt.is_some()
    }
}

/// Copies the parameters and running statistics of a checkpoint, which lies at `path`, into the folder of a run, so that it
/// can begin again from them wherever `path` is by then, and what its run has learnt.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written; as [`Learnt::of`].
pub fn keep(dir: &mut RunDir, path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let whole = std::path::absolute(path).map_err(Error::io("read", path))?;
    let of_nets = |name: &str| ["discriminator.", "generator."].iter().any(|net| name.starts_with(net));
    let tensors = checkpoint.tensors.iter().filter(|t| of_nets(&t.name)).cloned().collect();
    let weights = Checkpoint { tensors, metadata: checkpoint.metadata.clone() };
    let mut origin = BTreeMap::from([(PATH.to_string(), whole.display().to_string())]);
    let data = checkpoint.metadata.get("data_sha256");
    if let Some(learnt) = data.map(|data| Learnt::of(path, data)).transpose()?.flatten() {
        origin.insert(LEARNT.into(), learnt.to_text());
    }
    let file = dir.path().join(FILE);
    dir.write(FILE, &weights.to_bytes(&origin).map_err(in_file(&file))?)
}

/// Sets a trainer to the weights that the run in `folder` begins with, and says where they come from; `None`, and nothing is
/// done, where it begins with new ones.
///
/// # Errors
/// [`Error::Checkpoint`] where the file is damaged, of another model, or gone; [`Error::Gpu`] if the device failed.
pub async fn begin(trainer: &Trainer, folder: &Path) -> Result<Option<Origin>> {
    let file = folder.join(FILE);
    if !file.try_exists().map_err(Error::io("read", &file))? {
        return match begun_with(folder) {
            Some(from) => {
                let reason = format!(
                    "is gone, and the run began with it, the weights of {from}: put it back, or train anew"
                );
                Err(Error::Checkpoint { path: file, reason })
            }
            None => Ok(None),
        };
    }
    let weights = checkpoint::load(&file)?;
    trainer.begin_from(&weights).await.map_err(in_file(&file))?;
    let told = |key: &str| weights.metadata.get(key).cloned();
    Ok(Some(Origin {
        checkpoint: told(PATH).unwrap_or_else(|| file.display().to_string()),
        step: told("step"),
        dataset: told("dataset"),
        data_sha256: told("data_sha256"),
        on_own_images: told("config_toml").is_some_and(|text| is_on_images(&text)),
        learnt: told(LEARNT).map(|text| Learnt::from_text(&text)),
    }))
}

/// The checkpoint that a run began with the weights of, as its `env.json` says if it has one.
fn begun_with(folder: &Path) -> Option<String> {
    let text = crate::app::text::read_record(&folder.join("env.json")).ok()?;
    let env: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(env.get("from")?.get("checkpoint")?.as_str()?.to_owned())
}

fn is_on_images(config: &str) -> bool {
    config.parse::<toml::Table>().is_ok_and(|settings| settings.contains_key("data"))
}
