//! The `AdamW` optimizer with a state that can be saved and restored.
//!
//! `candle_nn::AdamW` computes the same, but keeps its moments private, so that
//! a training that continues from a checkpoint would differ from one that was
//! never interrupted.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use candle_nn::ParamsAdamW;

use crate::model::Parameter;

/// A parameter with the running means of its gradient and of its square.
#[derive(Debug)]
struct Slot {
    parameter: Parameter,
    first_moment: Var,
    second_moment: Var,
}

/// `AdamW` over the parameters of one model.
#[derive(Debug)]
pub struct AdamW {
    slots: Vec<Slot>,
    params: ParamsAdamW,
    step: u32,
}

impl AdamW {
    /// Optimizer that has made no step yet.
    ///
    /// # Errors
    ///
    /// Fails if candle cannot create the moments.
    pub fn new(parameters: &[Parameter], params: ParamsAdamW) -> Result<Self> {
        let slot = |parameter: &Parameter| {
            let value = parameter.var.as_tensor();
            Ok(Slot {
                parameter: parameter.clone(),
                first_moment: Var::zeros(value.shape(), value.dtype(), value.device())?,
                second_moment: Var::zeros(value.shape(), value.dtype(), value.device())?,
            })
        };
        let slots = parameters.iter().map(slot).collect::<Result<_>>()?;
        Ok(Self { slots, params, step: 0 })
    }

    /// Number of steps made so far.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// Continues counting from the given number of steps.
    pub fn set_steps(&mut self, steps: u32) {
        self.step = steps;
    }

    /// The moments of all parameters with their names in a checkpoint.
    #[must_use]
    pub fn moments(&self) -> Vec<Parameter> {
        let named = |prefix: &str, slot: &Slot, var: &Var| Parameter {
            name: format!("adamw.{prefix}.{}", slot.parameter.name),
            var: var.clone(),
        };
        let both = |slot: &Slot| {
            [named("first", slot, &slot.first_moment), named("second", slot, &slot.second_moment)]
        };
        self.slots.iter().flat_map(both).collect()
    }

    /// Changes the parameters so that the loss gets smaller.
    ///
    /// # Errors
    ///
    /// Fails if candle cannot compute the gradients or the new values.
    pub fn backward_step(&mut self, loss: &Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        self.step = self.step.saturating_add(1);
        self.slots.iter().try_for_each(|slot| self.update(slot, &gradients))
    }

    fn update(&self, slot: &Slot, gradients: &GradStore) -> Result<()> {
        let value = slot.parameter.var.as_tensor();
        let Some(gradient) = gradients.get(value) else { return Ok(()) };
        let ParamsAdamW { lr, beta1, beta2, eps, weight_decay } = self.params;
        let step = i32::try_from(self.step).unwrap_or(i32::MAX);
        let first = ((slot.first_moment.as_tensor() * beta1)? + (gradient * (1.0 - beta1))?)?;
        let second =
            ((slot.second_moment.as_tensor() * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let first_unbiased = (&first * (1.0 / (1.0 - beta1.powi(step))))?;
        let second_unbiased = (&second * (1.0 / (1.0 - beta2.powi(step))))?;
        let change = (first_unbiased / (second_unbiased.sqrt()? + eps)?)?;
        let decayed = (value * (1.0 - lr * weight_decay))?;
        slot.first_moment.set(&first)?;
        slot.second_moment.set(&second)?;
        slot.parameter.var.set(&(decayed - (change * lr)?)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use candle_nn::Optimizer as _;

    use super::*;

    fn loss(var: &Var) -> Tensor {
        let target = Tensor::new(&[1_f32, -2.0, 3.0], &Device::Cpu).unwrap();
        (var.as_tensor() - target).unwrap().sqr().unwrap().sum_all().unwrap()
    }

    #[test]
    fn it_computes_the_same_as_candle() {
        let start = [0.5_f32, 0.25, -1.0];
        let ours = Var::new(&start, &Device::Cpu).unwrap();
        let theirs = Var::new(&start, &Device::Cpu).unwrap();
        let params = ParamsAdamW { lr: 0.05, weight_decay: 0.1, ..ParamsAdamW::default() };
        let parameter = Parameter { name: "x".to_owned(), var: ours.clone() };
        let mut our_optimizer = AdamW::new(&[parameter], params.clone()).unwrap();
        let mut their_optimizer = candle_nn::AdamW::new(vec![theirs.clone()], params).unwrap();
        for _ in 0..20 {
            our_optimizer.backward_step(&loss(&ours)).unwrap();
            their_optimizer.backward_step(&loss(&theirs)).unwrap();
        }
        assert_eq!(ours.to_vec1::<f32>().unwrap(), theirs.to_vec1::<f32>().unwrap());
        assert_ne!(ours.to_vec1::<f32>().unwrap(), start);
        assert_eq!(our_optimizer.steps(), 20);
    }
}
