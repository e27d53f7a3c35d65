//! User code that sets a subscriber for `tracing` of its own where chutes has set one.

use chutes_supervisor::worker::StepFailure;

/// What `tracing` and `log` say when there is one already, as an error and in a panic.
const TOO_LATE: [&str; 3] = [
    "a global default trace dispatcher has already been set",
    "attempted to set a logger after the logging system was already initialized",
    "SetLoggerError(())",
];

const HINT: &str = "chutes has set a subscriber for `tracing` in the worker, and a process has one: set your own in `main`, \
                    before `chutes::main()`, which keeps it (docs/lifecycle.md, Logging)";

/// Adds to a failure that comes from that what can be done.
pub(super) fn explained(failure: StepFailure) -> StepFailure {
    let texts = std::iter::once(&failure.message).chain(&failure.causes);
    let is_too_late = |text: &String| TOO_LATE.iter().any(|said| text.contains(said));
    if !texts.into_iter().any(is_too_late) {
        return failure;
    }
    StepFailure { causes: [failure.causes, vec![HINT.to_owned()]].concat(), ..failure }
}

#[cfg(test)]
mod tests {
    use chutes_core::FailureKind;
    use tracing_subscriber::util::SubscriberInitExt;

    use super::*;

    fn failure(message: &str, causes: &[String]) -> StepFailure {
        StepFailure { causes: causes.to_vec(), ..StepFailure::new(FailureKind::JobError, message) }
    }

    #[test]
    fn a_second_subscriber_is_explained() {
        let set = || tracing_subscriber::fmt().finish().try_init();
        // Another test may have set the first one.
        let error = set().and_then(|()| set()).unwrap_err();
        let panic = format!("failed to set global default subscriber: {error:?}");
        for (message, causes) in [
            (error.to_string(), Vec::new()),
            ("no logs".to_owned(), vec!["cannot begin".to_owned(), error.to_string()]),
            (panic, Vec::new()),
            ("a panic: SetLoggerError(())".to_owned(), Vec::new()),
        ] {
            let explained = explained(failure(&message, &causes));
            let causes = [causes, vec![HINT.to_owned()]].concat();
            assert_eq!(explained, failure(&message, &causes));
        }
    }

    #[test]
    fn another_failure_stays_as_it_is() {
        let given = failure("the disk is full", &["it has 3 bytes".to_owned()]);
        assert_eq!(explained(given.clone()), given);
    }
}
