// A struct is not a hook.

use chutes::on_startup;

#[on_startup(priority = 10)]
struct Prepare;

fn main() {}
