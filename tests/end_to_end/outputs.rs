//! Files that a job leaves are collected, and the disk may be full.

mod files;
mod full_disk;
