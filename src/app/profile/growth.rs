//! How the cost of a step grows with the minibatch, with the width of the networks and with the images.

use super::{Spread, bench};
use crate::app::model_file;
use crate::app::report::plot::{Line, Panel};
use crate::app::run::tiles;
use crate::data::{Dataset, Split};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::layers::{Channels, Conv2d, ConvTranspose2d, Dense, ImageUnits};
use crate::model::parse;
use crate::model::shape::{DataShape, Dims};
use crate::model::spec::{LayerOp, LayerSpec, ModelSpec, Units};
use crate::native::BlockOn;
use crate::train::settings::{Method, Settings};
use crate::train::{Scratch, Trainer, Tune};
use serde::Serialize;

/// What grows; the others stay at the usual size: minibatches of 512, the model's own width, 28 x 28 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Unlabelled images of a minibatch.
    BatchSize,
    /// Factor of the units and channels of all layers, but for those that the data prescribe.
    Width,
    /// Side of the images in pixels.
    ImageSide,
}

impl Axis {
    /// All of them.
    pub const ALL: [Axis; 3] = [Axis::BatchSize, Axis::Width, Axis::ImageSide];

    /// In tables and below axes.
    pub fn name(self) -> &'static str {
        match self {
            Axis::BatchSize => "batch size",
            Axis::Width => "width",
            Axis::ImageSide => "image side",
        }
    }

    /// The sizes that are measured along this axis.
    pub fn values(self) -> &'static [u32] {
        match self {
            Axis::BatchSize => &[64, 128, 256, 512, 1024, 2048, 4096],
            Axis::Width => &[1, 2, 3, 4],
            Axis::ImageSide => &[28, 40, 52, 64],
        }
    }
}

/// A step's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    batch: u32,
    width: u32,
    side: u32,
}

const BASE: Size = Size { batch: 512, width: 1, side: 28 };

impl Size {
    fn with(axis: Axis, value: u32) -> Size {
        match axis {
            Axis::BatchSize => Size { batch: value, ..BASE },
            Axis::Width => Size { width: value, ..BASE },
            Axis::ImageSide => Size { side: value, ..BASE },
        }
    }
}

/// The cost of one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// The size that was changed.
    pub axis: Axis,
    /// Its value.
    pub value: u32,
    /// What a step of that size costs, if it could be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What one step costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds.
    pub time: Spread,
    /// How many times a step of the usual size, run just before: what else the machine did is in both.
    pub ratio: Spread,
    /// Unlabelled images.
    pub images: u32,
    /// Floating-point operations.
    pub flop: u64,
    /// Floating-point operations of a step of the usual size.
    pub base_flop: u64,
    /// Bytes of all tensors that training has.
    pub bytes: u64,
}

impl Cost {
    /// Time of an image, that of the usual size being 1.
    pub fn image(&self) -> f64 {
        self.ratio.p50 * f64::from(BASE.batch) / f64::from(self.images)
    }

    /// Time of an operation, that of the usual size being 1.
    pub fn operation(&self) -> f64 {
        self.ratio.p50 * self.base_flop as f64 / self.flop as f64
    }
}

/// Measures a model along `axis`, `runs` steps a size after one that does not count; `progress` hears of each size.
///
/// # Errors
/// As [`model_file::load`] and [`Trainer::new`] for the usual size; [`Error::Gpu`] if the device failed. Sizes that the
/// adapter or the model refuses are points without cost.
pub fn measure(
    gpu: &Gpu,
    model: &str,
    tune: Option<Tune>,
    axis: Axis,
    runs: u32,
    mut progress: impl FnMut(&Point),
) -> Result<Vec<Point>> {
    let (spec, _) = model_file::load(model)?;
    let (base, _) = trainer(gpu, &spec, tune, BASE)?;
    let mut points = vec![];
    for &value in axis.values() {
        let size = Size::with(axis, value);
        let (cost, refused) = match gpu.aside(async { cost(gpu, &spec, tune, size, &base, runs) }).block_on()
        {
            Ok(cost) => (Some(cost), None),
            Err(e @ (Error::Gpu(_) | Error::Adapter(_) | Error::Usage(_))) => (None, Some(e.to_string())),
            // A model that is not for this size; it has no lines to name, being made larger here.
            Err(Error::Text { reason, .. }) => (None, Some(reason)),
            Err(e) => return Err(e),
        };
        points.push(Point { axis, value, cost, refused });
        progress(&points[points.len() - 1]);
    }
    Ok(points)
}

fn cost(
    gpu: &Gpu,
    spec: &ModelSpec,
    tune: Option<Tune>,
    size: Size,
    base: &Trainer,
    runs: u32,
) -> Result<Cost> {
    let (trainer, bytes) = trainer(gpu, spec, tune, size)?;
    let (flop, base_flop) = (trainer.program().flops(), base.program().flops());
    let times = bench::turns(&[base, &trainer], 1, runs, || ())?;
    let ratios: Vec<f64> = times[1].iter().zip(&times[0]).map(|(time, base)| time / base).collect();
    let spread = |of: &[f64]| Spread::of(of).ok_or_else(|| Error::Usage("--runs: at least one".into()));
    Ok(Cost { time: spread(&times[1])?, ratio: spread(&ratios)?, images: size.batch, flop, base_flop, bytes })
}

/// A trainer of that size, and the bytes of its tensors.
fn trainer(gpu: &Gpu, spec: &ModelSpec, tune: Option<Tune>, size: Size) -> Result<(Trainer, u64)> {
    let set = images(size)?;
    let spec = widened(spec, size.width);
    let model = parse::check(&spec, "", &spec.name, set.shape)?;
    let settings = Settings { batch_size: size.batch, ..Settings::defaults(Method::Ssl, false) };
    let before = gpu.memory().asked;
    let (chosen, _) = tiles::measure(gpu, &model, &settings, tune, |_| Ok(()))?;
    let trainer = Trainer::with_tiles(gpu, &model, &settings, &set, Scratch::Shared, &chosen).block_on()?;
    Ok((trainer, gpu.memory().asked - before))
}

/// Grey images of ten classes, as many as a minibatch has; what they show costs nothing.
fn images(size: Size) -> Result<Dataset> {
    let image = Dims { height: size.side, width: size.side, channels: 1 };
    let split = |n: u32| {
        let pixels = (0..n * image.len()).map(|i| (i % 251) as u8);
        Split::labelled(pixels.collect(), (0..n).map(|i| (i % 10) as u16))
    };
    Dataset::new("grey", DataShape { image, classes: 10 }, split(size.batch.max(512)), split(10))
}

/// The model with `factor` times the units and channels, but for those that the data prescribe.
pub fn widened(spec: &ModelSpec, factor: u32) -> ModelSpec {
    let mut spec = spec.clone();
    let widen = |layer: &mut LayerSpec| match &mut layer.op {
        LayerOp::Dense(Dense { units: Units::Count(n), .. })
        | LayerOp::Conv2d(Conv2d { channels: n, .. })
        | LayerOp::Dense(Dense { units: Units::Image(ImageUnits { channels: n, .. }), .. })
        | LayerOp::ConvTranspose2d(ConvTranspose2d { channels: Channels::Count(n), .. }) => *n *= factor,
        _ => {}
    };
    let generator = &mut spec.generator.layers;
    // A convolution at the end of a generator makes the image's channels.
    let last = generator.len().saturating_sub(2);
    generator[..last].iter_mut().for_each(widen);
    spec.discriminator.layers.iter_mut().for_each(widen);
    spec
}

/// Time of an image and of an operation (those of the usual size being 1) and memory along the axes, a row of panels an
/// axis; of each model (name, points).
pub fn panels(models: &[(String, Vec<Point>)]) -> Vec<Panel> {
    let panel = |axis: Axis, y_label: &str, of: fn(&Cost) -> f64| {
        let line = |(name, points): &(String, Vec<Point>)| {
            let of_axis = points.iter().filter(|p| p.axis == axis);
            let at = |p: &Point| p.cost.as_ref().map(|c| (f64::from(p.value), of(c)));
            Line { name: name.clone(), points: of_axis.filter_map(at).collect(), members: vec![] }
        };
        Panel {
            title: format!("{y_label} by {}", axis.name()),
            x_label: axis.name().into(),
            y_label: y_label.into(),
            lines: models.iter().map(line).collect(),
            include: vec![0.0],
        }
    };
    Axis::ALL
        .into_iter()
        .flat_map(|axis| {
            [
                panel(axis, "time of an image, relative", Cost::image),
                panel(axis, "time of an operation, relative", Cost::operation),
                panel(axis, "MiB", |c| c.bytes as f64 / f64::from(1 << 20)),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::AdapterChoice;

    #[test]
    fn widths_are_of_hidden_layers() {
        for name in ["dnn", "cnn"] {
            let (spec, _) = model_file::load(name).unwrap();
            assert_eq!(widened(&spec, 1), spec);
            let shape = |factor| {
                let set = images(BASE).unwrap();
                parse::check(&widened(&spec, factor), "", name, set.shape).unwrap()
            };
            let (one, three) = (shape(1), shape(3));
            for (a, b) in [(&one.discriminator, &three.discriminator), (&one.generator, &three.generator)] {
                assert_eq!((a.input, a.output()), (b.input, b.output()));
                let hidden = |net: &crate::model::shape::NetShape| -> Vec<u32> {
                    net.layers
                        .iter()
                        .filter(|l| l.output != net.output())
                        .map(|l| l.output.channels)
                        .collect()
                };
                let first = hidden(a).into_iter().zip(hidden(b)).find(|(a, b)| a != b).unwrap();
                assert_eq!(first.1, 3 * first.0, "{name}");
            }
        }
    }

    /// Of a network small enough for a test: more rows cost at least twice the operations, and more memory.
    #[test]
    fn costs() {
        let gpu = crate::native::open(&AdapterChoice::default()).unwrap();
        let (mut spec, _) = model_file::load("dnn").unwrap();
        for layer in spec.discriminator.layers.iter_mut().chain(&mut spec.generator.layers) {
            if let LayerOp::Dense(Dense { units: Units::Count(n), .. }) = &mut layer.op {
                *n = 8;
            }
        }
        let small = Size { batch: 16, ..BASE };
        let (base, bytes) = trainer(&gpu, &spec, None, small).unwrap();
        let large = cost(&gpu, &spec, None, Size { batch: 128, ..BASE }, &base, 2).unwrap();
        assert!(large.flop > 2 * base.program().flops() && large.bytes > bytes);
        assert!(large.time.p50 > 0.0 && large.ratio.p50 > 0.0 && large.images == 128);
        let wide = cost(&gpu, &spec, None, Size { width: 4, ..small }, &base, 1).unwrap();
        assert!(wide.flop > base.program().flops() && wide.bytes > bytes);
        let point = |value, cost| Point { axis: Axis::Width, value, cost, refused: None };
        let panels = panels(&[("dnn".into(), vec![point(4, Some(wide)), point(8, None)])]);
        let drawn: Vec<usize> = panels.iter().map(|p| p.lines[0].points.len()).collect();
        assert_eq!(drawn, [0, 0, 0, 1, 1, 1, 0, 0, 0], "a size that was refused has no point");
        assert_eq!(panels[5].lines[0].points[0], (4.0, wide.bytes as f64 / 1048576.0));
        let one = Spread::of(&[1.0]).unwrap();
        let even = Cost { images: BASE.batch, ratio: one, flop: large.base_flop, ..large };
        assert_eq!((even.image(), even.operation()), (1.0, 1.0));
        let twice = Cost { images: 2 * BASE.batch, flop: 2 * even.flop, ..even };
        assert_eq!((twice.image(), twice.operation()), (0.5, 0.5));
    }
}
