//! The job binary is asked about its jobs, or is used wrongly.

mod describe;
mod usage;
