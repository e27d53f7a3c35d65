//! Ranges of numbers, and counts of characters and values.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// The bounds of a number. Of several that apply, the tightest is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Range {
    least: Option<Bound>,
    most: Option<Bound>,
    /// What the type can hold, as its name in `format` says. It is shown only where it is what a value violates.
    holds: Option<(i128, i128)>,
}

/// A number that is compared with bounds: exactly, if it is whole and not beyond 128 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantity {
    whole: Option<i128>,
    real: f64,
}

impl Quantity {
    /// The number of a text; `None` if it is none, or not finite.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let real = text.parse().ok().filter(|real: &f64| real.is_finite())?;
        Some(Self { whole: text.parse().ok(), real })
    }

    pub(super) fn real(self) -> f64 {
        self.real
    }

    fn of(number: &Number) -> Self {
        Self { whole: number.as_i128(), real: number.as_f64().unwrap_or(f64::NAN) }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self.whole, other.whole) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => self.real.partial_cmp(&other.real).unwrap_or(Ordering::Equal),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    number: Number,
    is_allowed: bool,
}

impl Range {
    /// Adds what a schema says.
    pub(super) fn add(&mut self, schema: &Map<String, Value>) {
        let bound = |keyword: &str, is_allowed| {
            let number = schema.get(keyword).and_then(Value::as_number)?.clone();
            Some(Bound { number, is_allowed })
        };
        for (keyword, is_allowed) in [("minimum", true), ("exclusiveMinimum", false)] {
            tighten(&mut self.least, bound(keyword, is_allowed), Ordering::Greater);
        }
        for (keyword, is_allowed) in [("maximum", true), ("exclusiveMaximum", false)] {
            tighten(&mut self.most, bound(keyword, is_allowed), Ordering::Less);
        }
        self.holds = self.holds.or(schema.get("format").and_then(Value::as_str).and_then(holds));
    }

    /// The range as tables show it; empty if every number is allowed.
    pub(super) fn text(&self) -> String {
        match (&self.least, &self.most) {
            (Some(least), Some(most)) if least.is_allowed && most.is_allowed => {
                format!("{} to {}", shown(&least.number), shown(&most.number))
            }
            (least, most) => {
                let least = least.as_ref().map(|bound| bound.words("at least", "above"));
                let most = most.as_ref().map(|bound| bound.words("at most", "below"));
                [least, most].into_iter().flatten().collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// Checks a number. If it is out of range, the range is returned, to follow the name of the type in a message.
    pub(super) fn check(&self, number: Quantity) -> Result<(), String> {
        let least = self.least.as_ref().is_none_or(|bound| bound.admits(number, Ordering::Greater));
        let most = self.most.as_ref().is_none_or(|bound| bound.admits(number, Ordering::Less));
        if !least || !most {
            return Err(self.phrase());
        }
        match self.holds {
            Some((low, high)) if number.whole.is_none_or(|whole| whole < low || whole > high) => {
                Err(format!(" from {low} to {high}"))
            }
            _ => Ok(()),
        }
    }

    /// The range, to follow the name of the type in a message.
    pub(super) fn phrase(&self) -> String {
        match (&self.least, &self.most) {
            (None, None) => String::new(),
            (Some(least), Some(most)) if least.is_allowed && most.is_allowed => {
                format!(" from {}", self.text())
            }
            _ => format!(" that is {}", self.text()),
        }
    }
}

impl Bound {
    fn words(&self, allowed: &str, excluded: &str) -> String {
        let words = if self.is_allowed { allowed } else { excluded };
        format!("{words} {}", shown(&self.number))
    }

    /// Whether a number is on this side of the bound, or is the bound itself and that is allowed.
    fn admits(&self, number: Quantity, side: Ordering) -> bool {
        let found = number.compare(Quantity::of(&self.number));
        found == side || (found == Ordering::Equal && self.is_allowed)
    }
}

/// Keeps the tighter of two bounds: the one on this side of the other.
fn tighten(kept: &mut Option<Bound>, new: Option<Bound>, side: Ordering) {
    let Some(new) = new else { return };
    let is_tighter = kept.as_ref().is_none_or(|kept| {
        let found = Quantity::of(&new.number).compare(Quantity::of(&kept.number));
        found == side || (found == Ordering::Equal && kept.is_allowed)
    });
    if is_tighter {
        *kept = Some(new);
    }
}

/// `1` for `1.0`: bounds of numbers are written as the type of the field has them.
fn shown(number: &Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// What the integer types of Rust hold, by the names that `schemars` gives them. Those of 128 bits are not among them.
fn holds(format: &str) -> Option<(i128, i128)> {
    let signed = |bits: u32| (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let unsigned = |bits: u32| (0, (1_i128 << bits) - 1);
    Some(match format {
        "int8" => signed(8),
        "int16" => signed(16),
        "int32" => signed(32),
        "int64" | "int" => signed(64),
        "uint8" => unsigned(8),
        "uint16" => unsigned(16),
        "uint32" => unsigned(32),
        "uint64" | "uint" => unsigned(64),
        _ => return None,
    })
}

/// How many there may be: characters of a text, values of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) least: Option<u64>,
    pub(crate) most: Option<u64>,
}

impl Count {
    /// Adds what a schema says by these two keywords.
    pub(super) fn add(&mut self, schema: &Map<String, Value>, least: &str, most: &str) {
        let count = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        self.least = self.least.max(count(least));
        self.most = [self.most, count(most)].into_iter().flatten().min();
    }

    pub(crate) fn is_bounded(self) -> bool {
        self.least.is_some_and(|least| least > 0) || self.most.is_some()
    }

    pub(crate) fn admits(self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.least.is_none_or(|least| count >= least) && self.most.is_none_or(|most| count <= most)
    }

    /// The count in words, with the noun for one.
    pub(crate) fn text(self, noun: &str) -> String {
        let nouns = |count: u64| {
            if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
        };
        match (self.least.unwrap_or(0), self.most) {
            (0, None) => String::new(),
            (least, None) => format!("at least {}", nouns(least)),
            (0, Some(most)) => format!("at most {}", nouns(most)),
            (least, Some(most)) if least == most => nouns(most),
            (least, Some(most)) => format!("{least} to {}", nouns(most)),
        }
    }
}
