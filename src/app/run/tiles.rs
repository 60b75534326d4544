//! What was measured of an adapter's tiles, in the cache folder.

use crate::app::cache;
use crate::app::report::progress::{LINES_APART, Progress};
use crate::app::text::count;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::native::BlockOn;
use crate::ops::Tile;
use crate::train::settings::Settings;
use crate::train::{Known, Measured, TileMemory, Tiles, Tune};
use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

/// The tiles of a run's products: those that the cache knows of this adapter and driver, the others measured now. Where
/// `tune` does not say how they are chosen, the adapter does.
///
/// # Errors
/// As [`Tiles::measure`].
pub fn measure(
    gpu: &Gpu,
    model: &ModelShape,
    settings: &Settings,
    tune: Option<Tune>,
    before: impl FnMut(u32) -> Result<()>,
) -> Result<(Tiles, Measured)> {
    let tune = tune.unwrap_or_else(|| Tune::default_on(gpu));
    match file_of(gpu, tune) {
        Some(file) => Tiles::measure(gpu, model, settings, (tune, &Kept(file)), before).block_on(),
        None => {
            Tiles::measure(gpu, model, settings, (tune, &RefCell::new(Known::default())), before).block_on()
        }
    }
}

/// As [`measure`], telling `progress` what is tried; `go_on` may end it before each product.
///
/// # Errors
/// As [`Tiles::measure`].
pub fn choose(
    gpu: &Gpu,
    model: &ModelShape,
    settings: &Settings,
    tune: Option<Tune>,
    progress: &Progress,
    mut go_on: impl FnMut() -> Result<()>,
) -> Result<Tiles> {
    let begun = Instant::now();
    let mut line = begun;
    let (tiles, measured) = measure(gpu, model, settings, tune, |done| {
        if done == 0 {
            progress.note("trying the tiles of the matrix products, once for this adapter and driver");
        } else if line.elapsed() >= LINES_APART {
            line = Instant::now();
            progress.note(&format!("tried the tiles of {} so far", count(done, "product")));
        }
        go_on()
    })?;
    if measured.products > 0 {
        progress.note(&format!(
            "tried the tiles of {} in {:.1} s: for {} another is faster than the table's",
            count(measured.products, "product"),
            begun.elapsed().as_secs_f64(),
            measured.changed
        ));
    }
    Ok(tiles)
}

/// Where the winners are kept, which depend on which tiles there were to choose from. `None` without a cache folder.
fn file_of(gpu: &Gpu, tune: Tune) -> Option<PathBuf> {
    let all: Vec<String> = Tile::of(gpu).iter().map(ToString::to_string).collect();
    let folder = if tune == Tune::Fast { "tiles-fast" } else { "tiles-full" };
    cache::adapter_file(gpu, folder, &format!("{} {}", env!("CARGO_PKG_VERSION"), all.join(" ")))
}

/// A file of the cache. One that cannot be read or written is passed over.
struct Kept(PathBuf);

impl TileMemory for Kept {
    fn recall(&self) -> Known {
        cache::read(&self.0).unwrap_or_default()
    }

    /// Under a lock beside the file, which takes another's place at every change.
    fn change(&self, change: &mut dyn FnMut(&mut Known)) {
        let _ = self.0.parent().map(std::fs::create_dir_all);
        let lock = File::create(self.0.with_extension("lock")).and_then(|file| file.lock().map(|()| file));
        let mut known = self.recall();
        change(&mut known);
        cache::write(&self.0, &known);
        drop(lock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of processes that measure at once, none loses what another has found.
    #[test]
    fn changes_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new/tiles.json");
        std::thread::scope(|s| {
            for i in 0..16 {
                let kept = Kept(file.clone());
                s.spawn(move || {
                    kept.change(&mut |known| drop(known.tiles.insert(i.to_string(), "tile".into())));
                });
            }
        });
        assert_eq!(Kept(file).recall().tiles.len(), 16);
    }
}
