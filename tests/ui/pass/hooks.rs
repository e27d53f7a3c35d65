// Hooks: with and without a parameter, with and without a priority, with and without a state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

struct Model {
    layers: Vec<u32>,
}

type Shared = Arc<Mutex<BTreeMap<String, Model>>>;

#[on_startup]
async fn load(_ctx: JobContext) -> Result<Model, JobError> {
    Ok(Model { layers: vec![1, 2, 3] })
}

#[on_startup(priority = 10)]
async fn share(mut ctx: JobContext) -> Result<Shared, String> {
    let other = ctx.clone();
    ctx = other;
    drop(ctx);
    let model = Model { layers: Vec::new() };
    Ok(Arc::new(Mutex::new(BTreeMap::from([(model.layers.len().to_string(), model)]))))
}

#[on_startup(priority = -10)]
pub async fn without_state(_: JobContext) -> Result<(), std::io::Error> {
    Ok(())
}

#[on_startup(priority = 0)]
pub(crate) async fn without_parameter() -> Result<&'static str, JobError> {
    Ok("ready")
}

#[on_startup(priority = 2_147_483_647)]
async fn last_of_all() -> Result<(), JobError> {
    Ok(())
}

#[on_startup(priority = -2_147_483_648)]
async fn first_of_all() -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown]
async fn unload(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[on_shutdown(priority = -1)]
async fn clean() -> Result<(), String> {
    Ok(())
}

#[on_shutdown(priority = 0x10)]
async fn hexadecimal() -> Result<(), JobError> {
    Ok(())
}

#[chutes::on_startup(crate = ::chutes, priority = 5,)]
async fn qualified(_ctx: ::chutes::JobContext) -> std::result::Result<(), chutes::JobError> {
    Ok(())
}

mod inner {
    use chutes::{JobError, on_shutdown, on_startup};

    // The same names as outside.
    #[on_startup]
    async fn load() -> Result<(), JobError> {
        Ok(())
    }

    #[on_shutdown]
    async fn unload() -> Result<(), JobError> {
        Ok(())
    }
}

#[job]
async fn beside_the_hooks(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
