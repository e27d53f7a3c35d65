//! The network: two hidden layers between the measurements and the classes.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, ArrayViewMutD, Axis};

use crate::loss;
use crate::random::SeededRandom;

/// Stream of the seed that the initial weights are drawn from.
const WEIGHT_STREAM: u64 = 2;

/// The weights of one layer, from all its inputs to all its outputs, and what is added to each output.
#[derive(Debug, Clone, PartialEq)]
struct Layer {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

/// A multi-layer perceptron, or one value for each of its weights: gradients and moments have the same form.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    layers: Vec<Layer>,
}

impl Mlp {
    /// Network with two hidden layers of equal size and seeded initial weights.
    #[must_use]
    pub fn new(inputs: usize, hidden: usize, classes: usize, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed, WEIGHT_STREAM);
        let sizes = [(inputs, hidden), (hidden, hidden), (hidden, classes)];
        let layer = |(inputs, outputs)| {
            let limit = weight_limit(inputs);
            let weight = Array2::from_shape_simple_fn((outputs, inputs), || random.uniform(limit));
            Layer { weight, bias: Array1::zeros(outputs) }
        };
        Self { layers: sizes.into_iter().map(layer).collect() }
    }

    /// A zero for each weight.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        let zeros = |layer: &Layer| Layer {
            weight: Array2::zeros(layer.weight.raw_dim()),
            bias: Array1::zeros(layer.bias.raw_dim()),
        };
        Self { layers: self.layers.iter().map(zeros).collect() }
    }

    /// All that is learned, in a fixed order, with names that are unique within the network.
    pub fn parameters(&self) -> impl Iterator<Item = (String, ArrayViewD<'_, f32>)> {
        self.layers.iter().zip(1..).flat_map(|(layer, number)| {
            [
                (format!("layer{number}.weight"), layer.weight.view().into_dyn()),
                (format!("layer{number}.bias"), layer.bias.view().into_dyn()),
            ]
        })
    }

    /// The same values in the same order, to be changed.
    pub fn parameters_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, f32>> {
        self.layers.iter_mut().flat_map(|layer| {
            [layer.weight.view_mut().into_dyn(), layer.bias.view_mut().into_dyn()]
        })
    }

    /// Whether no learned value is NaN or infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.parameters().all(|(_, values)| values.iter().all(|value| value.is_finite()))
    }

    /// The unnormalised scores of the classes, a row for each sample.
    #[must_use]
    pub fn scores(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        self.outputs(features).pop().unwrap_or_default()
    }

    /// The gradient of the mean cross entropy: by how much it changes with each weight.
    ///
    /// # Panics
    ///
    /// Panics if a label is no class.
    #[must_use]
    pub fn gradient(&self, features: ArrayView2<'_, f32>, labels: &[u32]) -> Self {
        let mut hidden = self.outputs(features);
        let mut slopes = loss::slopes(hidden.pop().unwrap_or_default(), labels);
        let mut layers = Vec::new();
        for layer in self.layers.iter().rev() {
            let below = hidden.pop();
            let inputs = below.as_ref().map_or(features.view(), Array2::view);
            let weight = slopes.t().dot(&inputs);
            layers.push(Layer { weight, bias: slopes.sum_axis(Axis(0)) });
            // What a ReLU has cut off has no effect on the loss.
            let passed = inputs.mapv(|value| f32::from(u8::from(value > 0.0)));
            slopes = slopes.dot(&layer.weight) * passed;
        }
        layers.reverse();
        Self { layers }
    }

    /// What each layer puts out, after its `ReLU` if it is a hidden one.
    fn outputs(&self, features: ArrayView2<'_, f32>) -> Vec<Array2<f32>> {
        let mut outputs: Vec<Array2<f32>> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let inputs = outputs.last().map_or(features.view(), Array2::view);
            let mut values = inputs.dot(&layer.weight.t()) + &layer.bias;
            if index + 1 < self.layers.len() {
                values.mapv_inplace(|value| value.max(0.0));
            }
            outputs.push(values);
        }
        outputs
    }
}

/// Half the width of He's uniform initialisation for layers before a `ReLU`.
#[expect(clippy::cast_precision_loss, reason = "a layer has far fewer than 2^24 inputs")]
fn weight_limit(inputs: usize) -> f32 {
    (6.0 / inputs.max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_the_weights() {
        assert_eq!(Mlp::new(11, 4, 2, 1), Mlp::new(11, 4, 2, 1));
        assert_ne!(Mlp::new(11, 4, 2, 1), Mlp::new(11, 4, 2, 2));
    }

    #[test]
    fn the_output_has_one_score_per_class() {
        let mlp = Mlp::new(11, 4, 2, 1);
        assert_eq!(mlp.scores(Array2::zeros((5, 11)).view()).dim(), (5, 2));
        let names: Vec<String> = mlp.parameters().map(|(name, _)| name).collect();
        assert_eq!((names.len(), names[0].as_str()), (6, "layer1.weight"));
    }

    #[test]
    fn a_weight_that_is_no_number_is_noticed() {
        let mut mlp = Mlp::new(11, 4, 2, 1);
        assert!(mlp.is_finite());
        mlp.parameters_mut().last().unwrap()[1] = f32::INFINITY;
        assert!(!mlp.is_finite());
    }

    /// The gradient must be what the loss does when one weight is moved a little.
    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        const STEP: f32 = 0.01;
        let mut mlp = Mlp::new(3, 4, 2, 7);
        let features = Array2::from_shape_fn((6, 3), |(row, column)| {
            [0.3, -0.8, 1.1, -0.2, 0.9][(row * 3 + column) % 5]
        });
        let labels = [0, 1, 1, 0, 1, 0];
        let gradient = mlp.gradient(features.view(), &labels);
        let gradient: Vec<Vec<f32>> =
            gradient.parameters().map(|(_, values)| values.iter().copied().collect()).collect();
        for (parameter, slopes) in gradient.iter().enumerate() {
            for (position, slope) in slopes.iter().enumerate() {
                let mut moved = |step: f32| {
                    let mut values = mlp.parameters_mut().nth(parameter).unwrap();
                    *values.iter_mut().nth(position).unwrap() += step;
                    loss::cross_entropy(mlp.scores(features.view()), &labels) / 6.0
                };
                let (above, below) = (moved(STEP), moved(-2.0 * STEP));
                moved(STEP);
                let measured = (above - below) / f64::from(2.0 * STEP);
                let difference = (measured - f64::from(*slope)).abs();
                assert!(difference < 0.01, "{parameter}, {position}: {measured}, {slope}");
            }
        }
        assert!(gradient.concat().iter().any(|slope| slope.abs() > 0.1));
    }
}
