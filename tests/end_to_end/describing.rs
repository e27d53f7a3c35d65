//! The job binary is asked about its jobs, or is used wrongly, and specs are checked.

mod completions;
mod describe;
mod specs;
mod usage;
