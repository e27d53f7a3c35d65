//! All files of a run to one sink: `begin`, the files, `finish`.

mod together;

use std::collections::BTreeMap;

use chutes_core::{DeliveryState, SinkReport, UploadResponse};
use chutes_transfer::TransferError;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::attempts::Request;
use super::health::{Arrived, SinkHealth};
use super::stall::{Movement, send_once, watch};
use super::{DeliveryJob, fill};
use crate::{RunSummary, Sending, Sink, SourceFile};

/// One sink, and what is known of the files there.
pub(super) struct OneSink<'a> {
    number: usize,
    sink: &'a dyn Sink,
    job: &'a DeliveryJob,
    health: &'a SinkHealth,
    /// One for each file; `None` as long as nothing is known.
    states: Vec<Option<DeliveryState>>,
    /// What is kept of answers, by the number of the file that they came with.
    answers: BTreeMap<usize, Vec<UploadResponse>>,
}

impl<'a> OneSink<'a> {
    pub(super) fn new(
        number: usize,
        sink: &'a dyn Sink,
        job: &'a DeliveryJob,
        health: &'a SinkHealth,
    ) -> Self {
        let (mut states, mut answers) = (Vec::with_capacity(job.files.len()), BTreeMap::new());
        for (at, file) in job.files.iter().enumerate() {
            let arrived = job.delivered.get(&(number, file.kind, file.path.clone()));
            states.push(arrived.map(|_| DeliveryState::Delivered));
            answers.extend(arrived.map(|answers| (at, answers.clone())));
        }
        Self { number, sink, job, health, states, answers }
    }

    pub(super) async fn deliver(mut self) -> (SinkReport, Vec<DeliveryState>) {
        self.skip();
        if self.sink.arrives_at_finish() {
            if self.everything_is_there() {
                return self.report(None);
            }
            // Everything is sent again, and answered again.
            self.answers.clear();
        }
        if let Err(error) = self.begin().await {
            self.fail_others(&error);
            return self.report(Some(format!("it could not be prepared: {error}")));
        }
        self.send_small().await;
        let sent = self.send().await;
        let finished = match sent {
            Ok(()) => self.finish().await,
            Err(error) => Err(error),
        };
        if self.sink.arrives_at_finish() {
            self.settle_all(finished.as_ref().err());
        }
        let is_declared = self.sink.is_declared();
        let shown = |error: TransferError| {
            let before = if is_declared { "" } else { "it could not be completed: " };
            format!("{before}{error}")
        };
        self.report(finished.err().map(shown))
    }

    /// Whether an earlier delivery has sent all that the sink is meant to have. Without a single file there
    /// is no record of that, and it is sent again.
    fn everything_is_there(&self) -> bool {
        self.states.iter().all(Option::is_some)
            && self.states.contains(&Some(DeliveryState::Delivered))
    }

    /// Settles the files that the sink is not meant to have.
    fn skip(&mut self) {
        for (at, file) in self.job.files.iter().enumerate() {
            if self.states[at].is_none()
                && let Some(reason) = self.sink.skips(file)
            {
                self.settle(at, DeliveryState::Skipped { reason });
            }
        }
    }

    fn request(&self, file: Option<&'a SourceFile>) -> Request<'a> {
        Request { number: self.number, sink: self.sink, file, health: self.health }
    }

    async fn begin(&self) -> Result<(), TransferError> {
        let begin = || self.watched(self.sink.begin(&self.job.run));
        self.job.attempt(self.request(None), begin).await
    }

    /// Sends all files that are not there, not more at a time than the sink takes, until the sink is given up.
    /// After an error the sink must not be completed: what is there now would be replaced by less.
    async fn send(&mut self) -> Result<(), TransferError> {
        let at_finish = self.sink.arrives_at_finish();
        let is_missing = |state: &Option<DeliveryState>| match state {
            None => true,
            Some(DeliveryState::Delivered) => at_finish,
            Some(_) => false,
        };
        let missing: Vec<usize> =
            (0..self.states.len()).filter(|at| is_missing(&self.states[*at])).collect();
        let mut missing = missing.into_iter();
        let most = self.sink.concurrency().max(1);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < most && self.health.fault().is_none() {
                let Some(at) = missing.next() else { break };
                running.push(self.send_one(at));
            }
            let Some(Sent { at, began, result }) = running.next().await else { break };
            self.health.note(began, &result);
            match result {
                Ok(()) if at_finish => {}
                Ok(()) => self.settle(at, DeliveryState::Delivered),
                Err(error) if self.states[at].is_some() => return Err(error),
                Err(error) => self.settle(at, DeliveryState::Failed { reason: error.message }),
            }
        }
        drop(running);
        let Some(fault) = self.health.fault() else { return Ok(()) };
        for at in missing {
            if self.states[at].is_some() {
                return Err(fault);
            }
            let reason = format!("the sink was given up: {fault}");
            self.settle(at, DeliveryState::Failed { reason });
        }
        Ok(())
    }

    /// Sends one file. It borrows nothing of what changes meanwhile.
    fn send_one(&self, at: usize) -> impl Future<Output = Sent> + Send + use<'a> {
        let (job, sink, began) = (self.job, self.sink, self.health.arrived());
        let (file, request) = (&job.files[at], self.request(Some(&job.files[at])));
        async move {
            let attempt = || Box::pin(send_once(&job.policy, sink, file)) as Sending<'a, ()>;
            let result = job.attempt(request, attempt).await;
            if result.is_err() {
                job.abandon(sink, file).await;
            }
            Sent { at, began, result }
        }
    }

    async fn finish(&self) -> Result<(), TransferError> {
        // What arrives with the manifest is there when the manifest can be read.
        let arrives = DeliveryState::Delivered;
        let states = self.states.iter().map(|state| state.as_ref().unwrap_or(&arrives));
        let mut run: RunSummary = self.job.run.clone();
        fill(self.sink.name(), self.job.files.iter().zip(states), &mut run.manifest);
        let finish = || self.watched(self.sink.finish(&run));
        self.job.attempt(self.request(None), finish).await
    }

    fn watched<'b>(&'b self, attempt: Sending<'b, ()>) -> Sending<'b, ()> {
        Box::pin(async {
            let moved = || self.sink.moved();
            watch(&self.job.policy, Movement { moved: &moved, total: 0 }, attempt).await
        })
    }

    /// Settles the files that arrive when the sink is finished.
    fn settle_all(&mut self, error: Option<&TransferError>) {
        if let Some(error) = error {
            return self.fail_others(error);
        }
        let unsettled: Vec<_> =
            (0..self.states.len()).filter(|at| self.states[*at].is_none()).collect();
        // With the last one: without its record all are sent again, and answered again.
        let last = unsettled.last().copied().unwrap_or_default();
        self.answers.insert(last, self.sink.answers_at_finish());
        for at in unsettled {
            self.settle(at, DeliveryState::Delivered);
        }
    }

    fn fail_others(&mut self, error: &TransferError) {
        for at in 0..self.states.len() {
            if self.states[at].is_none() {
                self.settle(at, DeliveryState::Failed { reason: error.message.clone() });
            }
        }
    }

    fn settle(&mut self, at: usize, state: DeliveryState) {
        let file = &self.job.files[at];
        if self.sink.is_declared() && !self.sink.arrives_at_finish() {
            self.answers.insert(at, self.sink.answers_for(file.kind, &file.path));
        }
        let answers = self.answers.get(&at).map_or(&[][..], Vec::as_slice);
        (self.job.settled)(self.number, file, &state, answers);
        self.states[at] = Some(state);
    }

    fn report(self, error: Option<String>) -> (SinkReport, Vec<DeliveryState>) {
        let sink = self.sink.name().to_owned();
        let mut report = SinkReport {
            sink,
            delivered: 0,
            failed: 0,
            skipped: 0,
            bytes: 0,
            error,
            declared: self.sink.is_declared(),
            responses: self.answers.into_values().flatten().collect(),
        };
        let lost = || DeliveryState::Failed { reason: "it was never settled".into() };
        let states: Vec<_> =
            self.states.into_iter().map(|state| state.unwrap_or_else(lost)).collect();
        for (state, file) in states.iter().zip(&self.job.files) {
            match state {
                DeliveryState::Delivered => {
                    report.delivered += 1;
                    report.bytes += file.bytes;
                }
                DeliveryState::Failed { .. } => report.failed += 1,
                DeliveryState::Skipped { .. } => report.skipped += 1,
            }
        }
        (report, states)
    }
}

/// What became of the file with this number.
struct Sent {
    at: usize,
    began: Arrived,
    result: Result<(), TransferError>,
}
