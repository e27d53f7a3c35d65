//! A picture of a training: train and test loss over the epochs, as SVG.

use std::io;

use plotters::coord::types::{RangedCoordf64, RangedCoordu32};
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use thiserror::Error;

use crate::metrics::EpochMetrics;

const SIZE: (u32, u32) = (800, 480);
const TRAIN_COLOR: RGBColor = RGBColor(31, 119, 180);
const TEST_COLOR: RGBColor = RGBColor(214, 39, 40);
const FONT: &str = "sans-serif";

type DrawError = DrawingAreaErrorKind<io::Error>;
type LossChart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordu32, RangedCoordf64>>;

/// Why the plot could not be drawn.
#[derive(Debug, Error)]
pub enum PlotError {
    /// There is no finished epoch to draw.
    #[error("no finished epoch to plot")]
    NoEpochs,
    /// The drawing library failed.
    #[error("cannot draw the loss plot")]
    Draw(#[from] DrawError),
}

/// Draws train and test loss over the epochs as the text of an SVG file.
///
/// # Errors
///
/// Fails if there is no epoch or the drawing library fails.
pub fn loss_plot_svg(epochs: &[EpochMetrics]) -> Result<String, PlotError> {
    if epochs.is_empty() {
        return Err(PlotError::NoEpochs);
    }
    let mut svg = String::new();
    draw(epochs, &mut svg)?;
    Ok(svg)
}

fn draw(epochs: &[EpochMetrics], svg: &mut String) -> Result<(), DrawError> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let last = epochs.iter().map(|metrics| metrics.epoch).max().unwrap_or(1);
    let (lowest, highest) = loss_range(epochs);
    let mut chart = ChartBuilder::on(&area)
        .caption("Loss during training", (FONT, 24))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        // A single epoch would otherwise be an axis of no length.
        .build_cartesian_2d(1..last.max(2), lowest..highest)?;
    chart
        .configure_mesh()
        .x_desc("Epoch")
        .y_desc("Cross entropy")
        .x_labels(10)
        .y_labels(8)
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 16))
        .light_line_style(TRANSPARENT)
        .y_label_formatter(&|loss| format!("{loss:.2}"))
        .draw()?;
    draw_line(&mut chart, "train", TRAIN_COLOR, epochs, |metrics| metrics.train_loss)?;
    draw_line(&mut chart, "test", TEST_COLOR, epochs, |metrics| metrics.test_loss)?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 16))
        .draw()?;
    area.present()
}

fn draw_line(
    chart: &mut LossChart<'_, '_>,
    label: &str,
    color: RGBColor,
    epochs: &[EpochMetrics],
    loss: impl Fn(&EpochMetrics) -> f64,
) -> Result<(), DrawError> {
    let points = epochs.iter().map(|metrics| (metrics.epoch, loss(metrics)));
    let style = color.stroke_width(2);
    chart
        .draw_series(LineSeries::new(points, style))?
        .label(label)
        .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], style));
    Ok(())
}

/// The range of the losses with a little air around it.
fn loss_range(epochs: &[EpochMetrics]) -> (f64, f64) {
    let losses = epochs.iter().flat_map(|metrics| [metrics.train_loss, metrics.test_loss]);
    let (lowest, highest) = losses
        .filter(|loss| loss.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), loss| {
            (low.min(loss), high.max(loss))
        });
    if lowest > highest {
        return (0.0, 1.0);
    }
    let air = ((highest - lowest) * 0.05).max(0.01);
    ((lowest - air).max(0.0), highest + air)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(epoch: u32) -> EpochMetrics {
        let loss = 1.0 / f64::from(epoch);
        EpochMetrics { epoch, train_loss: loss, test_loss: loss + 0.1, test_accuracy: 0.7 }
    }

    #[test]
    fn the_plot_is_valid_svg_with_labels_and_legend() {
        let epochs: Vec<_> = (1..=20).map(metrics).collect();
        let svg = loss_plot_svg(&epochs).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "svg");
        let texts: Vec<_> =
            document.descendants().filter_map(|n| n.text()).map(str::trim).collect();
        for text in ["Loss during training", "Epoch", "Cross entropy", "train", "test", "0.40"] {
            assert!(texts.contains(&text), "{text} is missing in {texts:?}");
        }
        let lines = document.descendants().filter(|node| {
            node.has_tag_name((
                document.root_element().tag_name().namespace().unwrap_or(""),
                "polyline",
            ))
        });
        assert!(lines.count() >= 2);
    }

    #[test]
    fn one_epoch_and_odd_numbers_can_be_drawn() {
        let mut odd = metrics(1);
        assert!(loss_plot_svg(&[odd]).is_ok());
        odd.train_loss = f64::NAN;
        odd.test_loss = f64::INFINITY;
        let svg = loss_plot_svg(&[odd]).unwrap();
        assert!(roxmltree::Document::parse(&svg).is_ok());
    }

    #[test]
    fn nothing_to_plot_is_an_error() {
        assert!(matches!(loss_plot_svg(&[]), Err(PlotError::NoEpochs)));
    }
}
