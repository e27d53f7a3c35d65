// A job that is compiled out is not registered, and nothing in it has to exist.

use chutes::{JobContext, JobError, job};

#[cfg(any())]
#[job]
async fn out_above(_ctx: JobContext, _data: Missing) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg(any())]
async fn out_below(_ctx: JobContext, _data: Missing) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg_attr(all(), cfg(any()))]
async fn out_by_cfg_attr(_ctx: JobContext, _data: Missing) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg_attr(all(), allow(unused), cfg(any()), inline)]
async fn out_by_cfg_attr_among_others(_ctx: JobContext) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg(all())]
#[cfg(not(all()))]
async fn out_by_one_of_two(_ctx: JobContext, _data: Missing) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg(all())]
async fn kept_by_cfg(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[job]
#[cfg_attr(any(), cfg(any()))]
async fn kept_by_cfg_attr(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[cfg_attr(all(), job(timeout = 60))]
async fn attribute_by_cfg_attr(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[cfg_attr(any(), job(this is = not [even] read))]
fn attribute_compiled_out() {}

#[job]
#[cfg(any())]
async fn one_of_two(_ctx: JobContext) -> Result<Missing, Missing> {
    missing()
}

#[job]
#[cfg(not(any()))]
async fn one_of_two(_ctx: JobContext) -> Result<(), JobError> {
    Ok(())
}

#[chutes::on_startup]
#[cfg(any())]
async fn startup_out_below(_ctx: JobContext) -> Result<Missing, Missing> {
    missing()
}

#[chutes::on_shutdown(priority = 10)]
#[cfg_attr(all(), cfg(any()))]
async fn shutdown_out_by_cfg_attr() -> Result<Missing, Missing> {
    missing()
}

fn main() {
    attribute_compiled_out();
    let _ = (kept_by_cfg, kept_by_cfg_attr, attribute_by_cfg_attr, one_of_two);
}
