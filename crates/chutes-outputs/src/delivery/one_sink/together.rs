//! Small files, of which many are sent together where that costs less than sending each by itself.

use chutes_core::DeliveryState;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::OneSink;
use crate::SourceFile;
use crate::delivery::stall::{Movement, watch};

/// Files of at most this size are small, in bytes.
const SMALL: u64 = 1024 * 1024;

/// Fewer than this are sent one by one.
const FEWEST: usize = 16;

/// How many are sent together, at most: a supervisor that is killed meanwhile leaves no record of them.
const MOST: usize = 256;

/// How many bytes are sent together, at most: all of them are on their way until the sink has them.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// How many such groups are on their way at a time.
const GROUPS: usize = 2;

impl<'a> OneSink<'a> {
    /// Sends small files that are not there in groups. What is not there after that is left for [`send`](Self::send).
    pub(super) async fn send_small(&mut self) {
        let mut groups = groups(self.small()).into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < GROUPS && self.health.fault().is_none() {
                let Some(group) = groups.next() else { break };
                running.push(self.send_group(group));
            }
            let Some(arrived) = running.next().await else { return };
            for at in arrived {
                self.health.note(self.health.arrived(), &Ok(()));
                self.settle(at, DeliveryState::Delivered);
            }
        }
    }

    /// The numbers and the sizes of small files that are not there.
    fn small(&self) -> Vec<(usize, u64)> {
        let files = self.job.files.iter().zip(&self.states).enumerate();
        let missing = files.filter(|(_, (file, state))| state.is_none() && file.bytes <= SMALL);
        missing.map(|(at, (file, _))| (at, file.bytes)).collect()
    }

    /// Sends a group. Returns the numbers of the files that have arrived.
    fn send_group(&self, group: Vec<usize>) -> impl Future<Output = Vec<usize>> + Send + use<'a> {
        let (job, sink) = (self.job, self.sink);
        async move {
            let files: Vec<SourceFile> = group.iter().map(|at| job.files[*at].clone()).collect();
            let Some(attempt) = sink.send_together(files) else { return Vec::new() };
            // While a disk takes what was written, nothing is counted.
            let movement = Movement { moved: &|| sink.moved(), total: 0 };
            let arrived = tokio::select! {
                biased;
                _ = job.given_up() => return Vec::new(),
                arrived = watch(&job.policy, movement, attempt) => arrived.unwrap_or_default(),
            };
            arrived.into_iter().filter_map(|place| group.get(place).copied()).collect()
        }
    }
}

/// Divides files, with their sizes, into groups.
fn groups(files: Vec<(usize, u64)>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    if files.len() < FEWEST {
        return groups;
    }
    for (at, size) in files {
        match groups.last_mut() {
            Some(group) if group.len() < MOST && bytes + size <= MOST_BYTES => {
                group.push(at);
                bytes += size;
            }
            _ => {
                groups.push(vec![at]);
                bytes = size;
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_groups() {
        let sizes = |count: usize, size: u64| (0..count).map(|at| (at, size)).collect::<Vec<_>>();
        for (files, expected) in [
            (sizes(15, 1), vec![]),
            (sizes(16, 1), vec![16]),
            (sizes(513, 0), vec![256, 256, 1]),
            (sizes(130, SMALL), vec![64, 64, 2]),
        ] {
            let groups = groups(files.clone());
            assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert!(expected.is_empty() || groups.concat().into_iter().eq(0..files.len()));
        }
    }
}
