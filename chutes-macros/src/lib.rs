//! The attributes of chutes: `#[job]`, `#[on_startup]` and `#[on_shutdown]`.
//!
//! Users take them from the crate `chutes` (or `chutes-runtime`), where they are documented. Each
//! attribute has two entry points here, which differ only in the crate that the expansion names.
//!
//! An attribute goes through three kinds of values: arguments as written (`argument`), validated
//! ones (`job::JobAttribute`, `function::Function`), and tokens (`job::expand`, `hook`).
//! Problems are collected on the way (`diagnostics`); the user's item is always emitted.

mod argument;
mod crate_path;
mod diagnostics;
mod doc;
mod function;
mod hook;
mod job;
mod literal;
mod piece;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

use crate::crate_path::HostCrate;
use crate::hook::HookKind;

/// `#[job]` as the crate `chutes` exports it.
#[proc_macro_attribute]
pub fn job(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::job(arguments.into(), item.into(), HostCrate::Facade).into()
}

/// `#[job]` as the crate `chutes-runtime` exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn job_of_runtime(arguments: TokenStream, item: TokenStream) -> TokenStream {
    job::job(arguments.into(), item.into(), HostCrate::Runtime).into()
}

/// `#[on_startup]` as the crate `chutes` exports it.
#[proc_macro_attribute]
pub fn on_startup(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(arguments.into(), item.into(), HookKind::Startup, HostCrate::Facade).into()
}

/// `#[on_startup]` as the crate `chutes-runtime` exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn on_startup_of_runtime(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(arguments.into(), item.into(), HookKind::Startup, HostCrate::Runtime).into()
}

/// `#[on_shutdown]` as the crate `chutes` exports it.
#[proc_macro_attribute]
pub fn on_shutdown(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(arguments.into(), item.into(), HookKind::Shutdown, HostCrate::Facade).into()
}

/// `#[on_shutdown]` as the crate `chutes-runtime` exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn on_shutdown_of_runtime(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hook::hook(arguments.into(), item.into(), HookKind::Shutdown, HostCrate::Runtime).into()
}
