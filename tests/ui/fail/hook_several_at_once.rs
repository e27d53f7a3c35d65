// Each mistake of a hook is reported once, in source order.

use chutes::{JobContext, on_startup};

#[on_startup(priority = "high", order = 1)]
fn prepare(_ctx: JobContext, _data: u32) {}

fn main() {}
