//! The network: two hidden layers between the measurements and the classes.

use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{Linear, Module};

use crate::random::SeededRandom;

/// Stream of the seed that the initial weights are drawn from.
const WEIGHT_STREAM: u64 = 2;

/// A learnable value and its name in a checkpoint.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Name, unique within a model.
    pub name: String,
    /// The value; clones share it.
    pub var: Var,
}

/// A multi-layer perceptron.
///
/// candle cannot seed its random numbers on the CPU, hence the weights are drawn
/// here and not by a `VarBuilder`.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    parameters: Vec<Parameter>,
}

impl Mlp {
    /// Network with two hidden layers of equal size and seeded initial weights.
    ///
    /// # Errors
    ///
    /// Fails if candle cannot create the tensors.
    pub fn new(inputs: usize, hidden: usize, classes: usize, seed: u64) -> Result<Self> {
        let mut random = SeededRandom::new(seed, WEIGHT_STREAM);
        let mut mlp = Self { layers: Vec::new(), parameters: Vec::new() };
        let sizes = [(inputs, hidden), (hidden, hidden), (hidden, classes)];
        for (number, (inputs, outputs)) in sizes.into_iter().enumerate() {
            mlp.add_layer(number + 1, inputs, outputs, &mut random)?;
        }
        Ok(mlp)
    }

    fn add_layer(
        &mut self,
        number: usize,
        inputs: usize,
        outputs: usize,
        random: &mut SeededRandom,
    ) -> Result<()> {
        let limit = weight_limit(inputs);
        let weights: Vec<f32> = (0..inputs * outputs).map(|_| random.uniform(limit)).collect();
        let weight = Var::from_vec(weights, (outputs, inputs), &Device::Cpu)?;
        let bias = Var::from_vec(vec![0_f32; outputs], outputs, &Device::Cpu)?;
        self.layers.push(Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())));
        self.parameters.push(Parameter { name: format!("layer{number}.weight"), var: weight });
        self.parameters.push(Parameter { name: format!("layer{number}.bias"), var: bias });
        Ok(())
    }

    /// All that is learned, in a fixed order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Whether no learned value is NaN or infinite.
    ///
    /// # Errors
    ///
    /// Fails if candle cannot compute.
    pub fn is_finite(&self) -> Result<bool> {
        for parameter in &self.parameters {
            // Zero times NaN or infinity is NaN, and a NaN survives every sum.
            let zero = (parameter.var.as_tensor() * 0.0)?.sum_all()?.to_scalar::<f32>()?;
            if !zero.is_finite() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Module for Mlp {
    /// The unnormalised class scores of a batch of samples.
    fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let mut values = features.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            values = layer.forward(&values)?;
            if index + 1 < self.layers.len() {
                values = values.relu()?;
            }
        }
        Ok(values)
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

    fn first_weights(seed: u64) -> Vec<Vec<f32>> {
        let mlp = Mlp::new(11, 4, 2, seed).unwrap();
        mlp.parameters()[0].var.to_vec2().unwrap()
    }

    #[test]
    fn the_seed_decides_the_weights() {
        assert_eq!(first_weights(1), first_weights(1));
        assert_ne!(first_weights(1), first_weights(2));
    }

    #[test]
    fn the_output_has_one_score_per_class() {
        let mlp = Mlp::new(11, 4, 2, 1).unwrap();
        let batch = Tensor::zeros((5, 11), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert_eq!(mlp.forward(&batch).unwrap().dims(), [5, 2]);
        assert_eq!(mlp.parameters().len(), 6);
    }

    #[test]
    fn a_weight_that_is_no_number_is_noticed() {
        let mlp = Mlp::new(11, 4, 2, 1).unwrap();
        assert!(mlp.is_finite().unwrap());
        let bias = Tensor::new(&[0.0, f32::INFINITY], &Device::Cpu).unwrap();
        mlp.parameters()[5].var.set(&bias).unwrap();
        assert!(!mlp.is_finite().unwrap());
    }
}
