//! Durations in JSON: a number of seconds, without a fraction when it is whole.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    if value.subsec_nanos() == 0 {
        to.serialize_u64(value.as_secs())
    } else {
        // Divided once, so that 1.50025 seconds are written with these digits.
        #[expect(clippy::cast_precision_loss, reason = "a number of JSON is not more precise")]
        to.serialize_f64(value.as_nanos() as f64 / 1e9)
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
}

/// The same for a duration that may be missing (`null`).
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Duration, Error, Serializer};

    #[expect(clippy::ref_option, reason = "the signature is that of `serde(with)`")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        seconds
            .map(|value| Duration::try_from_secs_f64(value).map_err(D::Error::custom))
            .transpose()
    }
}
