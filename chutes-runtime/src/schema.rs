//! JSON Schemas of data and results, for the types that have one.
//!
//! A job's types need not implement `JsonSchema`, so the choice is made where the types are known:
//! in the expansion, by the order in which the compiler looks for methods.

use std::fmt;
use std::marker::PhantomData;

use chutes_core::Json;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// Asks whether the type `T` has a schema.
pub struct DataProbe<T>(PhantomData<fn() -> T>);

/// Asks whether the value in the return type `R` has a schema.
pub struct ResultProbe<R>(PhantomData<fn() -> R>);

impl<T> DataProbe<T> {
    /// The probe.
    pub const NEW: Self = Self(PhantomData);
}

impl<R> ResultProbe<R> {
    /// The probe.
    pub const NEW: Self = Self(PhantomData);
}

impl<T> fmt::Debug for DataProbe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataProbe")
    }
}

impl<R> fmt::Debug for ResultProbe<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResultProbe")
    }
}

/// Found first: the type has a schema.
pub trait WithSchema {
    /// The schema.
    fn schema(&self) -> Option<Json>;
}

/// Found last, through one more reference: nothing is known of the type.
pub trait WithoutSchema {
    /// Nothing.
    fn schema(&self) -> Option<Json> {
        None
    }
}

impl<T: JsonSchema> WithSchema for DataProbe<T> {
    fn schema(&self) -> Option<Json> {
        schema_as_json::<T>(SchemaSettings::draft2020_12().for_deserialize())
    }
}

impl<T: JsonSchema, E> WithSchema for ResultProbe<Result<T, E>> {
    fn schema(&self) -> Option<Json> {
        schema_as_json::<T>(SchemaSettings::draft2020_12().for_serialize())
    }
}

impl<T> WithoutSchema for &DataProbe<T> {}

impl<R> WithoutSchema for &ResultProbe<R> {}

fn schema_as_json<T: JsonSchema>(settings: SchemaSettings) -> Option<Json> {
    Json::from_value(&settings.into_generator().into_root_schema_for::<T>()).ok()
}

/// The schema function of a job without data.
#[must_use]
pub fn no_schema() -> Option<Json> {
    None
}

/// The schema function for a type of data.
#[doc(hidden)]
#[macro_export]
macro_rules! __schema_of {
    ($data:ty) => {
        || {
            use $crate::__private::schema_traits::*;
            (&$crate::__private::DataProbe::<$data>::NEW).schema()
        }
    };
}

/// The schema function for a return type.
#[doc(hidden)]
#[macro_export]
macro_rules! __result_schema_of {
    ($returned:ty) => {
        || {
            use $crate::__private::schema_traits::*;
            (&$crate::__private::ResultProbe::<$returned>::NEW).schema()
        }
    };
}

/// Where an attribute stands.
#[doc(hidden)]
#[macro_export]
macro_rules! __source_location {
    () => {
        $crate::__private::source_location_at(
            $crate::__private::file!(),
            $crate::__private::line!(),
            $crate::__private::module_path!(),
        )
    };
}

/// The value of `__source_location!`.
#[must_use]
pub const fn source_location_at(
    file: &'static str,
    line: u32,
    module: &'static str,
) -> chutes_core::SourceLocation {
    use std::borrow::Cow;
    chutes_core::SourceLocation { file: Cow::Borrowed(file), line, module: Cow::Borrowed(module) }
}
