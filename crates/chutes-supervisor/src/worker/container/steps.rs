//! The steps of an image that come before it runs: the engine is connected to, and has the image.

use chutes_core::FailureKind;
use chutes_engine::Engine;

use super::super::StepFailure;
use super::starter::remove_leftovers;
use super::{Shared, StopRequest, failed};

pub(super) async fn connect(shared: &Shared) -> Result<(), StepFailure> {
    let engine = Engine::connect(&shared.setup.engine).await.map_err(|error| failed(&error))?;
    // Decoding is the first step and happens once, so the cell is empty.
    let _ = shared.engine.set(engine);
    Ok(())
}

pub(super) async fn prepare(shared: &Shared) -> Result<(), StepFailure> {
    let have_image = async {
        let engine = shared.engine()?;
        for warning in remove_leftovers(engine).await {
            shared.warn(warning);
        }
        let setup = &shared.setup;
        engine.have_image(&setup.image, setup.engine.pull, &shared.events).await
    };
    tokio::select! {
        biased;
        had = have_image => had.map_err(|error| failed(&error)),
        () = shared.stop_requested(StopRequest::Stop) => {
            Err(StepFailure::new(FailureKind::Cancelled, "the image was not pulled to its end"))
        }
    }
}
