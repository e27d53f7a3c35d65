//! Containers for tests: an engine, and images that are made from what is on the machine.
//!
//! [`Engine`] is for tests of programs, with a sandbox; [`Podman`] for tests of components, which need no more than
//! a socket and an image with a shell.

mod engine;
pub mod image;
mod podman;

pub use self::engine::{Engine, printed};
pub use self::podman::{IMAGE, NO_USER_IMAGE, Podman, USER_IMAGE, VOLUMES_IMAGE};
