//! The items that expansions refer to. Not for use by hand: they change without notice.

pub use core::option::Option::{None, Some};
pub use core::{file, line, module_path};

pub use chutes_core::Protocol;
pub use inventory;

pub use crate::context::JobContext;
pub use crate::definition::{DeclaredPort, JobDefinition, ShutdownHook, StartupHook};
pub use crate::entry::{JobData, JobReturn, bind_without_data, shutdown, startup};
pub use crate::schema::{DataProbe, ResultProbe, TypeSchema, no_schema, source_location_at};
pub use crate::{
    __result_schema_of as result_schema_of, __schema_of as schema_of,
    __source_location as source_location,
};

/// The traits that an expansion imports where it determines a schema, and only there: their method has a common
/// name.
pub mod schema_traits {
    pub use crate::schema::{WithSchema, WithoutSchema};
}
