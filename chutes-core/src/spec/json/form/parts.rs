//! Values in the JSON form of a spec that are read in more ways than they are written.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::{Serialize, Serializer};

use crate::SecretPairs;

/// Gives a type the schema of what is read.
macro_rules! read_as {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}
pub(super) use read_as;

/// A limit: a number of seconds, or a text like `2h`.
#[derive(serde::Serialize)]
#[serde(transparent)]
pub(super) struct Seconds(#[serde(with = "crate::seconds")] pub(super) Duration);

read_as!(Seconds, "Seconds", {
    "type": ["number", "string"], "minimum": 0, "maximum": 2_592_000,
});

/// A size: a number of bytes, or a text like `8GB`.
#[derive(serde::Serialize)]
#[serde(transparent)]
pub(super) struct Bytes(pub(super) u64);

read_as!(Bytes, "Bytes", { "type": ["integer", "string"], "minimum": 1 });

/// A number of processors, kept in thousandths.
pub(super) struct Processors(pub(super) u32);

read_as!(Processors, "Processors", { "type": "number", "exclusiveMinimum": 0 });

impl Serialize for Processors {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(millis) = *self;
        if millis.is_multiple_of(1_000) {
            to.serialize_u32(millis / 1_000)
        } else {
            to.serialize_f64(f64::from(millis) / 1_000.0)
        }
    }
}

/// A number of processes.
#[derive(serde::Serialize)]
#[serde(transparent)]
pub(super) struct Count(pub(super) u32);

read_as!(Count, "Count", { "type": "integer", "minimum": 1 });

/// Names and texts.
pub(super) struct Pairs<'a>(pub(super) &'a SecretPairs);

read_as!(Pairs<'_>, "Pairs", { "type": "object", "additionalProperties": { "type": "string" } });

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.reveal().iter().map(|(name, value)| (name, value)))
    }
}

/// A port and the number under which it is opened, as a text.
pub(super) struct PublishText;

read_as!(PublishText, "PublishText", {
    "type": "string", "pattern": "^([a-z]+[0-9]*|[0-9]+):[0-9]+$",
});

/// `true`, `false`, or an object that says more.
#[derive(serde::Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Switch<T> {
    Plain(bool),
    Fields(T),
}
