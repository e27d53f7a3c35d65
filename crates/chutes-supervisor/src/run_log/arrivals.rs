//! The files that have reached sinks, by the facts of a run.

use std::collections::HashMap;

use chutes_core::{FileKind, FileState, Manifest, OutputPath, Sha256Digest, UploadResponse};
use chutes_outputs::delivery::Arrived;
use serde::{Deserialize, Serialize};

/// A file that has reached a sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// The number of the sink: the position of its (first) place among those that were asked for.
    pub sink: usize,
    pub kind: FileKind,
    #[serde(flatten)]
    pub path: OutputPath,
    /// The checksum of the content that arrived: a file that has changed since then has to be delivered again.
    pub sha256: Sha256Digest,
}

/// A file that has reached a sink, with the recorded answers of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnsweredArrival {
    #[serde(flatten)]
    pub arrival: Arrival,
    /// The name of the sink, as it is shown. Version 0.1.0 did not write it.
    #[serde(default)]
    pub to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<UploadResponse>,
}

/// The files that have reached sinks, each with the checksum of its last content there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrivals(
    HashMap<(usize, FileKind, OutputPath), (Sha256Digest, Vec<UploadResponse>)>,
);

impl Arrivals {
    /// Adds an arrival, in place of an earlier one of the same file at the same sink.
    pub(crate) fn insert(&mut self, answered: AnsweredArrival) {
        let AnsweredArrival { arrival, responses, .. } = answered;
        let Arrival { sink, kind, path, sha256 } = arrival;
        self.0.insert((sink, kind, path), (sha256, responses));
    }

    /// The arrivals whose content is that of the manifest.
    pub(crate) fn unchanged(&self, manifest: &Manifest) -> Arrived {
        let contents = manifest.all().filter_map(|(kind, file)| match file.state {
            FileState::Collected { sha256, .. } => Some(((kind, &file.path), sha256)),
            _ => None,
        });
        let contents: HashMap<_, _> = contents.collect();
        let unchanged = self
            .0
            .iter()
            .filter(|((_, kind, path), (sha256, _))| contents.get(&(*kind, path)) == Some(sha256));
        unchanged.map(|(place, (_, answers))| (place.clone(), answers.clone())).collect()
    }
}
