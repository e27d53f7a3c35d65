//! The red-wine quality data: loading, splitting and standardising.
//!
//! The data holds 1599 wines with 11 chemical measurements and a quality score
//! each. 240 of the rows repeat an earlier row exactly; they are dropped, since
//! a wine that is in both splits would make the test look better than it is.

use std::collections::HashSet;

use thiserror::Error;

use crate::random::SeededRandom;

/// Number of measurements per wine.
pub const FEATURE_COUNT: usize = 11;
/// Names of the classes; a label is an index into this list.
pub const CLASS_NAMES: [&str; 2] = ["bad", "good"];

/// Lowest quality score of a wine that counts as good.
const GOOD_SCORE: usize = 6;
/// One wine in this many goes into the test split.
const TEST_SHARE: usize = 5;
/// Stream of the seed that the split is drawn from.
const SPLIT_STREAM: u64 = 1;

/// The measurements of one wine.
pub type Features = [f32; FEATURE_COUNT];

/// Standardised measurements and their labels, in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The measurements, one entry per wine.
    pub features: Vec<Features>,
    /// The classes, as indices into [`CLASS_NAMES`].
    pub labels: Vec<u32>,
}

impl Samples {
    /// Number of wines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no wine at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The data, split into a training part and a held-out test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Four fifths of the wines, to learn from.
    pub train: Samples,
    /// One fifth of the wines, never looked at while learning.
    pub test: Samples,
    /// How the measurements were standardised.
    pub scaling: Scaling,
    /// Seed from which the split was drawn.
    pub split_seed: u64,
}

/// Why the data could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatasetError {
    /// The data has another number of columns than this crate was written for.
    #[error("the wine data has {found} measurements per wine, expected {FEATURE_COUNT}")]
    ColumnCount {
        /// Number of columns found.
        found: usize,
    },
    /// There is not enough data to split.
    #[error("the wine data has {found} distinct wines, too few to split")]
    TooFewRows {
        /// Number of distinct rows found.
        found: usize,
    },
}

/// A wine as it is in the file.
#[derive(Debug, Clone, PartialEq)]
struct Wine {
    measurements: [f64; FEATURE_COUNT],
    score: usize,
}

impl Dataset {
    /// Loads the data that ships inside the `linfa-datasets` crate, splits it by
    /// the seed and standardises both parts with the mean and the standard
    /// deviation of the training part.
    ///
    /// # Errors
    ///
    /// Fails if the shipped data is not of the expected form.
    pub fn load(split_seed: u64) -> Result<Self, DatasetError> {
        let (train, test) = split(distinct(read_wines()?), split_seed)?;
        let scaling = Scaling::of(&train);
        Ok(Self { train: scaling.apply(&train), test: scaling.apply(&test), scaling, split_seed })
    }

    /// Accuracy on the test split of always answering with the class that is
    /// most frequent in the training split.
    #[must_use]
    pub fn majority_accuracy(&self) -> f64 {
        let count = |samples: &Samples, class: u32| {
            samples.labels.iter().filter(|label| **label == class).count()
        };
        let majority = (0_u32..).take(CLASS_NAMES.len()).max_by_key(|c| count(&self.train, *c));
        majority.map_or(0.0, |class| share(count(&self.test, class), self.test.len()))
    }
}

/// `part / whole` as a fraction.
#[expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

fn read_wines() -> Result<Vec<Wine>, DatasetError> {
    let data = linfa_datasets::winequality();
    let rows = data.records.outer_iter().zip(data.targets.iter());
    rows.map(|(row, score)| {
        let values = row.to_vec();
        let found = values.len();
        let measurements = values.try_into().map_err(|_| DatasetError::ColumnCount { found })?;
        Ok(Wine { measurements, score: *score })
    })
    .collect()
}

/// Keeps the first of several equal wines.
fn distinct(wines: Vec<Wine>) -> Vec<Wine> {
    let mut seen = HashSet::new();
    wines.into_iter().filter(|wine| seen.insert(wine.measurements.map(f64::to_bits))).collect()
}

/// Shuffles the wines by the seed and cuts them into training and test part.
fn split(mut wines: Vec<Wine>, seed: u64) -> Result<(Vec<Wine>, Vec<Wine>), DatasetError> {
    if wines.len() < TEST_SHARE {
        return Err(DatasetError::TooFewRows { found: wines.len() });
    }
    SeededRandom::new(seed, SPLIT_STREAM).shuffle(&mut wines);
    let test = wines.split_off(wines.len() - wines.len() / TEST_SHARE);
    Ok((wines, test))
}

/// Mean and standard deviation of every measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// What is subtracted.
    pub mean: [f64; FEATURE_COUNT],
    /// What is divided by, after that.
    pub deviation: [f64; FEATURE_COUNT],
}

impl Scaling {
    fn of(wines: &[Wine]) -> Self {
        let column_mean = |column: usize, value: &dyn Fn(f64) -> f64| {
            let sum: f64 = wines.iter().map(|wine| value(wine.measurements[column])).sum();
            sum * share(1, wines.len().max(1))
        };
        let mean = std::array::from_fn(|column| column_mean(column, &|value| value));
        let deviation = std::array::from_fn(|column| {
            let centre: f64 = mean[column];
            let spread = column_mean(column, &|value| (value - centre).powi(2)).sqrt();
            // A measurement that never changes is left at zero instead of NaN.
            if spread > 0.0 { spread } else { 1.0 }
        });
        Self { mean, deviation }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the network computes with f32")]
    fn apply(&self, wines: &[Wine]) -> Samples {
        let scaled = |wine: &Wine, column: usize| {
            ((wine.measurements[column] - self.mean[column]) / self.deviation[column]) as f32
        };
        Samples {
            features: wines.iter().map(|w| std::array::from_fn(|c| scaled(w, c))).collect(),
            labels: wines.iter().map(|wine| u32::from(wine.score >= GOOD_SCORE)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(wines: &[Wine]) -> HashSet<[u64; FEATURE_COUNT]> {
        wines.iter().map(|wine| wine.measurements.map(f64::to_bits)).collect()
    }

    #[test]
    fn the_data_has_the_known_size() {
        let wines = read_wines().unwrap();
        assert_eq!(wines.len(), 1599);
        assert_eq!(distinct(wines).len(), 1359);
    }

    #[test]
    fn the_split_is_deterministic() {
        let first = Dataset::load(7).unwrap();
        assert_eq!(first, Dataset::load(7).unwrap());
        assert_ne!(first.test, Dataset::load(8).unwrap().test);
        assert_eq!((first.train.len(), first.test.len()), (1088, 271));
    }

    #[test]
    fn the_splits_have_no_wine_in_common_and_lose_none() {
        let wines = distinct(read_wines().unwrap());
        let all = keys(&wines);
        let (train, test) = split(wines, 42).unwrap();
        assert!(keys(&train).is_disjoint(&keys(&test)));
        assert_eq!(keys(&train).union(&keys(&test)).count(), all.len());
    }

    #[test]
    fn only_the_training_split_decides_the_scaling() {
        let (train, test) = split(distinct(read_wines().unwrap()), 42).unwrap();
        let scaling = Scaling::of(&train);
        let dataset = Dataset::load(42).unwrap();
        assert_eq!(dataset.test, scaling.apply(&test));
        for column in 0..FEATURE_COUNT {
            let mean = |samples: &Samples| {
                let sum: f64 = samples.features.iter().map(|row| f64::from(row[column])).sum();
                sum * share(1, samples.len())
            };
            assert!(mean(&dataset.train).abs() < 1e-6);
            assert!(mean(&dataset.test).abs() > 1e-6, "the test split was centred on itself");
        }
    }

    #[test]
    fn too_little_data_is_refused() {
        assert_eq!(split(Vec::new(), 1), Err(DatasetError::TooFewRows { found: 0 }));
    }
}
