//! The tiles that a run's products get: measured once for an adapter and driver, kept, and written into the run.

use super::settings::{GeneratorLoss, Method, Settings, Tune};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::model::shape::ModelShape;
use crate::nn::products;
use crate::ops::{Features, Ops, Product, Tile, Tiling, tune};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Rows of a minibatch that a software adapter measures with `fast`: its tiles are as fast on small ones.
const FEW_ROWS: u32 = 128;

/// Rows of a minibatch whose products are only compared.
const FEWEST_ROWS: u32 = 8;

/// Bytes of an operand that is measured, at most.
const LARGEST: u64 = 64 << 20;

/// Tiles by product, as text: `tiles.json` of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// How they were chosen.
    pub tune: Tune,
    /// [`ProductKind`](crate::ops::ProductKind) and [`Tile`].
    pub tiles: BTreeMap<String, String>,
}

/// What was measured of an adapter and driver, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The winner for each product.
    pub tiles: BTreeMap<String, String>,
    /// Tiles that the device was lost with: they are not tried again.
    pub lost: BTreeSet<String>,
}

/// Where it is kept between runs.
pub trait TileMemory {
    /// What is known so far.
    fn recall(&self) -> Known;
    /// Changes it, while nobody else does.
    fn change(&self, change: &mut dyn FnMut(&mut Known));
}

/// Kept nowhere else.
impl TileMemory for RefCell<Known> {
    fn recall(&self) -> Known {
        self.borrow().clone()
    }
    fn change(&self, change: &mut dyn FnMut(&mut Known)) {
        change(&mut self.borrow_mut());
    }
}

/// What measuring gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Products that were measured now.
    pub products: u32,
    /// Products, of these, for which another tile is faster than the table's.
    pub changed: u32,
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
    pub fn default_on(gpu: &Gpu) -> Tune {
        if gpu.is_software() { Tune::Off } else { Tune::Fast }
    }
}

impl Tiles {
    /// By tables.
    pub fn tables() -> Tiles {
        Tiles { tune: Tune::Off, tiles: BTreeMap::new() }
    }

    /// Measures the products of the training step that `memory` does not know of this adapter and driver. `before` each
    /// it is told how many are done and may end it. Each winner is kept at once, and so is a tile that the device was lost
    /// with, so that the next device is not lost to it.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; those of `before`; [`Error::Gpu`] if cooperative matrices compute something else than products.
    pub async fn measure(
        gpu: &Gpu,
        model: &ModelShape,
        settings: &Settings,
        (tune, memory): (Tune, &dyn TileMemory),
        mut before: impl FnMut(u32) -> Result<()>,
    ) -> Result<(Tiles, Measured)> {
        // No tile is tried on a device that computes wrongly.
        Ops::checked(gpu).await?;
        let mut measured = Measured { products: 0, changed: 0 };
        let table = Tiling::for_gpu(gpu);
        let mut tiles = BTreeMap::new();
        if tune == Tune::Off {
            // A run says where it rounds.
            if gpu.cooperative_side().is_some() {
                for product in sized_products(gpu, model, settings, FEWEST_ROWS.min(settings.batch_size)) {
                    let kind = product.kind();
                    let tile = compared(gpu, &product, table.tile(kind)).await?;
                    tiles.insert(kind.to_string(), tile.to_string());
                }
            }
            return Ok((Tiles { tune, tiles }, measured));
        }
        let few = gpu.is_software() && tune == Tune::Fast;
        let rows = if few { settings.batch_size.min(FEW_ROWS) } else { settings.batch_size };
        for product in sized_products(gpu, model, settings, rows) {
            let kind = product.kind();
            let known = memory.recall().tiles.get(&kind.to_string()).and_then(|name| named(gpu, name));
            let tile = match known {
                Some(tile) => tile,
                None => {
                    before(measured.products)?;
                    let default = table.tile(kind);
                    let tile = fastest(gpu, &product, default, (tune, memory)).await?;
                    measured.products += 1;
                    measured.changed += u32::from(tile != default);
                    // Another process may have been faster: the first choice holds.
                    let mut first = String::new();
                    memory.change(&mut |known| {
                        first =
                            known.tiles.entry(kind.to_string()).or_insert_with(|| tile.to_string()).clone();
                    });
                    named(gpu, &first).unwrap_or(tile)
                }
            };
            tiles.insert(kind.to_string(), tile.to_string());
        }
        Ok((Tiles { tune, tiles }, measured))
    }

    /// A tile for each product of the training step.
    pub fn by(
        gpu: &Gpu,
        model: &ModelShape,
        settings: &Settings,
        choose: impl Fn(&Product) -> Tile,
    ) -> Tiles {
        let products = step_products(gpu, model, settings, 1);
        let tiles = products.iter().map(|p| (p.kind().to_string(), choose(p).to_string()));
        Tiles { tune: Tune::Full, tiles: tiles.collect() }
    }

    /// Without products that the step does not have, and tiles that the adapter does not have: those get the table's.
    pub fn known_to(&self, gpu: &Gpu, model: &ModelShape, settings: &Settings) -> Tiles {
        let mut tiles = BTreeMap::new();
        for kind in step_products(gpu, model, settings, 1).iter().map(Product::kind) {
            if let Some(tile) = self.tiles.get(&kind.to_string()).and_then(|name| named(gpu, name)) {
                tiles.insert(kind.to_string(), tile.to_string());
            }
        }
        Tiles { tune: self.tune, tiles }
    }

    /// The tiling. Products of which nothing is known, or whose tile this adapter does not have, get the table's.
    pub fn tiling(&self, gpu: &Gpu, model: &ModelShape, settings: &Settings) -> Tiling {
        let table = Tiling::for_gpu(gpu);
        if self.tiles.is_empty() {
            return table;
        }
        let known = |p: &Product| Some((p.kind(), named(gpu, self.tiles.get(&p.kind().to_string())?)?));
        let tiles = step_products(gpu, model, settings, 1).iter().filter_map(known).collect();
        Tiling::Measured { tiles: Rc::new(tiles), otherwise: Rc::new(table) }
    }
}

/// The tile that is fastest on a product, of those that no device was lost with; one that this device is lost with is kept in
/// `memory`.
async fn fastest(
    gpu: &Gpu,
    product: &Product,
    default: Tile,
    (tune, memory): (Tune, &dyn TileMemory),
) -> Result<Tile> {
    let mut tiles = candidates(gpu, default, tune);
    let lost = memory.recall().lost;
    tiles.retain(|t| !lost.contains(&t.to_string()));
    let default = tiles.first().copied().unwrap_or(default);
    let rounds = if tune == Tune::Fast { 3 } else { 9 };
    let trying = Cell::new(None);
    match gpu.aside(tune::trials(gpu, product, &tiles, rounds, &trying)).await {
        Ok(trials) => Ok(tune::winner(&trials).unwrap_or(default)),
        Err(Error::DeviceLost(why)) => {
            let Some(tile) = trying.get() else { return Err(Error::DeviceLost(why)) };
            memory.change(&mut |known| {
                known.lost.insert(tile.to_string());
            });
            Err(Error::DeviceLost(format!("{why}, while the tile {tile} was tried; `tune = off` tries none")))
        }
        // Training will tell whether that is the end; what rounds must have been compared.
        Err(_) if matches!(default, Tile::Cooperative { .. }) => Ok(Tile::portable()[0]),
        Err(_) => Ok(default),
    }
}

/// A tile that rounds, if on this product it computes what one that does not computes.
async fn compared(gpu: &Gpu, product: &Product, tile: Tile) -> Result<Tile> {
    let trials = gpu.aside(tune::trials(gpu, product, &[tile], 1, &Cell::default())).await?;
    match trials.iter().all(|t| t.agrees) && !trials.is_empty() {
        true => Ok(tile),
        false => Err(Error::Gpu(format!(
            "{}: wrong with the tile {tile} on {}: train with `precision = f32`, or update the driver",
            product.kind(),
            gpu.summary().name
        ))),
    }
}

/// The distinct products of the step, with as many of `rows` rows as can be measured: training takes large products in
/// parts, or refuses them.
fn sized_products(gpu: &Gpu, model: &ModelShape, settings: &Settings, rows: u32) -> Vec<Product> {
    let at = |rows| step_products(gpu, model, settings, rows);
    let sized = |(i, mut product): (usize, Product)| {
        let mut rows = rows;
        while product.largest() > LARGEST.min(gpu.max_binding()) && rows > 1 {
            rows /= 2;
            product = at(rows)[i];
        }
        product
    };
    at(rows).into_iter().enumerate().map(sized).collect()
}

/// The distinct products of the step with minibatches of so many rows.
fn step_products(gpu: &Gpu, model: &ModelShape, settings: &Settings, rows: u32) -> Vec<Product> {
    let bytes = gpu.max_binding();
    let generator = settings.has_generator();
    let all_rows = match settings.method {
        // D sees the unlabelled images and the generated ones, or the second view, at once.
        Method::Ssl if generator || settings.consistency_weight > 0.0 => 2 * rows,
        Method::Ssl | Method::Supervised => rows,
    };
    let mut all = products(&model.discriminator, all_rows, bytes);
    if generator {
        all.extend(products(&model.generator, rows, bytes));
    }
    if settings.generator_loss == GeneratorLoss::MomentMatching {
        let below = model.discriminator.below_last_affine();
        let features = below.map(|layer| model.discriminator.layers[layer].output.len());
        all.extend(features.into_iter().flat_map(|n| Features::products(n, rows)));
    }
    let mut kinds = std::collections::HashSet::new();
    all.retain(|p| kinds.insert(p.kind()));
    all
}

/// The tiles to measure for a product, the table's first.
fn candidates(gpu: &Gpu, default: Tile, tune: Tune) -> Vec<Tile> {
    let likely = |t: &Tile| match t {
        // Barriers are switches of coroutines in software.
        Tile::Workgroup { .. } | Tile::Cooperative { .. } => !gpu.is_software(),
        Tile::Subgroup { long, .. } => *long == gpu.has_64_bit_integers(),
    };
    let mut tiles = Tile::of(gpu);
    tiles.retain(|t| *t != default && (tune == Tune::Full || likely(t)));
    tiles.insert(0, default);
    tiles
}

fn named(gpu: &Gpu, name: &str) -> Option<Tile> {
    Tile::of(gpu).into_iter().find(|t| t.to_string() == name)
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::fault;
    use crate::model::parse;
    use crate::model::shape::{DataShape, Dims};
    use crate::native::BlockOn;

    const MODEL: &str = r#"
name = "m"
[discriminator]
layers = [
    { op = "flatten" },
    { op = "dense", units = 8 },
    { op = "relu", feature = true },
    { op = "dense", units = "classes" },
]
[generator]
latent = 4
layers = [{ op = "dense", units = "pixels" }, { op = "sigmoid" }]
"#;

    /// The device is lost with the first tile that is tried, the table's: the next one tries the others, and takes one.
    #[test]
    fn a_tile_that_loses_the_device_is_not_tried_again() {
        let shape = DataShape { image: Dims { height: 3, width: 4, channels: 1 }, classes: 3 };
        let model = parse::check(&parse::parse(MODEL, "m").unwrap(), MODEL, "m", shape).unwrap();
        let settings = Settings { batch_size: 16, ..Settings::defaults(Method::Ssl, false) };
        let memory = RefCell::new(Known::default());
        let open = || crate::native::open(&Default::default()).unwrap();
        let measure = || {
            let tune = (Tune::Fast, &memory as &dyn TileMemory);
            Tiles::measure(&open(), &model, &settings, tune, |_| Ok(())).block_on()
        };
        // Numbers, weights, the product.
        fault::at([2]);
        let said = measure().unwrap_err().to_string();
        assert_eq!(fault::left(), 0);
        let kept = memory.recall();
        let lost: Vec<_> = kept.lost.iter().collect();
        assert!(lost.len() == 1 && kept.tiles.is_empty(), "{kept:?}");
        assert!(said.contains(lost[0]) && said.contains("`tune = off`"), "{said}");
        let (tiles, measured) = measure().unwrap();
        assert!(measured.products > 0 && tiles.tiles.values().all(|t| t != lost[0]), "{tiles}: {lost:?}");
        assert_eq!(memory.recall().lost, kept.lost);
        // Of all tiles one is left.
        let mut all = candidates(&open(), Tile::portable()[0], Tune::Fast);
        let left = all.pop().unwrap().to_string();
        memory.replace(Known { lost: all.iter().map(Tile::to_string).collect(), ..Known::default() });
        let (tiles, _) = measure().unwrap();
        assert!(tiles.tiles.len() > 1 && tiles.tiles.values().all(|t| *t == left), "{tiles}: {left}");
    }
}
