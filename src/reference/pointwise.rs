//! Activations, noise and dropout, one value at a time.

use crate::rng::{self, Counter};

/// `max(x, 0)`
pub fn relu(x: f64) -> f64 {
    if x > 0.0 { x } else { 0.0 }
}

/// Slope of [`relu`]; 0 at 0.
pub fn relu_grad(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { 0.0 }
}

/// `x > 0 ? x : slope x`
pub fn leaky_relu(x: f64, slope: f64) -> f64 {
    if x > 0.0 { x } else { slope * x }
}

/// Slope of [`leaky_relu`]; `slope` at 0.
pub fn leaky_relu_grad(x: f64, slope: f64) -> f64 {
    if x > 0.0 { 1.0 } else { slope }
}

/// `log(1 + e^x)`, without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Slope of [`softplus`]: the sigmoid.
pub fn softplus_grad(x: f64) -> f64 {
    sigmoid(x)
}

/// `1 / (1 + e^-x)`, without overflow.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Slope of [`sigmoid`].
pub fn sigmoid_grad(x: f64) -> f64 {
    sigmoid(x) * sigmoid(-x)
}

/// `tanh x`
pub fn tanh(x: f64) -> f64 {
    x.tanh()
}

/// Slope of [`tanh`].
pub fn tanh_grad(x: f64) -> f64 {
    1.0 - x.tanh() * x.tanh()
}

/// `y = x + sigma n`, n element e of the stream; dy/dx = 1.
pub fn gaussian_noise(x: &[f64], sigma: f64, seed: u64, at: Counter) -> Vec<f64> {
    x.iter().enumerate().map(|(e, x)| x + sigma * rng::normal(seed, at, e as u32)).collect()
}

/// Factors of inverted dropout: `1 / (1 - rate)` where element e of the stream is >= rate, else 0.
/// y = factor x, dx = factor dy.
pub fn dropout_factors(len: usize, rate: f64, seed: u64, at: Counter) -> Vec<f64> {
    let factor = |e| if rng::uniform(seed, at, e) >= rate { 1.0 / (1.0 - rate) } else { 0.0 };
    (0..len).map(|e| factor(e as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::gradient_check::{check_gradient, numbers};

    type Function = fn(f64) -> f64;

    #[test]
    fn gradients() {
        let activations: [(&str, Function, Function); 5] = [
            ("relu", relu, relu_grad),
            ("leaky_relu", |x| leaky_relu(x, 0.2), |x| leaky_relu_grad(x, 0.2)),
            ("softplus", softplus, softplus_grad),
            ("sigmoid", sigmoid, sigmoid_grad),
            ("tanh", tanh, tanh_grad),
        ];
        let (x, c) = (numbers(1, 40), numbers(2, 40));
        assert!(x.iter().all(|x| x.abs() > 1e-3), "a value on the kink");
        for (name, f, df) in activations {
            let grad: Vec<f64> = x.iter().zip(&c).map(|(&x, c)| df(x) * c).collect();
            check_gradient(name, &x, &grad, |x| x.iter().zip(&c).map(|(&x, c)| f(x) * c).sum());
        }
    }

    #[test]
    fn extremes_stay_finite() {
        assert_eq!((softplus(-800.0), softplus(800.0)), (0.0, 800.0));
        assert_eq!((sigmoid(-800.0), sigmoid(800.0)), (0.0, 1.0));
        assert_eq!((softplus(0.0), sigmoid(0.0)), (std::f64::consts::LN_2, 0.5));
    }

    #[test]
    fn kinks_take_the_lower_slope() {
        assert_eq!((relu_grad(0.0), leaky_relu_grad(0.0, 0.2)), (0.0, 0.2));
    }

    #[test]
    fn noise_is_the_stream() {
        let at = Counter { stream: 5, step: 9 };
        let y = gaussian_noise(&[1.0, 2.0, 3.0], 0.5, 42, at);
        let expected: Vec<f64> = (0..3).map(|e| f64::from(e + 1) + 0.5 * rng::normal(42, at, e)).collect();
        assert_eq!(y, expected);
        assert_ne!(y[0], 1.0);
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let f = dropout_factors(10_000, 0.25, 1, Counter { stream: 0, step: 0 });
        assert!(f.iter().all(|&f| f == 0.0 || f == 1.0 / 0.75));
        let mean = f.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 1.0).abs() < 0.03, "mean {mean}");
        assert!(dropout_factors(9, 0.0, 1, Counter { stream: 0, step: 0 }).iter().all(|&f| f == 1.0));
    }
}
