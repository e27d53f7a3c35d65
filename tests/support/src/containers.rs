//! Containers for tests: an engine, and images that are made from what is on the machine.

mod engine;
pub mod image;

pub use self::engine::{Engine, printed};
