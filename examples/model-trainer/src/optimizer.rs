//! The `AdamW` optimizer with a state that can be saved and restored.

use ndarray::{ArrayViewD, ArrayViewMutD, Zip};

use crate::model::Mlp;

/// How much of the running mean of the gradient is kept in a step.
const FIRST_DECAY: f32 = 0.9;
/// How much of the running mean of the square of the gradient is kept in a step.
const SECOND_DECAY: f32 = 0.999;
/// Keeps a gradient that has always been zero from a division by zero.
const EPSILON: f32 = 1e-8;

/// `AdamW` for the weights of one network, by Loshchilov and Hutter, "Decoupled Weight Decay Regularization".
#[derive(Debug, Clone, PartialEq)]
pub struct AdamW {
    learning_rate: f32,
    weight_decay: f32,
    first_moment: Mlp,
    second_moment: Mlp,
    steps: u32,
}

impl AdamW {
    /// Optimizer that has made no step yet.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the network computes with f32")]
    pub fn new(model: &Mlp, learning_rate: f64, weight_decay: f64) -> Self {
        Self {
            learning_rate: learning_rate as f32,
            weight_decay: weight_decay as f32,
            first_moment: model.zeros_like(),
            second_moment: model.zeros_like(),
            steps: 0,
        }
    }

    /// Number of steps made so far.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Continues counting from the given number of steps.
    pub fn set_steps(&mut self, steps: u32) {
        self.steps = steps;
    }

    /// The moments of all weights with their names in a checkpoint.
    pub fn moments(&self) -> impl Iterator<Item = (String, ArrayViewD<'_, f32>)> {
        let first = self.first_moment.parameters().map(|it| ("first", it));
        let second = self.second_moment.parameters().map(|it| ("second", it));
        first
            .chain(second)
            .map(|(prefix, (name, values))| (format!("adamw.{prefix}.{name}"), values))
    }

    /// The same values in the same order, to be changed.
    pub fn moments_mut(&mut self) -> impl Iterator<Item = ArrayViewMutD<'_, f32>> {
        self.first_moment.parameters_mut().chain(self.second_moment.parameters_mut())
    }

    /// Changes the weights so that the loss, which has this gradient, gets smaller.
    pub fn step(&mut self, model: &mut Mlp, gradient: &Mlp) {
        self.steps = self.steps.saturating_add(1);
        let (learning_rate, kept) =
            (self.learning_rate, 1.0 - self.learning_rate * self.weight_decay);
        let (first_scale, second_scale) = (self.scale(FIRST_DECAY), self.scale(SECOND_DECAY));
        let moments = self.first_moment.parameters_mut().zip(self.second_moment.parameters_mut());
        let values = model.parameters_mut().zip(gradient.parameters());
        for ((values, (_, gradient)), (first, second)) in values.zip(moments) {
            Zip::from(values).and(gradient).and(first).and(second).for_each(
                |value, gradient, first, second| {
                    *first = *first * FIRST_DECAY + gradient * (1.0 - FIRST_DECAY);
                    *second = *second * SECOND_DECAY + gradient * gradient * (1.0 - SECOND_DECAY);
                    let change =
                        (*first * first_scale) / ((*second * second_scale).sqrt() + EPSILON);
                    *value = *value * kept - change * learning_rate;
                },
            );
        }
    }

    /// What makes up for a moment that began with zero.
    fn scale(&self, decay: f32) -> f32 {
        1.0 / (1.0 - decay.powi(i32::try_from(self.steps).unwrap_or(i32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_value(model: &Mlp) -> f32 {
        *model.parameters().next().unwrap().1.iter().next().unwrap()
    }

    /// With a gradient that never changes both unbiased moments are exactly that gradient and its square, so each step
    /// is as wide as the learning rate, however large the gradient is.
    #[test]
    fn each_step_is_as_wide_as_the_learning_rate() {
        for slope in [1e-3_f32, -7.0] {
            let mut model = Mlp::new(2, 2, 2, 1);
            let start = first_value(&model);
            let mut gradient = model.zeros_like();
            gradient.parameters_mut().for_each(|mut values| values.fill(slope));
            let mut optimizer = AdamW::new(&model, 0.05, 0.0);
            (0..20).for_each(|_| optimizer.step(&mut model, &gradient));
            let moved = first_value(&model) - start;
            assert!((moved + slope.signum()).abs() < 1e-3, "{moved}");
            assert_eq!(optimizer.steps(), 20);
        }
    }

    #[test]
    fn without_a_gradient_weights_only_decay() {
        let mut model = Mlp::new(2, 2, 2, 1);
        let start = first_value(&model);
        let gradient = model.zeros_like();
        let mut optimizer = AdamW::new(&model, 0.5, 0.5);
        optimizer.step(&mut model, &gradient);
        assert!((first_value(&model) - start * 0.75).abs() < 1e-6);
    }
}
