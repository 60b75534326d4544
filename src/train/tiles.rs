//! The tiles that a run's products get: measured once for an adapter and driver, kept, and written into the run.

use super::settings::{Method, Settings};
use crate::cache;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::nn::products;
use crate::ops::{Product, ProductKind, Tile, Tiling, tune};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How tiles are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Tune {
    /// By tables.
    Off,
    /// By measuring what is likely to be fast.
    Fast,
    /// By measuring every tile, several times.
    Full,
}

/// Rows of a minibatch that a software adapter measures with `fast`: its tiles are as fast on small ones.
const FEW_ROWS: u32 = 128;

/// Tiles by product, as text: `tiles.json` of a run, and what the cache keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// How they were chosen.
    pub tune: Tune,
    /// [`ProductKind`] and [`Tile`].
    pub tiles: BTreeMap<String, String>,
}

/// What measuring gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Products that were measured now.
    pub products: usize,
    /// Those of them where another tile is faster than the table's.
    pub changed: usize,
}

impl std::fmt::Display for Tiles {
    /// One line: `tables`, or each product's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.tiles.is_empty() {
            return f.write_str("tables");
        }
        for (i, (kind, tile)) in self.tiles.iter().enumerate() {
            write!(f, "{}{kind}: {tile}", if i > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl Tune {
    /// What is done where nothing is said: software adapters have a measured table.
    fn default_on(gpu: &Gpu) -> Tune {
        if gpu.summary().is_software() { Tune::Off } else { Tune::Fast }
    }
}

impl Tiles {
    /// By tables.
    pub fn tables() -> Tiles {
        Tiles { tune: Tune::Off, tiles: BTreeMap::new() }
    }

    /// Measures the products of the training step that were not measured before on this adapter and driver.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] if the device failed.
    pub fn measure(gpu: &Gpu, model: &ModelShape, settings: &Settings) -> Result<(Tiles, Measured)> {
        let tune = settings.tune.unwrap_or_else(|| Tune::default_on(gpu));
        let mut measured = Measured { products: 0, changed: 0 };
        if tune == Tune::Off {
            return Ok((Tiles::tables(), measured));
        }
        let software = gpu.summary().is_software();
        let rows = match settings.batch_size {
            n if software && tune == Tune::Fast => n.min(FEW_ROWS),
            n => n,
        };
        let file = cache::adapter_file(gpu, if tune == Tune::Fast { "tiles-fast" } else { "tiles-full" });
        let kept: Option<Tiles> = file.as_deref().and_then(cache::read);
        let mut kept = kept.filter(|t| t.tune == tune).unwrap_or(Tiles { tune, tiles: BTreeMap::new() });
        let table = Tiling::for_gpu(gpu);
        let tiles = Tiles::of(gpu, model, settings, rows, |product| {
            let kind = product.kind();
            if let Some(tile) = kept.tiles.get(&kind.to_string()).and_then(|name| named(gpu, kind, name)) {
                return Ok(tile);
            }
            let default = table.tile(kind);
            let tiles = candidates(gpu, kind, default, tune);
            let trials = tune::trials(gpu, product, &tiles, if tune == Tune::Fast { 3 } else { 9 })?;
            let tile = tune::winner(&trials).unwrap_or(default);
            measured.products += 1;
            measured.changed += usize::from(tile != default);
            Ok(tile)
        })?;
        let tiles = Tiles { tune, ..tiles };
        if let Some(file) = file.filter(|_| measured.products > 0) {
            kept.tiles.extend(tiles.tiles.clone());
            cache::write(&file, &kept);
        }
        Ok((tiles, measured))
    }

    /// A tile for each product of the training step with minibatches of so many rows.
    ///
    /// # Errors
    /// Those of `choose`.
    pub fn of(
        gpu: &Gpu,
        model: &ModelShape,
        settings: &Settings,
        rows: u32,
        mut choose: impl FnMut(&Product) -> Result<Tile>,
    ) -> Result<Tiles> {
        let products = step_products(gpu, model, settings, rows);
        let name = |p: &Product| Ok((p.kind().to_string(), choose(p)?.to_string()));
        Ok(Tiles { tune: Tune::Full, tiles: products.iter().map(name).collect::<Result<_>>()? })
    }

    /// The tiling. Products of which nothing is known, or whose tile this adapter does not have, get the table's.
    pub fn tiling(&self, gpu: &Gpu, model: &ModelShape, settings: &Settings) -> Tiling {
        let table = Tiling::for_gpu(gpu);
        if self.tiles.is_empty() {
            return table;
        }
        let known = |product: &Product| {
            let kind = product.kind();
            Some((kind, named(gpu, kind, self.tiles.get(&kind.to_string())?)?))
        };
        let tiles = step_products(gpu, model, settings, 1).iter().filter_map(known).collect();
        Tiling::Measured { tiles: Rc::new(tiles), otherwise: Rc::new(table) }
    }
}

/// The distinct products of the step with minibatches of so many rows.
fn step_products(gpu: &Gpu, model: &ModelShape, settings: &Settings, rows: u32) -> Vec<Product> {
    let bytes = gpu.max_binding();
    let mut all = match settings.method {
        // D sees the generated and the unlabelled images at once.
        Method::Ssl => products(&model.discriminator, 2 * rows, bytes),
        Method::Supervised => products(&model.discriminator, rows, bytes),
    };
    if settings.method == Method::Ssl {
        all.extend(products(&model.generator, rows, bytes));
    }
    let mut kinds = std::collections::HashSet::new();
    all.retain(|p| kinds.insert(p.kind()));
    all
}

/// The tiles to measure for a product, the table's first.
fn candidates(gpu: &Gpu, kind: ProductKind, default: Tile, tune: Tune) -> Vec<Tile> {
    let likely = |t: &Tile| match t {
        // Barriers are switches of coroutines in software.
        Tile::Workgroup { .. } => !gpu.summary().is_software(),
        Tile::Subgroup { long, .. } => *long == gpu.has_64_bit_integers(),
    };
    let mut tiles = Tile::of(gpu, kind.operand() == crate::ops::Operand::Columns);
    tiles.retain(|t| *t != default && (tune == Tune::Full || likely(t)));
    tiles.insert(0, default);
    tiles
}

fn named(gpu: &Gpu, kind: ProductKind, name: &str) -> Option<Tile> {
    let columns = kind.operand() == crate::ops::Operand::Columns;
    Tile::of(gpu, columns).into_iter().find(|t| t.to_string() == name)
}
