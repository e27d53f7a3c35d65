//! What the states say of themselves, and every walk through them.

use proptest::prelude::*;

use super::*;

fn required_steps(route: Route) -> Vec<Status> {
    let optional =
        [(Status::VolumesReady, route.volumes), (Status::StreamingReady, route.streaming)];
    let mut steps = vec![Status::Received, Status::Accepted, Status::ExecutorReady];
    steps.extend(optional.into_iter().filter_map(|(step, on)| on.then_some(step)));
    steps.extend([Status::ExecutionDone, Status::Completed]);
    steps
}

fn any_route() -> impl Strategy<Value = Route> {
    (any::<bool>(), any::<bool>()).prop_map(|(volumes, streaming)| Route { volumes, streaming })
}

fn any_status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

#[test]
fn questions() {
    for status in Status::ALL {
        let is_end = matches!(
            status.as_str(),
            "completed" | "rejected" | "failed" | "timed_out" | "cancelled" | "platform_failed"
        );
        assert_eq!(status.is_in_progress(), !is_end, "{status}");
        assert_eq!(status.is_failed(), is_end && status != Status::Completed, "{status}");
        assert_eq!(status.is_successful(), status == Status::Completed, "{status}");
        assert_eq!(status.is_streaming_ready(), status == Status::StreamingReady, "{status}");
        assert_eq!(status.end().map(Status::from), is_end.then_some(status), "{status}");
        assert_eq!(status.label().to_lowercase().replace(' ', "_"), status.as_str());
    }
}

#[test]
fn rejection_is_for_runs_that_have_not_started() {
    for status in Status::ALL {
        let expected = matches!(status, Status::Sent | Status::Received | Status::Accepted);
        assert_eq!(status.may_become(Status::Rejected, Route::default()), expected, "{status}");
    }
}

proptest! {
    #[test]
    fn the_whole_route_is_walked(route in any_route()) {
        let mut machine = StatusMachine::new(route);
        for step in required_steps(route) {
            prop_assert_eq!(machine.advance(step), Ok(()));
        }
        prop_assert_eq!(machine.current(), Status::Completed);
    }

    #[test]
    fn no_event_leaves_an_end_state(
        route in any_route(),
        events in prop::collection::vec(any_status(), 0..40),
    ) {
        let mut machine = StatusMachine::new(route);
        let mut end = None;
        for event in events {
            let _ = machine.advance(event);
            if let Some(end) = end {
                prop_assert_eq!(machine.current(), end);
            } else if !machine.current().is_in_progress() {
                end = Some(machine.current());
            }
        }
    }

    #[test]
    fn no_required_step_is_skipped(
        route in any_route(),
        events in prop::collection::vec(any_status(), 0..400),
    ) {
        let mut machine = StatusMachine::new(route);
        let mut seen = Vec::new();
        for event in events {
            // Ends are left out here: they would hide most of the walks.
            if !event.is_failed() && machine.advance(event).is_ok() {
                seen.push(event);
            }
        }
        prop_assert_eq!(&seen[..], &required_steps(route)[..seen.len()]);
    }
}
