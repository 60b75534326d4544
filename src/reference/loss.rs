//! Losses on the K logits and on the features (Salimans et al. 2016, sections 3.1, 3.4 and 5).
//!
//! With `s = logsumexp_k l_k` and the logit of the class "generated" fixed to 0, `D(x) = sigmoid(s)`,
//! `-log D = softplus(-s)` and `-log(1 - D) = softplus(s)`; Z itself is never formed.

use super::sigmoid::sigmoid;
use super::softplus::softplus;

/// `log sum_k e^l_k`, the largest logit subtracted.
pub fn logsumexp(logits: &[f64]) -> f64 {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln()
}

/// `p_j = e^(l_j - s)`.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let s = logsumexp(logits);
    logits.iter().map(|l| (l - s).exp()).collect()
}

/// Cross entropy of one row and its gradient: `s - l_y`, `p_j - [j = y]`; zeros where the label is no class.
pub fn cross_entropy(logits: &[f64], label: u32) -> (f64, Vec<f64>) {
    let label = label as usize;
    let Some(l_y) = logits.get(label) else { return (0.0, vec![0.0; logits.len()]) };
    let mut d = softmax(logits);
    d[label] -= 1.0;
    (logsumexp(logits) - l_y, d)
}

/// Weights of the discriminator's loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossSettings {
    /// w of the unsupervised half.
    pub weight: f64,
    /// Target of real images, alpha of one-sided label smoothing; 1 is none.
    pub alpha: f64,
    /// Of the mean entropy of the unlabelled rows' predictions.
    pub entropy: f64,
    /// Of the mean squared distance between the predictions of an unlabelled image in its two views.
    pub consistency: f64,
    /// Of the distance of the unlabelled rows' mean prediction from all classes alike; none where it is not looked at.
    pub balance: Option<f64>,
    /// The unlabelled rows are followed by as many rows of the same images.
    pub second_view: bool,
}

impl Default for LossSettings {
    fn default() -> Self {
        LossSettings {
            weight: 1.0,
            alpha: 1.0,
            entropy: 0.0,
            consistency: 0.0,
            balance: None,
            second_view: false,
        }
    }
}

/// The discriminator's loss with its parts and its gradient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiscriminatorLoss {
    /// `L_D = supervised + weight (real + fake) / 2 + entropy weight x entropy + consistency weight x consistency
    /// + balance weight x balance`
    pub total: f64,
    /// Mean cross entropy of the labelled rows.
    pub supervised: f64,
    /// Mean over unlabelled rows of `alpha softplus(-s) + (1 - alpha) softplus(s)`.
    pub real: f64,
    /// Mean over generated rows of `softplus(s)`.
    pub fake: f64,
    /// Labelled rows whose largest logit (the first of equals) is their label's.
    pub correct: usize,
    /// Mean D(x) of the unlabelled rows.
    pub d_real: f64,
    /// Mean D(x) of the generated rows.
    pub d_fake: f64,
    /// Mean entropy of the unlabelled rows' predictions, in nats.
    pub entropy: f64,
    /// Mean squared distance between the two views' predictions.
    pub consistency: f64,
    /// log K less the entropy of the mean prediction for the unlabelled rows, where the settings have a weight of it.
    pub balance: Option<f64>,
    /// dL_D/dlogits `[rows, classes]`.
    pub d_logits: Vec<f64>,
}

/// L_D on stacked logits `[labels.len() + unlabelled + second view + generated, classes]`, in that order; the second
/// view only where the settings say so. The mean over no rows counts as 0.
///
/// # Panics
/// Where the logits are not that many rows.
pub fn discriminator_loss(
    logits: &[f64],
    classes: usize,
    labels: &[u32],
    unlabelled: usize,
    generated: usize,
    settings: LossSettings,
) -> DiscriminatorLoss {
    let second = if settings.second_view { unlabelled } else { 0 };
    let rows = labels.len() + unlabelled + second + generated;
    assert_eq!(logits.len(), rows * classes, "discriminator_loss: logits are not [{rows}, {classes}]");
    let first = labels.len()..labels.len() + unlabelled;
    let again = first.end..first.end + second;
    let mut loss = DiscriminatorLoss::default();
    for (row, l) in logits.chunks_exact(classes).enumerate() {
        let d = if row < labels.len() {
            loss.add_labelled(l, labels[row], labels.len())
        } else if first.contains(&row) {
            let mut d = loss.add_unlabelled(l, unlabelled, settings);
            if second > 0 {
                let other = &logits[(row + second) * classes..][..classes];
                let (_, apart) = view_distance(l, other, unlabelled, settings.consistency);
                d.iter_mut().zip(apart).for_each(|(d, apart)| *d += apart);
            }
            d
        } else if again.contains(&row) {
            let other = &logits[(row - second) * classes..][..classes];
            let (distance, d) = view_distance(l, other, unlabelled, settings.consistency);
            loss.consistency += distance;
            d
        } else {
            loss.add_generated(l, generated, settings.weight)
        };
        loss.d_logits.extend(d);
    }
    loss.total = loss.supervised
        + settings.weight * (loss.real + loss.fake) / 2.0
        + settings.entropy * loss.entropy
        + settings.consistency * loss.consistency;
    if let Some(weight) = settings.balance.filter(|_| unlabelled > 0) {
        let rows = first.start * classes..first.end * classes;
        let (balance, d) = distance_from_even(&logits[rows.clone()], classes);
        loss.balance = Some(balance);
        loss.total += weight * balance;
        loss.d_logits[rows].iter_mut().zip(d).for_each(|(to, d)| *to += weight * d);
    }
    loss
}

/// A row's part of the means, and of the gradient by its logits l.
impl DiscriminatorLoss {
    fn add_labelled(&mut self, l: &[f64], label: u32, rows: usize) -> Vec<f64> {
        let n = rows as f64;
        let (loss, d) = cross_entropy(l, label);
        self.supervised += loss / n;
        self.correct += usize::from(argmax(l) == label as usize);
        d.iter().map(|d| d / n).collect()
    }

    fn add_unlabelled(&mut self, l: &[f64], rows: usize, settings: LossSettings) -> Vec<f64> {
        let LossSettings { weight, alpha, entropy, .. } = settings;
        let (n, s, p) = (rows as f64, logsumexp(l), softmax(l));
        self.real += (alpha * softplus(-s) + (1.0 - alpha) * softplus(s)) / n;
        self.d_real += sigmoid(s) / n;
        let h = -p.iter().zip(l).map(|(p, l)| p * (l - s)).sum::<f64>();
        self.entropy += h / n;
        // ds/dl_j = p_j
        let ds = -alpha * sigmoid(-s) + (1.0 - alpha) * sigmoid(s);
        let d = |(p, l): (&f64, &f64)| weight / 2.0 * ds * p / n - entropy * p * (l - s + h) / n;
        p.iter().zip(l).map(d).collect()
    }

    fn add_generated(&mut self, l: &[f64], rows: usize, weight: f64) -> Vec<f64> {
        let (n, s) = (rows as f64, logsumexp(l));
        self.fake += softplus(s) / n;
        self.d_fake += sigmoid(s) / n;
        softmax(l).iter().map(|p| weight / 2.0 * sigmoid(s) / n * p).collect()
    }
}

/// Squared distance between the predictions of an image in its two views, over the number of images, and `weight` times
/// its gradient by the logits of the one view.
fn view_distance(one: &[f64], other: &[f64], images: usize, weight: f64) -> (f64, Vec<f64>) {
    let (n, p, q) = (images as f64, softmax(one), softmax(other));
    let apart: Vec<f64> = p.iter().zip(&q).map(|(p, q)| p - q).collect();
    let mean: f64 = p.iter().zip(&apart).map(|(p, d)| p * d).sum();
    let d = p.iter().zip(&apart).map(|(p, d)| weight * 2.0 * p * (d - mean) / n).collect();
    (apart.iter().map(|d| d * d).sum::<f64>() / n, d)
}

/// log K less the entropy of q, the mean of the predictions of logits `[rows, classes]`, which is the Kullback-Leibler divergence of q
/// from all classes alike, and its gradient `p_j (log q_j - sum_k p_k log q_k) / rows` (Krause et al. 2010; Springenberg
/// 2016).
fn distance_from_even(logits: &[f64], classes: usize) -> (f64, Vec<f64>) {
    let predictions: Vec<f64> = logits.chunks_exact(classes).flat_map(softmax).collect();
    let rows = (logits.len() / classes) as f64;
    let mean = column_means(&predictions, classes);
    // What no row gives any share to is multiplied with 0.
    let logs: Vec<f64> = mean.iter().map(|q| q.max(f64::MIN_POSITIVE).ln()).collect();
    let weighted = |p: &[f64]| p.iter().zip(&logs).map(|(p, log)| p * log).sum::<f64>();
    let gradient = predictions.chunks_exact(classes).flat_map(|p| {
        let expected = weighted(p);
        p.iter().zip(&logs).map(move |(p, log)| p * (log - expected) / rows)
    });
    ((classes as f64).ln() + weighted(&mean), gradient.collect())
}

/// The non-saturating loss of G, -mean log D over the logits `[rows, classes]` of its images, and its gradient.
pub fn generator_loss(logits: &[f64], classes: usize) -> (f64, Vec<f64>) {
    let n = (logits.len() / classes) as f64;
    let mut loss = 0.0;
    let mut d = Vec::with_capacity(logits.len());
    for l in logits.chunks_exact(classes) {
        let s = logsumexp(l);
        loss += softplus(-s) / n;
        d.extend(softmax(l).iter().map(|p| -sigmoid(-s) * p / n));
    }
    (loss, d)
}

/// Index of the largest value, the first of equals.
pub fn argmax(values: &[f64]) -> usize {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best
}

/// How the squared distance of feature means is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureMatching {
    /// Mean over the F features, as the paper's code has it.
    #[default]
    Mean,
    /// Sum, the squared norm of the paper's text: F times as large.
    Sum,
}

impl FeatureMatching {
    fn factor(self, features: usize) -> f64 {
        match self {
            FeatureMatching::Mean => 1.0 / features as f64,
            FeatureMatching::Sum => 1.0,
        }
    }
}

/// What G is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneratorLoss {
    /// The distance of feature means.
    FeatureMatching(FeatureMatching),
    /// The distances of the means and of the covariances of what D's last product is given.
    MomentMatching(FeatureMatching),
    /// -log D(G(z)).
    NonSaturating,
}

/// L_G = `c || mean_real f - mean_generated f ||^2`, c = 1/F or 1, and dL_G/df. f is
/// `[real + generated, features]`, real rows first. Only where batch norm joins the rows do the features of real rows
/// depend on G; there their gradient leads to it as well.
///
/// # Panics
/// Where f is not that many rows.
pub fn feature_matching(
    f: &[f64],
    real: usize,
    generated: usize,
    features: usize,
    reduction: FeatureMatching,
) -> (f64, Vec<f64>) {
    let rows = real + generated;
    assert_eq!(f.len(), rows * features, "feature_matching: f is not [{rows}, {features}]");
    let (f_real, f_generated) = f.split_at(real * features);
    let (m_real, m_generated) = (column_means(f_real, features), column_means(f_generated, features));
    let c = reduction.factor(features);
    let loss = m_real.iter().zip(&m_generated).map(|(r, g)| c * (r - g) * (r - g)).sum();
    let mut df = Vec::with_capacity(f.len());
    for (count, sign) in [(real, 1.0), (generated, -1.0)] {
        for _ in 0..count {
            df.extend(m_real.iter().zip(&m_generated).map(|(r, g)| sign * 2.0 * c * (r - g) / count as f64));
        }
    }
    (loss, df)
}

/// L_G = `c (|| mean_real f - mean_generated f ||^2 + || cov_real f - cov_generated f ||^2)`, c = 1/F or 1, with covariances
/// that are divided by the number of rows, and dL_G/df; f as in [`feature_matching`] (Mroueh et al. 2017, "McGan", who match
/// the covariances in another norm).
///
/// # Panics
/// Where f is not that many rows.
pub fn moment_matching(
    f: &[f64],
    real: usize,
    generated: usize,
    features: usize,
    reduction: FeatureMatching,
) -> (f64, Vec<f64>) {
    let (mut loss, mut df) = feature_matching(f, real, generated, features, reduction);
    let c = reduction.factor(features);
    let kinds = [(&f[..real * features], 1.0), (&f[real * features..], -1.0)];
    let kinds = kinds.map(|(f, sign)| {
        let means = column_means(f, features);
        let deviations: Vec<f64> = f.iter().zip(means.iter().cycle()).map(|(f, m)| f - m).collect();
        (deviations, sign * features as f64 / f.len() as f64)
    });
    let mut apart = vec![0.0; features * features];
    for (deviations, weight) in &kinds {
        for row in deviations.chunks(features) {
            for (apart, a) in apart.chunks_mut(features).zip(row) {
                apart.iter_mut().zip(row).for_each(|(apart, b)| *apart += weight * a * b);
            }
        }
    }
    loss += c * apart.iter().map(|d| d * d).sum::<f64>();
    let rows = kinds
        .iter()
        .flat_map(|(deviations, weight)| deviations.chunks(features).map(move |row| (row, weight)));
    for (df, (row, weight)) in df.chunks_mut(features).zip(rows) {
        for (df, apart) in df.iter_mut().zip(apart.chunks(features)) {
            *df += 4.0 * c * weight * row.iter().zip(apart).map(|(a, b)| a * b).sum::<f64>();
        }
    }
    (loss, df)
}

fn column_means(f: &[f64], columns: usize) -> Vec<f64> {
    let rows = (f.len() / columns) as f64;
    super::bias::bias_grad(f, columns).iter().map(|sum| sum / rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::assert_close;
    use crate::reference::gradient_check::{check_gradient, numbers};

    #[test]
    fn known_values() {
        // Equal logits 0: s = ln K, D = K / (K + 1).
        let loss = discriminator_loss(&[0.0; 9], 3, &[1], 1, 1, LossSettings::default());
        let (ln3, d) = (3f64.ln(), 0.75f64);
        let got = [loss.supervised, loss.real, loss.fake, loss.d_real, loss.d_fake, loss.total];
        let total = ln3 + 0.5 * (-d.ln() - (1.0 - d).ln());
        assert_close("parts", &[ln3, -d.ln(), -(1.0 - d).ln(), d, d, total], &got, 1e-14, 0.0);
        let third = 1.0 / 3.0;
        let (real, fake) = (-0.5 * (1.0 - d) * third, 0.5 * d * third);
        let expected = [third, third - 1.0, third, real, real, real, fake, fake, fake];
        assert_close("d_logits", &expected, &loss.d_logits, 1e-14, 0.0);
        assert_eq!(loss.correct, 0, "the first of equal logits is class 0");
    }

    /// Of two labelled rows the one that has no class is none of the loss: half of what the other makes alone.
    #[test]
    fn labels_that_are_no_class_have_no_part() {
        let logits = [0.3, -0.2, 0.7, 1.5, 0.1, -0.4];
        for (label, bad) in [(0, 3), (2, u32::MAX)] {
            let both = discriminator_loss(&logits, 3, &[label, bad], 0, 0, LossSettings::default());
            let alone = discriminator_loss(&logits[..3], 3, &[label], 0, 0, LossSettings::default());
            assert_close("loss", &[alone.total / 2.0], &[both.total], 1e-14, 0.0);
            let half: Vec<f64> = alone.d_logits.iter().map(|d| d / 2.0).chain([0.0; 3]).collect();
            assert_close("d_logits", &half, &both.d_logits, 1e-14, 0.0);
            assert_eq!(both.correct, alone.correct);
        }
    }

    #[test]
    fn huge_logits_stay_finite() {
        let logits = [1e4, 0.0, -1e4, -1e4, 1e4, 1e4, -1e4, -1e4];
        let settings = LossSettings { alpha: 0.9, entropy: 1.0, ..LossSettings::default() };
        let loss = discriminator_loss(&logits, 2, &[0], 2, 1, settings);
        assert!(loss.total.is_finite() && loss.d_logits.iter().all(|d| d.is_finite()), "{loss:?}");
        assert_eq!((loss.supervised, loss.correct), (0.0, 1));
    }

    #[test]
    fn gradients_of_discriminator_loss() {
        let logits: Vec<f64> = numbers(1, 9 * 4).iter().map(|x| 2.0 * x - 1.0).collect();
        for (weight, alpha) in [(1.0, 1.0), (0.7, 0.9), (0.0, 1.0)] {
            let settings = LossSettings { weight, alpha, ..LossSettings::default() };
            let loss = |l: &[f64]| discriminator_loss(l, 4, &[0, 3], 4, 3, settings);
            check_gradient("d_logits", &logits, &loss(&logits).d_logits, |l| loss(l).total);
        }
    }

    /// Rows: 2 labelled, 3 unlabelled and again, 1 generated.
    #[test]
    fn gradients_of_entropy_and_consistency() {
        let logits: Vec<f64> = numbers(3, 9 * 4).iter().map(|x| 2.0 * x - 1.0).collect();
        for (weight, entropy, consistency) in [(0.0, 0.0, 1.0), (0.7, 0.3, 2.0)] {
            let settings =
                LossSettings { weight, alpha: 0.9, entropy, consistency, balance: None, second_view: true };
            let loss = |l: &[f64]| discriminator_loss(l, 4, &[0, 3], 3, 1, settings);
            check_gradient("d_logits", &logits, &loss(&logits).d_logits, |l| loss(l).total);
        }
        let settings = LossSettings { weight: 0.0, entropy: 1.0, ..LossSettings::default() };
        let loss = |l: &[f64]| discriminator_loss(l, 4, &[], 9, 0, settings);
        check_gradient("entropy alone", &logits, &loss(&logits).d_logits, |l| loss(l).total);
    }

    /// Alone, and among the other terms: 2 labelled, 3 unlabelled and again, 1 generated.
    #[test]
    fn gradients_of_balance() {
        let logits: Vec<f64> = numbers(4, 9 * 4).iter().map(|x| 4.0 * x - 2.0).collect();
        let alone = LossSettings { weight: 0.0, balance: Some(1.0), ..LossSettings::default() };
        let loss = |l: &[f64]| discriminator_loss(l, 4, &[], 9, 0, alone);
        check_gradient("balance alone", &logits, &loss(&logits).d_logits, |l| loss(l).total);
        let settings = LossSettings {
            weight: 0.7,
            alpha: 0.9,
            entropy: 0.3,
            consistency: 2.0,
            balance: Some(1.5),
            second_view: true,
        };
        let loss = |l: &[f64]| discriminator_loss(l, 4, &[0, 3], 3, 1, settings);
        check_gradient("balance and others", &logits, &loss(&logits).d_logits, |l| loss(l).total);
    }

    #[test]
    fn known_balance() {
        let of = |logits: &[f64]| {
            let settings = LossSettings { weight: 0.0, balance: Some(2.0), ..LossSettings::default() };
            let loss = discriminator_loss(logits, 2, &[], logits.len() / 2, 0, settings);
            assert_close("L_D", &[2.0 * loss.balance.unwrap()], &[loss.total], 1e-14, 0.0);
            loss.balance.unwrap()
        };
        // Predictions (3/4, 1/4) and (1/4, 3/4): even between them. (3/4, 1/4) twice. A class that nothing is given to.
        let (ln2, ln3) = (2f64.ln(), 3f64.ln());
        let entropy = 0.75 * (4f64 / 3.0).ln() + 0.25 * 4f64.ln();
        let got = [of(&[ln3, 0.0, 0.0, ln3]), of(&[ln3, 0.0, ln3, 0.0]), of(&[1e4, 0.0, 1e4, 0.0])];
        assert_close("balance", &[0.0, ln2 - entropy, ln2], &got, 1e-14, 1e-15);
    }

    #[test]
    fn known_entropy_and_distance() {
        // Predictions (1/2, 1/2) and (3/4, 1/4) of one image.
        let settings = LossSettings { weight: 0.0, second_view: true, ..LossSettings::default() };
        let loss = discriminator_loss(&[0.0, 0.0, 3f64.ln(), 0.0], 2, &[], 1, 0, settings);
        let expected = [2f64.ln(), 2.0 / 16.0];
        assert_close("entropy, distance", &expected, &[loss.entropy, loss.consistency], 1e-14, 0.0);
    }

    #[test]
    fn gradients_of_the_generator_loss() {
        let logits: Vec<f64> = numbers(5, 6 * 4).iter().map(|x| 2.0 * x - 1.0).collect();
        check_gradient("generator", &logits, &generator_loss(&logits, 4).1, |l| generator_loss(l, 4).0);
        // D = 3/4.
        assert_close("value", &[-0.75f64.ln()], &[generator_loss(&[0.0; 3], 3).0], 1e-14, 0.0);
    }

    #[test]
    fn gradients_of_matching() {
        let (real, generated, features) = (3, 4, 5);
        for (stream, matching) in [(1, feature_matching as fn(&[f64], _, _, _, _) -> _), (7, moment_matching)]
        {
            let f = numbers(stream, (real + generated) * features);
            let mut losses = vec![];
            for reduction in [FeatureMatching::Mean, FeatureMatching::Sum] {
                let (value, df) = matching(&f, real, generated, features, reduction);
                check_gradient("df", &f, &df, |f| matching(f, real, generated, features, reduction).0);
                losses.push(value);
            }
            assert_close("sum = F mean", &[losses[0] * 5.0], &losses[1..], 1e-14, 0.0);
        }
    }

    /// Means 0 and 2; covariance matrices ((1, 1), (1, 1)) and ((1, -1), (-1, 1)).
    #[test]
    fn known_distance_of_moments() {
        let f = [-1.0, -1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 1.0];
        let (loss, _) = moment_matching(&f, 2, 2, 2, FeatureMatching::Sum);
        assert_eq!(loss, 2.0 * 4.0 + 2.0 * 4.0);
    }

    #[test]
    fn known_feature_distance() {
        let f = [1.0, 2.0, 3.0, 4.0, 5.0, 0.0];
        let (loss, df) = feature_matching(&f, 2, 1, 2, FeatureMatching::Mean);
        assert_eq!(loss, (3.0 * 3.0 + 3.0 * 3.0) / 2.0);
        assert_eq!(df, [-1.5, 1.5, -1.5, 1.5, 3.0, -3.0]);
    }
}
