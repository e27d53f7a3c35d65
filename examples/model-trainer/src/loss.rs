//! The cross entropy between the scores of a network and the true classes.

use ndarray::Array2;

/// The sum of the cross entropy of all samples: a row of scores for each label.
pub(crate) fn cross_entropy(scores: Array2<f32>, labels: &[u32]) -> f64 {
    let logarithms = log_shares(scores);
    let rows = logarithms.rows().into_iter().zip(labels);
    rows.map(|(row, label)| -f64::from(row[*label as usize])).sum()
}

/// How the mean cross entropy changes with each score.
#[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^24 samples")]
pub(crate) fn slopes(scores: Array2<f32>, labels: &[u32]) -> Array2<f32> {
    let mut slopes = log_shares(scores).mapv_into(f32::exp);
    for (mut row, label) in slopes.rows_mut().into_iter().zip(labels) {
        row[*label as usize] -= 1.0;
    }
    slopes / labels.len() as f32
}

/// The logarithm of the share that each class has in its row (softmax). The largest score is subtracted first, so
/// that no power is too large for a number.
fn log_shares(mut scores: Array2<f32>) -> Array2<f32> {
    for mut row in scores.rows_mut() {
        let largest = row.fold(f32::NEG_INFINITY, |largest, score| largest.max(*score));
        let sum: f32 = row.iter().map(|score| (score - largest).exp()).sum();
        row -= largest + sum.ln();
    }
    scores
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, array};

    use super::*;

    #[test]
    fn equal_scores_cost_the_logarithm_of_the_number_of_classes() {
        let loss = cross_entropy(arr2(&[[0.5, 0.5], [3.0, 3.0]]), &[0, 1]);
        assert!((loss - 2.0 * 2_f64.ln()).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn large_scores_stay_finite() {
        let loss = cross_entropy(arr2(&[[1e30, -1e30]]), &[0]);
        assert!(loss.abs() < 1e-6, "{loss}");
    }

    #[test]
    fn a_score_that_is_no_number_makes_the_loss_none() {
        assert!(cross_entropy(arr2(&[[f32::NAN, 0.0]]), &[1]).is_nan());
    }

    #[test]
    fn the_slopes_pull_towards_the_label() {
        let slopes = slopes(arr2(&[[0.0, 0.0], [0.0, 0.0]]), &[0, 1]);
        assert_eq!(slopes, array![[-0.25, 0.25], [0.25, -0.25]]);
    }
}
