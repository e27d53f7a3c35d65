//! Stands for containers in a program that was built without them.

/// A container that is known to an engine. There is none.
#[derive(Clone, Debug)]
pub(crate) enum ContainerHandle {}
