//! A job whose data has fields of all kinds, for the options that they give.

use std::collections::BTreeMap;

use chutes::prelude::*;
use serde::{Deserialize, Serialize};

/// How the model is trained.
#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(default)]
struct Training {
    /// How often all examples are seen.
    ///
    /// More is not always better.
    #[schemars(range(min = 1, max = 1000))]
    epochs: u32,
    /// The step of the optimizer.
    learning_rate: f64,
    /// Where to go.
    way: Way,
    /// The name of the model.
    #[schemars(length(min = 1, max = 8))]
    name: Option<String>,
    /// Says more.
    verbose: bool,
    /// Neurons of each layer.
    #[schemars(length(max = 3))]
    layers: Vec<u16>,
    optimizer: Optimizer,
    /// Collides with an option of `run`.
    grace: u8,
    parts: Vec<BTreeMap<String, u8>>,
}

#[derive(Default, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(default)]
struct Optimizer {
    /// What is kept of the last step.
    momentum: f64,
}

#[derive(Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// As the crow flies.
    VeryStraight,
    Winding,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 10,
            learning_rate: 0.5,
            way: Way::Winding,
            name: None,
            verbose: false,
            layers: Vec::new(),
            optimizer: Optimizer::default(),
            grace: 0,
            parts: Vec::new(),
        }
    }
}

/// Returns how a model would be trained.
#[job]
async fn trains(_ctx: JobContext, data: Training) -> Result<Training, JobError> {
    Ok(data)
}
