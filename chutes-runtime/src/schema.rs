//! JSON Schemas of data and results, for the types that have one.
//!
//! The types of a job need not implement `JsonSchema`, so the expansion makes the choice where the types are known,
//! by the order in which the compiler resolves methods (autoref specialisation).

use std::fmt;
use std::marker::PhantomData;

use chutes_core::Json;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// What is known of the type of data or of a result.
#[derive(Debug)]
pub enum TypeSchema {
    /// The job has no data.
    NoData,
    /// Its JSON Schema.
    Known(Json),
    /// The type with this path does not implement `JsonSchema`.
    Unknown(&'static str),
}

impl TypeSchema {
    /// The schema, if there is one.
    #[must_use]
    pub fn json(self) -> Option<Json> {
        match self {
            Self::Known(schema) => Some(schema),
            Self::NoData | Self::Unknown(_) => None,
        }
    }
}

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
    fn schema(&self) -> TypeSchema;
}

/// Resolved last, through one more reference: the type has no schema.
pub trait WithoutSchema {
    /// The name of the type.
    fn schema(&self) -> TypeSchema;
}

impl<T: JsonSchema> WithSchema for DataProbe<T> {
    fn schema(&self) -> TypeSchema {
        schema_as_json::<T>(SchemaSettings::draft2020_12().for_deserialize())
    }
}

impl<T: JsonSchema, E> WithSchema for ResultProbe<Result<T, E>> {
    fn schema(&self) -> TypeSchema {
        schema_as_json::<T>(SchemaSettings::draft2020_12().for_serialize())
    }
}

impl<T> WithoutSchema for &DataProbe<T> {
    fn schema(&self) -> TypeSchema {
        TypeSchema::Unknown(std::any::type_name::<T>())
    }
}

impl<R> WithoutSchema for &ResultProbe<R> {
    fn schema(&self) -> TypeSchema {
        TypeSchema::Unknown(value_type(std::any::type_name::<R>()))
    }
}

fn schema_as_json<T: JsonSchema>(settings: SchemaSettings) -> TypeSchema {
    let schema = settings.into_generator().into_root_schema_for::<T>();
    // A schema is an object or a boolean, which JSON can hold.
    Json::from_value(&schema)
        .map_or_else(|_| TypeSchema::Unknown(std::any::type_name::<T>()), TypeSchema::Known)
}

/// `T` of `core::result::Result<T, E>`. The name of any other type, which the compiler refuses elsewhere, stays.
fn value_type(name: &'static str) -> &'static str {
    let Some((_, parameters)) = name.split_once("result::Result<") else { return name };
    let mut depth = 0_usize;
    let end = parameters.find(|sign| {
        let is_end = depth == 0 && sign == ',';
        match sign {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_end
    });
    end.map_or(name, |end| &parameters[..end])
}

/// The schema function of a job without data.
#[must_use]
pub fn no_schema() -> TypeSchema {
    TypeSchema::NoData
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_types() {
        for (name, expected) in [
            ("core::result::Result<a::B, c::D>", "a::B"),
            ("core::result::Result<(), c::D>", "()"),
            ("core::result::Result<(a::B, [u8; 2]), c::D<x, y>>", "(a::B, [u8; 2])"),
            ("core::result::Result<a::B<c::D, e::F>, g::H>", "a::B<c::D, e::F>"),
            ("core::result::Result<fn(u8, u8) -> u8, g::H>", "fn(u8, u8) -> u8"),
            ("u32", "u32"),
        ] {
            assert_eq!(value_type(name), expected);
        }
    }
}
