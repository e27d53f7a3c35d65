//! What a run request is made of.

mod types;

use std::fmt;

use serde_json::json;

use super::*;
