//! What a training measures, as plain values that can be stored as JSON.

use serde::{Deserialize, Serialize};

/// Measured after an epoch, with the weights at its end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Mean cross entropy on the training split.
    pub train_loss: f64,
    /// Mean cross entropy on the test split.
    pub test_loss: f64,
    /// Share of the test split that is classified correctly, from 0 to 1.
    pub test_accuracy: f64,
}

/// The result of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// One entry per finished epoch, also of those before an interruption.
    pub epochs: Vec<EpochMetrics>,
    /// Share of the test split that the final weights classify correctly.
    pub test_accuracy: f64,
    /// The same share for always answering with the most frequent class.
    pub majority_accuracy: f64,
    /// Names of the classes, in the order of the confusion matrix.
    pub classes: Vec<String>,
    /// Counts on the test split: `confusion_matrix[actual][predicted]`.
    pub confusion_matrix: Vec<Vec<u32>>,
    /// Number of samples that were learned from.
    pub train_samples: usize,
    /// Number of samples in the held-out test split.
    pub test_samples: usize,
}

/// Counts how often a sample of each class was taken for each class.
pub(crate) fn confusion_matrix(actual: &[u32], predicted: &[u32], classes: usize) -> Vec<Vec<u32>> {
    let mut matrix = vec![vec![0; classes]; classes];
    for (actual, predicted) in actual.iter().zip(predicted) {
        let row = matrix.get_mut(*actual as usize);
        if let Some(cell) = row.and_then(|row| row.get_mut(*predicted as usize)) {
            *cell += 1;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_confusion_matrix_has_actual_classes_as_rows() {
        let matrix = confusion_matrix(&[0, 0, 1, 1], &[0, 1, 1, 1], 2);
        assert_eq!(matrix, [[1, 1], [0, 2]]);
    }

    #[test]
    fn metrics_survive_json() {
        let metrics =
            EpochMetrics { epoch: 3, train_loss: 0.5, test_loss: 0.625, test_accuracy: 0.75 };
        let json = serde_json::to_string(&metrics).unwrap();
        assert_eq!(serde_json::from_str::<EpochMetrics>(&json).unwrap(), metrics);
    }
}
