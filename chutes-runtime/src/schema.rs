//! JSON Schemas of data and results, for the types that have one.
//!
//! The types of a job need not implement `JsonSchema`, so the expansion makes the choice where the types are known,
//! by the order in which the compiler resolves methods (autoref specialisation).

use std::fmt;
use std::marker::PhantomData;

use chutes_core::Json;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// Determines whether the type `T` has a schema.
pub struct DataProbe<T>(PhantomData<fn() -> T>);

/// Determines whether the value in the return type `R` has a schema.
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

/// Resolved first: the type has a schema.
pub trait WithSchema {
    /// The schema.
    fn schema(&self) -> Option<Json>;
}

/// Resolved last, through one more reference: the type has no schema.
pub trait WithoutSchema {
    /// `None`.
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

/// The schema function for the type of the data.
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

/// The source location of an attribute.
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
