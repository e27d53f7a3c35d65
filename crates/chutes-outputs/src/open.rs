//! From places as they were asked for to sinks.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::MetadataExt;
use chutes_core::{OutputPath, RelativePath, SinkKind, SinkSpec, Upload, ZipTarget};
use chutes_transfer::{AddressPolicy, TransferError};

use crate::blocking::failed;
use crate::directory::DirectorySink;
use crate::zip::{Layout, ZipPlace, ZipSink};
use crate::{Sink, folder, http, object_store};

/// A sink that was opened, with the number by which a run knows it.
#[derive(Clone)]
pub struct OpenSink {
    /// The position of its place among those that were asked for, from 0 on; of the first one, if it is for several.
    pub number: usize,
    /// The sink.
    pub sink: Arc<dyn Sink>,
}

impl OpenSink {
    /// Numbers sinks in their order, from 0 on.
    #[must_use]
    pub fn numbered(sinks: impl IntoIterator<Item = Arc<dyn Sink>>) -> Vec<Self> {
        let sinks = sinks.into_iter().enumerate();
        sinks.map(|(number, sink)| Self { number, sink }).collect()
    }
}

impl fmt::Debug for OpenSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OpenSink");
        shown.field("number", &self.number).field("sink", &self.sink.name()).finish()
    }
}

/// Makes the sinks, by rising numbers; nothing is sent yet. URLs of one server, each for another file, become one sink.
/// `run_root` is the directory of the run, into which nothing is delivered, and `addresses` are those that a spec may name.
///
/// # Errors
///
/// When a place cannot be delivered to, as far as that is known without asking it.
pub fn open_sinks(
    specs: &[SinkSpec],
    run_root: &Path,
    addresses: &AddressPolicy,
) -> Result<Vec<OpenSink>, TransferError> {
    let (sinks, urls) = (Vec::new(), http::Urls::new());
    let mut opening = Opening { run_root, addresses, sinks, urls };
    for (number, spec) in specs.iter().enumerate() {
        opening.add(number, spec).map_err(|error| at(spec, error))?;
    }
    let Opening { mut sinks, urls, .. } = opening;
    sinks.extend(urls.open()?);
    sinks.sort_by_key(|open| open.number);
    Ok(sinks)
}

/// Checks that no place is given twice and that files can be written to the local places, and makes their folders. To be
/// called before a run begins: afterwards it is too late to choose another place.
///
/// # Errors
///
/// When a folder cannot be made or written to, or when two sinks would write the same files.
pub fn check_places(specs: &[SinkSpec], run_root: &Path) -> Result<(), TransferError> {
    let mut before: Vec<(&SinkSpec, Option<LocalPlace>)> = Vec::new();
    for spec in specs {
        let place = local_place(spec, run_root).map_err(|error| at(spec, error))?;
        let is_same = |(other, there): &&(&SinkSpec, Option<LocalPlace>)| match (there, &place) {
            (Some(there), Some(place)) => there == place,
            (None, None) => *other == spec,
            _ => false,
        };
        if let Some((other, _)) = before.iter().find(is_same) {
            return Err(TransferError::permanent(format!(
                "`{spec}` and `{other}` are the same place: give each place once"
            )));
        }
        before.push((spec, place));
    }
    Ok(())
}

/// A local place, however its path is written: the folder that files are put into, and the name of a zip file.
#[derive(PartialEq, Eq)]
struct LocalPlace {
    device: u64,
    inode: u64,
    name: Option<OsString>,
}

/// Where a sink writes on this machine, if it does. The folder is made, and checked.
fn local_place(spec: &SinkSpec, run_root: &Path) -> Result<Option<LocalPlace>, TransferError> {
    let (path, name) = match spec.kind() {
        SinkKind::Directory(path) => (path.as_path(), None),
        SinkKind::Zip(ZipTarget::File(path)) => {
            (path.parent().unwrap_or(path), path.file_name().map(OsStr::to_owned))
        }
        _ => return Ok(None),
    };
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let folder = folder::prepare(path, run_root)?;
    let metadata = folder.dir_metadata().map_err(|error| failed("cannot examine it", &error))?;
    Ok(Some(LocalPlace { device: metadata.dev(), inode: metadata.ino(), name }))
}

fn at(spec: &SinkSpec, error: TransferError) -> TransferError {
    error.map_message(|message| format!("{spec}: {message}"))
}

/// The sinks that have been opened so far.
struct Opening<'a> {
    run_root: &'a Path,
    addresses: &'a AddressPolicy,
    sinks: Vec<OpenSink>,
    urls: http::Urls,
}

impl Opening<'_> {
    fn add(&mut self, number: usize, spec: &SinkSpec) -> Result<(), TransferError> {
        let (run_root, addresses) = (self.run_root, self.addresses);
        let sink = match spec.kind() {
            SinkKind::File { file, to } => return self.urls.add(number, file, to),
            SinkKind::Directory(path) => {
                Arc::new(DirectorySink::new(path.clone(), run_root.to_owned()))
            }
            SinkKind::ObjectStore(url) => object_store::folder(url)?,
            SinkKind::Zip(target) => zip(spec, target, run_root)?,
            SinkKind::StatusUrl(url) => http::status_url(url)?,
            SinkKind::Files(files) => http::files(spec.to_string(), files, addresses)?,
            SinkKind::SystemOutput { to, except } => {
                system_output(spec, to, except, run_root, addresses)?
            }
        };
        self.sinks.push(OpenSink { number, sink });
        Ok(())
    }
}

/// All outputs without a volume of their own as one zip file, with what the job printed.
fn system_output(
    spec: &SinkSpec,
    to: &Upload,
    except: &[RelativePath],
    run_root: &Path,
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    let file = zip_name(b"output.zip")?;
    let sink = http::system_output(spec.to_string(), file.clone(), to, addresses)?;
    let place = ZipPlace::Sink { sink, file };
    let layout = Layout::SystemOutput { except: except.iter().map(OutputPath::from).collect() };
    Ok(Arc::new(ZipSink::new(spec.to_string(), layout, place, run_root.to_owned())))
}

/// All files as one zip file.
fn zip(
    spec: &SinkSpec,
    target: &ZipTarget,
    run_root: &Path,
) -> Result<Arc<dyn Sink>, TransferError> {
    let file = zip_name(b"outputs.zip")?;
    let place = match target {
        ZipTarget::File(path) => ZipPlace::File(path.clone()),
        ZipTarget::ObjectStore(url) => ZipPlace::Sink { sink: object_store::object(url)?, file },
        ZipTarget::Upload(to) => ZipPlace::Sink { sink: http::one_file(file.clone(), to)?, file },
    };
    Ok(Arc::new(ZipSink::new(spec.to_string(), Layout::Run, place, run_root.to_owned())))
}

fn zip_name(name: &[u8]) -> Result<OutputPath, TransferError> {
    OutputPath::new(name).map_err(|error| TransferError::permanent(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_run::{TestRun, tree};

    fn specs(texts: &[&str], base: &Path) -> Vec<SinkSpec> {
        texts.iter().map(|text| text.parse::<SinkSpec>().unwrap().in_directory(base)).collect()
    }

    #[test]
    fn sinks_have_the_names_of_their_places() {
        let run = TestRun::new();
        let texts = ["/a/b", "/a/c.zip"];
        let specs = specs(&texts, &run.root());
        let sinks = open_sinks(&specs, &run.root(), &AddressPolicy::default()).unwrap();
        assert_eq!(sinks.iter().map(|open| open.sink.name()).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn local_places_are_looked_at_before_a_run() {
        let run = TestRun::new().with("a", "one");
        let base = run.beside("");
        let good = specs(&["new/folder", "zips/out.zip", "s3://bucket/x", "a=https://h/"], &base);
        check_places(&good, &run.root()).unwrap();
        assert!(run.beside("new/folder").is_dir() && run.beside("zips").is_dir());
        assert!(tree(&run.beside("new")).is_empty());
        for (text, expected) in [
            ("run/outputs/x", "in the directory of the run itself"),
            ("run/outputs/a/x", "in the directory of the run itself"),
            ("/proc/chutes/x.zip", "/proc/chutes/x.zip: cannot make the directory"),
        ] {
            let error = check_places(&specs(&[text], &base), &run.root()).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_place_is_given_once() {
        let run = TestRun::new();
        let base = run.beside("");
        std::fs::create_dir(run.beside("a")).unwrap();
        std::os::unix::fs::symlink("a", run.beside("link")).unwrap();
        for (texts, is_same) in [
            (&["a", "a/"][..], true),
            (&["a", "b/../a"], true),
            (&["a", "link"], true),
            (&["a/out.zip", "link/out.zip"], true),
            (&["s3://bucket/x", "a", "s3://bucket/x"], true),
            (&["a", "b", "a/b", "a/out.zip", "a/other.zip"], false),
            (&["a=https://h/x", "b=https://h/x", "s3://bucket/x"], false),
        ] {
            let checked = check_places(&specs(texts, &base), &run.root());
            assert_eq!(checked.is_err(), is_same, "{texts:?}: {checked:?}");
            if let Err(error) = checked {
                assert!(
                    error.message.ends_with("are the same place: give each place once"),
                    "{error}"
                );
            }
        }
    }
}
