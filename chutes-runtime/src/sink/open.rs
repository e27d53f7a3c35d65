//! From places as they were asked for to sinks.

use std::path::Path;
use std::sync::Arc;

use chutes_core::{
    HttpUrl, OutputPath, RelativePath, SinkKind, SinkSpec, StoreUrl, Upload, ZipTarget,
};
use chutes_transfer::AddressPolicy;
use chutes_transfer::TransferError;

use super::directory::DirectorySink;
use super::{Sink, folder};

/// Makes the sinks, in their order. `run_root` is the directory of the run, and `addresses` are those that
/// a spec may name.
pub(crate) fn open(
    specs: &[SinkSpec],
    run_root: &Path,
    addresses: &AddressPolicy,
) -> Result<Vec<Arc<dyn Sink>>, TransferError> {
    let open = |spec: &SinkSpec| open_one(spec, run_root, addresses);
    specs.iter().map(|spec| open(spec).map_err(|error| at(spec, &error))).collect()
}

/// Looks whether files can be written to the local places, and makes their folders: to be asked
/// before a run begins, for afterwards it would be too late to choose another place.
pub(crate) fn check_local(specs: &[SinkSpec], run_root: &Path) -> Result<(), TransferError> {
    specs.iter().try_for_each(|spec| {
        let path = match spec.kind() {
            SinkKind::Directory(path) => path,
            SinkKind::Zip(ZipTarget::File(path)) => path.parent().unwrap_or(path),
            _ => return Ok(()),
        };
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        folder::prepare(path, run_root).map(drop).map_err(|error| at(spec, &error))
    })
}

fn at(spec: &SinkSpec, error: &TransferError) -> TransferError {
    TransferError { message: format!("{spec}: {}", error.message), ..error.clone() }
}

fn open_one(
    spec: &SinkSpec,
    run_root: &Path,
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    match spec.kind() {
        SinkKind::Directory(path) => {
            Ok(Arc::new(DirectorySink::new(path.clone(), run_root.to_owned())))
        }
        SinkKind::ObjectStore(url) => object_store(url),
        SinkKind::File { file, to } => upload(file.clone(), to),
        SinkKind::Zip(target) => zip(spec, target, run_root),
        SinkKind::StatusUrl(url) => status_url(url),
        SinkKind::Files(files) => declared(spec, files, addresses),
        SinkKind::SystemOutput { to, except } => {
            system_output(spec, to, except, run_root, addresses)
        }
    }
}

/// Output files that a spec declares.
#[cfg(feature = "http")]
fn declared(
    spec: &SinkSpec,
    files: &[(RelativePath, Upload)],
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(super::http::files::FilesSink::new(spec.to_string(), files, addresses)?))
}

#[cfg(not(feature = "http"))]
fn declared(
    _: &SinkSpec,
    _: &[(RelativePath, Upload)],
    _: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("http"))
}

/// All other outputs as one zip file, with what the job printed.
#[cfg(feature = "zip")]
fn system_output(
    spec: &SinkSpec,
    to: &Upload,
    except: &[RelativePath],
    run_root: &Path,
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    use super::zip::{Layout, ZipPlace, ZipSink};

    let file = zip_name(b"output.zip")?;
    let sink = system_output_place(spec, file.clone(), to, addresses)?;
    let place = ZipPlace::Sink { sink, file };
    let layout = Layout::SystemOutput { except: except.iter().map(OutputPath::from).collect() };
    Ok(Arc::new(ZipSink::new(spec.to_string(), layout, place, run_root.to_owned())))
}

#[cfg(not(feature = "zip"))]
fn system_output(
    _: &SinkSpec,
    _: &Upload,
    _: &[RelativePath],
    _: &Path,
    _: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("zip"))
}

#[cfg(all(feature = "zip", feature = "http"))]
fn system_output_place(
    spec: &SinkSpec,
    file: OutputPath,
    to: &Upload,
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    let sink = super::http::files::FilesSink::system_output(spec.to_string(), file, to, addresses)?;
    Ok(Arc::new(sink))
}

#[cfg(all(feature = "zip", not(feature = "http")))]
fn system_output_place(
    _: &SinkSpec,
    _: OutputPath,
    _: &Upload,
    _: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("http"))
}

#[cfg(feature = "zip")]
fn zip_name(name: &[u8]) -> Result<OutputPath, TransferError> {
    OutputPath::new(name).map_err(|error| TransferError::permanent(error.to_string()))
}

#[cfg(feature = "zip")]
fn zip(
    spec: &SinkSpec,
    target: &ZipTarget,
    run_root: &Path,
) -> Result<Arc<dyn Sink>, TransferError> {
    use super::zip::{Layout, ZipPlace, ZipSink};

    let file = zip_name(b"outputs.zip")?;
    let place = match target {
        ZipTarget::File(path) => ZipPlace::File(path.clone()),
        ZipTarget::ObjectStore(url) => ZipPlace::Sink { sink: object_in_store(url)?, file },
        ZipTarget::Upload(to) => ZipPlace::Sink { sink: upload(file.clone(), to)?, file },
    };
    Ok(Arc::new(ZipSink::new(spec.to_string(), Layout::Run, place, run_root.to_owned())))
}

#[cfg(not(feature = "zip"))]
fn zip(_: &SinkSpec, _: &ZipTarget, _: &Path) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("zip"))
}

/// One file to one URL.
#[cfg(feature = "http")]
fn upload(file: OutputPath, to: &Upload) -> Result<Arc<dyn Sink>, TransferError> {
    use super::http::Target;
    use super::http::one_file::OneFileSink;

    Ok(Arc::new(OneFileSink::new(file, Target::of(to)?)?))
}

#[cfg(not(feature = "http"))]
fn upload(_: OutputPath, _: &Upload) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("http"))
}

#[cfg(feature = "http")]
fn status_url(url: &HttpUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(super::status_url::StatusUrlSink::new(parsed(url)?)?))
}

#[cfg(not(feature = "http"))]
fn status_url(_: &HttpUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(without("http"))
}

/// The message of the parser shows nothing of the URL.
#[cfg(feature = "http")]
fn parsed(url: &HttpUrl) -> Result<url::Url, TransferError> {
    url::Url::parse(url.reveal())
        .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))
}

/// A folder of an object store.
fn object_store(url: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    is_built_in(url)?;
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    {
        Ok(Arc::new(super::object_store::StoreSink::new(&store_url(url)?)?))
    }
    #[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
    Err(without(feature_of(url)))
}

/// One object of an object store, for one file.
#[cfg(feature = "zip")]
fn object_in_store(url: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    is_built_in(url)?;
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    {
        Ok(Arc::new(super::object_store::ObjectSink::new(&store_url(url)?)?))
    }
    #[cfg(not(any(feature = "aws", feature = "gcp", feature = "azure")))]
    Err(without(feature_of(url)))
}

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn store_url(url: &StoreUrl) -> Result<url::Url, TransferError> {
    url::Url::parse(url.as_str())
        .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))
}

fn is_built_in(url: &StoreUrl) -> Result<(), TransferError> {
    let features = [
        ("aws", cfg!(feature = "aws")),
        ("gcp", cfg!(feature = "gcp")),
        ("azure", cfg!(feature = "azure")),
    ];
    let is_built_in = features.contains(&(feature_of(url), true));
    if is_built_in { Ok(()) } else { Err(without(feature_of(url))) }
}

fn feature_of(url: &StoreUrl) -> &'static str {
    match url.as_str().split_once("://") {
        Some(("s3", _)) => "aws",
        Some(("gs", _)) => "gcp",
        _ => "azure",
    }
}

fn without(feature: &str) -> TransferError {
    TransferError::permanent(format!(
        "this program was built without it: enable the feature `{feature}` of the crate `chutes`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::test_run::{TestRun, tree};

    fn specs(texts: &[&str], base: &Path) -> Vec<SinkSpec> {
        texts.iter().map(|text| text.parse::<SinkSpec>().unwrap().in_directory(base)).collect()
    }

    #[test]
    fn sinks_have_the_names_of_their_places() {
        let run = TestRun::new();
        let texts = if cfg!(feature = "zip") { &["/a/b", "/a/c.zip"][..] } else { &["/a/b"] };
        let sinks =
            open(&specs(texts, &run.root()), &run.root(), &AddressPolicy::default()).unwrap();
        assert_eq!(sinks.iter().map(|sink| sink.name()).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn local_places_are_looked_at_before_a_run() {
        let run = TestRun::new().with("a", "one");
        let base = run.beside("");
        let good = specs(&["new/folder", "zips/out.zip", "s3://bucket/x", "a=https://h/"], &base);
        check_local(&good, &run.root()).unwrap();
        assert!(run.beside("new/folder").is_dir() && run.beside("zips").is_dir());
        assert!(tree(&run.beside("new")).is_empty());
        for (text, expected) in [
            ("run/outputs/x", "in the directory of the run itself"),
            ("run/outputs/a/x", "in the directory of the run itself"),
            ("/proc/chutes/x.zip", "/proc/chutes/x.zip: cannot make the directory"),
        ] {
            let error = check_local(&specs(&[text], &base), &run.root()).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
