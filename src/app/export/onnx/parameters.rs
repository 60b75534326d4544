//! A checkpoint's parameters as evaluation uses them.

use crate::error::Result;
use crate::layers::ParamShape;
use crate::model::shape::NetShape;
use crate::train::checkpoint::Checkpoint;

/// Least squared norm of a row that is divided by, as in `shaders/weight_norm.wgsl`.
const LEAST: f64 = 1e-30;

/// The parameters of a checkpoint's discriminator, as they are or averaged.
pub struct Parameters<'a> {
    checkpoint: &'a Checkpoint,
    net: &'a NetShape,
    /// What averages are multiplied by, where they are what is asked for.
    average: Option<f32>,
}

impl<'a> Parameters<'a> {
    /// Those of `net`.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged) where a value is not finite;
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) where the correction of averages is not told.
    pub fn new(checkpoint: &'a Checkpoint, net: &'a NetShape, averaged: bool) -> Result<Parameters<'a>> {
        checkpoint.check_finite(net.name)?;
        let average = averaged.then(|| checkpoint.average_scale()).transpose()?;
        if averaged {
            checkpoint.check_finite(&averages(net))?;
        }
        Ok(Parameters { checkpoint, net, average })
    }

    /// Shape and values of a parameter of layer `i`; `None` if it has none of that name.
    ///
    /// # Errors
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) where the file lacks it or has it in another shape.
    pub fn get(&self, i: usize, name: &str) -> Result<Option<(Vec<u32>, Vec<f32>)>> {
        let Some(param) = self.net.layers[i].params().into_iter().find(|p| p.name == name) else {
            return Ok(None);
        };
        let ParamShape { shape, trained, .. } = param;
        let sizes: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        let tensor = |prefix: &str| self.checkpoint.get(&format!("{prefix}.{i}.{name}"), &sizes);
        let values = match self.average {
            Some(scale) if trained => tensor(&averages(self.net))?.iter().map(|v| v * scale).collect(),
            _ => tensor(self.net.name)?.to_vec(),
        };
        Ok(Some((shape, values)))
    }

    /// Shape and values of the weights of layer `i`, weight normalisation multiplied in.
    ///
    /// # Errors
    /// As [`Parameters::get`].
    pub fn weight(&self, i: usize) -> Result<(Vec<u32>, Vec<f32>)> {
        let (v, g) = (self.get(i, "weight_v")?, self.get(i, "weight_g")?);
        if let (Some((shape, v)), Some((_, g))) = (v, g) {
            let w = fold(&v, &g);
            return Ok((shape, w));
        }
        Ok(self.get(i, "weight")?.unwrap_or_default())
    }
}

/// What the names of the averages begin with.
fn averages(net: &NetShape) -> String {
    format!("average.{}", net.name)
}

/// w = g v / ||v||, a row of v for each value of g.
fn fold(v: &[f32], g: &[f32]) -> Vec<f32> {
    let rows = v.chunks(v.len().div_ceil(g.len().max(1)).max(1));
    let scaled = rows.zip(g).flat_map(|(row, &g)| {
        let squares: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let scale = f64::from(g) / squares.max(LEAST).sqrt();
        row.iter().map(move |&v| (scale * f64::from(v)) as f32)
    });
    scaled.collect()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn weight_norm_is_multiplied_in() {
        assert_eq!(
            fold(&[3.0, 4.0, 0.0, -2.0, 0.0, 0.0], &[10.0, 0.5, 7.0]),
            [6.0, 8.0, 0.0, -0.5, 0.0, 0.0]
        );
    }
}
