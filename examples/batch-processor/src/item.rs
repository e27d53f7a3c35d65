//! One item: its content, its summary, and what can be wrong with it.

use std::collections::BTreeMap;

use chutes::manifest::Sha256Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Something to summarise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Item {
    /// Its name in the results; no two items of a batch have the same.
    pub(crate) id: String,
    /// What its content is.
    pub(crate) kind: Kind,
    /// The content itself.
    pub(crate) content: String,
}

/// What the content of an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Words and lines.
    Text,
    /// Numbers, with blanks or commas between them.
    Numbers,
}

/// The summary of an item.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The SHA-256 checksum of the content.
    pub(crate) sha256: Sha256Digest,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// The figures of one kind of content.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Figures {
    /// Of a text.
    Text {
        /// How many lines.
        lines: usize,
        /// How many words.
        words: usize,
        /// How many of them differ, upper and lower case being the same.
        distinct_words: usize,
        /// The most frequent word; of several, the first in the alphabet.
        most_frequent: String,
    },
    /// Of numbers.
    Numbers {
        /// How many.
        count: usize,
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// The arithmetic mean.
        mean: f64,
    },
}

/// What is wrong with an item. Other items are not affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ItemError {
    #[error("there is nothing in it")]
    Empty,
    #[error("`{word}` (number {position}) is not a finite number")]
    NotANumber { word: String, position: usize },
}

impl Kind {
    /// Summarises content of this kind.
    pub(crate) fn summarise(self, content: &str) -> Result<Summary, ItemError> {
        let figures = match self {
            Self::Text => of_text(content)?,
            Self::Numbers => of_numbers(content)?,
        };
        let sha256 = Sha256Digest::of(content);
        Ok(Summary { sha256, figures })
    }
}

fn of_text(content: &str) -> Result<Figures, ItemError> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let words = content.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    // Of equals, `max_by_key` takes the last, hence from the end of the alphabet.
    let most_frequent = counts.iter().rev().max_by_key(|(_, count)| **count);
    let (most_frequent, _) = most_frequent.ok_or(ItemError::Empty)?;
    Ok(Figures::Text {
        lines: content.lines().count(),
        words: counts.values().sum(),
        distinct_words: counts.len(),
        most_frequent: most_frequent.clone(),
    })
}

fn of_numbers(content: &str) -> Result<Figures, ItemError> {
    let words = content.split(|c: char| c == ',' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty()).enumerate();
    let numbers: Vec<f64> =
        words.map(|(index, word)| number(word, index + 1)).collect::<Result<_, _>>()?;
    if numbers.is_empty() {
        return Err(ItemError::Empty);
    }
    #[expect(clippy::cast_precision_loss, reason = "no content has 2^52 numbers")]
    let count = numbers.len() as f64;
    Ok(Figures::Numbers {
        count: numbers.len(),
        min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
        max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        // Divided first: the sum of large numbers may be infinite, and JSON has no infinity.
        mean: numbers.iter().map(|number| number / count).sum(),
    })
}

fn number(word: &str, position: usize) -> Result<f64, ItemError> {
    let parsed = word.parse().ok().filter(|number: &f64| number.is_finite());
    parsed.ok_or_else(|| ItemError::NotANumber { word: word.to_owned(), position })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(kind: Kind, content: &str) -> Result<Figures, ItemError> {
        kind.summarise(content).map(|summary| summary.figures)
    }

    #[test]
    fn texts() {
        let found = figures(Kind::Text, "To be, or not to be:\nthat is…").unwrap();
        let most_frequent = "be".to_owned();
        assert_eq!(found, Figures::Text { lines: 2, words: 8, distinct_words: 6, most_frequent });
        assert_eq!(figures(Kind::Text, " \n.,"), Err(ItemError::Empty));
    }

    #[test]
    fn numbers() {
        let found = figures(Kind::Numbers, "2.5,3.5 -1\n\t7,").unwrap();
        assert_eq!(found, Figures::Numbers { count: 4, min: -1.0, max: 7.0, mean: 3.0 });
        let Figures::Numbers { mean, .. } = figures(Kind::Numbers, "1e308 1e308").unwrap() else {
            panic!("not numbers")
        };
        assert!(mean.is_finite());
        assert_eq!(figures(Kind::Numbers, ","), Err(ItemError::Empty));
        for word in ["three", "NaN", "inf", "1e999"] {
            let error = figures(Kind::Numbers, &format!("1 {word}")).unwrap_err();
            assert_eq!(error, ItemError::NotANumber { word: word.to_owned(), position: 2 });
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_content() {
        let summary = Kind::Text.summarise("abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(summary.sha256.to_string(), expected);
    }
}
