//! Making the image of a run available: it is there, or it is pulled.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use chutes_core::{EventReporter, ImageName, PullPolicy, RunEvent};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Engine, EngineError, status_code, words};

/// The shortest time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// Parts of messages of an engine about a network or a registry that does not work at the moment. Such an
/// image may well exist.
const TRANSIENT: [&str; 14] = [
    "connection refused",
    "connection reset",
    "dial tcp",
    "i/o timeout",
    "timeout exceeded",
    "no such host",
    "server misbehaving",
    "network is unreachable",
    "tls:",
    "x509",
    "toomanyrequests",
    "too many requests",
    "unexpected eof",
    "no space left",
];

/// Parts of messages of an engine about an image that no further attempt could make available.
const UNAVAILABLE: [&str; 15] = [
    "manifest unknown",
    "manifest for",
    "name unknown",
    "not found",
    "no such image",
    "does not exist",
    "denied",
    "unauthorized",
    "authentication required",
    "invalid reference",
    "invalid repository",
    "no matching manifest",
    "no image found",
    "did not resolve to an alias",
    "unsupported media type",
];

impl Engine {
    /// Makes sure that the image is there, and pulls it if `pull` allows that. The future may be dropped at
    /// any time.
    #[must_use = "nothing happens before it is awaited"]
    pub fn have_image<'a>(
        &'a self,
        image: &'a ImageName,
        pull: PullPolicy,
        events: &'a EventReporter,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(self.provide(image, pull, events))
    }

    /// The paths of the volumes that an image declares. The engine makes a volume for each of them that nothing is
    /// mounted at.
    #[must_use = "nothing happens before it is awaited"]
    pub fn declared_volumes<'a>(
        &'a self,
        image: &'a ImageName,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            let about = self.docker.inspect_image(&image.tagged()).await;
            let about = about.map_err(|error| self.failed("look for the image", &error))?;
            Ok(about.config.and_then(|config| config.volumes).unwrap_or_default())
        })
    }

    async fn provide(
        &self,
        image: &ImageName,
        pull: PullPolicy,
        events: &EventReporter,
    ) -> Result<(), EngineError> {
        let name = image.tagged();
        let unavailable =
            |reason: &str| EngineError::NoImage { image: name.clone(), reason: reason.to_owned() };
        if pull != PullPolicy::Always && self.has_image(&name).await? {
            return Ok(());
        }
        if pull == PullPolicy::Never {
            return Err(unavailable("it is not on this machine, and is not to be pulled"));
        }
        if let Err(error) = self.pull(&name, events).await {
            return Err(if is_unavailable(&name, &error) {
                unavailable(&words(&error))
            } else {
                self.failed("pull the image", &error)
            });
        }
        // An engine that stops in the middle of a pull reports no error.
        if self.has_image(&name).await? {
            Ok(())
        } else {
            Err(unavailable("the engine has pulled it, and does not have it"))
        }
    }

    async fn has_image(&self, name: &str) -> Result<bool, EngineError> {
        match self.docker.inspect_image(name).await {
            Ok(_) => Ok(true),
            Err(error) if status_code(&error) == Some(404) => Ok(false),
            Err(error) => Err(self.failed("look for the image", &error)),
        }
    }

    async fn pull(&self, name: &str, events: &EventReporter) -> Result<(), Error> {
        let options = CreateImageOptionsBuilder::new().from_image(name).build();
        let mut stream = self.docker.create_image(Some(options), None, None);
        let mut layers = Layers::default();
        let mut report = ProgressReporter { name, events, last: None };
        while let Some(info) = stream.try_next().await? {
            layers.update(info);
            report.emit(&layers, false);
        }
        report.emit(&layers, true);
        Ok(())
    }
}

/// Whether the image is unavailable, rather than the engine or the network being at fault.
fn is_unavailable(name: &str, error: &Error) -> bool {
    let text = words(error).to_lowercase();
    if TRANSIENT.iter().any(|reason| text.contains(reason)) {
        // Podman gives this prefix to images that were built on the machine; there is no registry of this
        // name.
        return name.starts_with("localhost/");
    }
    matches!(status_code(error), Some(400 | 401 | 403 | 404))
        || UNAVAILABLE.iter().any(|reason| text.contains(reason))
}

/// The progress of each layer of an image.
#[derive(Default)]
struct Layers {
    layers: HashMap<String, Layer>,
}

#[derive(Clone, Copy, Default)]
struct Layer {
    bytes: u64,
    total: Option<u64>,
}

impl Layers {
    fn update(&mut self, info: CreateImageInfo) {
        let (Some(id), Some(status)) = (info.id, info.status) else { return };
        let detail = info.progress_detail.unwrap_or_default();
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let (current, total) = (number(detail.current), number(detail.total));
        // The message about the tag of the image has an id, too, and layers also report how far they are
        // unpacked.
        match status.as_str() {
            "Pulling fs layer" | "Waiting" => {
                self.layers.entry(id).or_default();
            }
            "Downloading" => {
                let layer = self.layers.entry(id).or_default();
                layer.bytes = layer.bytes.max(current.unwrap_or_default());
                layer.total = total.filter(|total| *total > 0).or(layer.total);
            }
            "Download complete" | "Pull complete" => {
                if let Some(layer) = self.layers.get_mut(&id) {
                    layer.bytes = layer.total.unwrap_or(layer.bytes);
                    layer.total = Some(layer.bytes);
                }
            }
            _ => {}
        }
    }

    fn bytes(&self) -> u64 {
        self.layers.values().map(|layer| layer.bytes).sum()
    }

    /// The size of all layers; `None` until it is known for every layer.
    fn total(&self) -> Option<u64> {
        if self.layers.is_empty() { None } else { self.layers.values().map(|it| it.total).sum() }
    }
}

struct ProgressReporter<'a> {
    name: &'a str,
    events: &'a EventReporter,
    last: Option<Instant>,
}

impl ProgressReporter<'_> {
    /// Reports the progress, if enough time has passed since the last report or this is the final one.
    fn emit(&mut self, layers: &Layers, is_last: bool) {
        let now = Instant::now();
        if is_last || self.last.is_none_or(|last| now - last >= REPORT_INTERVAL) {
            self.last = Some(now);
            let image = self.name.to_owned();
            let (bytes, total) = (layers.bytes(), layers.total());
            self.events.emit(RunEvent::Pull { image, bytes, total });
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn unavailable_images_and_transient_errors() {
        let check = |name: &str, text: &str, expected: bool| {
            let error = Error::DockerStreamError { error: text.to_owned() };
            assert_eq!(is_unavailable(name, &error), expected, "{text}");
        };
        for text in [
            "manifest for alpine:nope not found: manifest unknown: manifest unknown",
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "initializing source docker://x: reading manifest 1 in quay.test/x: unauthorized: access to \
             the requested resource is not authorized",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
        ] {
            check("x:1", text, true);
        }
        let refused = "pinging container registry r.test: Get \"https://r.test/v2/\": dial tcp \
                       127.0.0.1:443: connect: connection refused";
        check("r.test/x:1", refused, false);
        check("localhost/x:1", refused, true);
        check("localhost:5000/x:1", refused, false);
        check("x:1", "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host", false);
        check("x:1", "toomanyrequests: You have reached your pull rate limit", false);
        check("x:1", "write /var/lib/x: no space left on device", false);
        check("x:1", "something else", false);
        let code = |status_code| Error::DockerResponseServerError {
            status_code,
            message: "what".to_owned(),
        };
        assert!(is_unavailable("x:1", &code(404)) && is_unavailable("x:1", &code(403)));
        assert!(!is_unavailable("x:1", &code(500)));
    }

    #[test]
    fn progress_of_layers() {
        let mut layers = Layers::default();
        let mut check = |id: &str, status: &str, detail: Option<(i64, i64)>, expected| {
            let detail = detail.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            });
            layers.update(CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some(status.to_owned()),
                progress_detail: detail,
                ..CreateImageInfo::default()
            });
            assert_eq!((layers.bytes(), layers.total()), expected, "{id} {status}");
        };
        check("latest", "Pulling from library/x", None, (0, None));
        check("a", "Pulling fs layer", None, (0, None));
        check("b", "Pulling fs layer", None, (0, None));
        check("c", "Already exists", None, (0, None));
        check("a", "Downloading", Some((5, 10)), (5, None));
        check("b", "Downloading", Some((1, 90)), (6, Some(100)));
        check("a", "Download complete", None, (11, Some(100)));
        check("a", "Extracting", Some((3, 20)), (11, Some(100)));
        check("b", "Downloading", Some((-7, -1)), (11, Some(100)));
        check("b", "Pull complete", None, (100, Some(100)));
    }
}
