//! The process of a job dies, runs out of memory, or leaves processes behind.

mod deaths;
mod memory;
mod tree;
