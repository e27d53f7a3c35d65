//! Checkpoint files: written atomically, found by epoch, read with care.
//!
//! A checkpoint is a safetensors file named `checkpoint-epoch-0005.safetensors`.
//! Its metadata holds the number of the last finished epoch and the facts that a
//! training must share with it to continue from it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::tensor::{self, Number, Tensor};

const NAME_PREFIX: &str = "checkpoint-epoch-";
const NAME_SUFFIX: &str = ".safetensors";
const EPOCH_KEY: &str = "epoch";
const FORMAT_KEY: &str = "checkpoint_format";
/// To be raised whenever the names or the meaning of the tensors change.
const FORMAT: &str = "model-trainer/1";

/// Why a checkpoint could not be written, found or used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The directory of the checkpoints cannot be listed.
    #[error("cannot list the checkpoints in {}", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write checkpoint {}", path.display())]
    Write {
        /// The file under its final name.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read checkpoint {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The tensors cannot be turned into a file's content.
    #[error("cannot encode checkpoint {}", path.display())]
    Encode {
        /// The file under its final name.
        path: PathBuf,
        /// What the format's library said.
        source: safetensors::SafeTensorError,
    },
    /// The file is not a readable checkpoint.
    #[error("checkpoint {} is broken: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is a checkpoint, but of another training.
    #[error("checkpoint {} belongs to another training: {reason}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

/// The state of a training after an epoch.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The last finished epoch.
    pub epoch: u32,
    /// What another training must have in common with this one to continue it.
    pub facts: BTreeMap<String, String>,
    /// All values, by name.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Writes the checkpoint into the directory, which is created if missing.
    ///
    /// A crash at any moment leaves either the whole file or none under the
    /// final name; an existing checkpoint of the same epoch is replaced.
    ///
    /// # Errors
    ///
    /// Fails if the file system refuses.
    pub fn save(&self, dir: &Path) -> Result<PathBuf, CheckpointError> {
        let path = dir.join(file_name(self.epoch));
        let mut metadata: HashMap<String, String> = self.facts.clone().into_iter().collect();
        metadata.insert(EPOCH_KEY.to_owned(), self.epoch.to_string());
        metadata.insert(FORMAT_KEY.to_owned(), FORMAT.to_owned());
        write_tensors(&self.tensors, Some(metadata), &path)?;
        Ok(path)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a whole checkpoint.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path)
            .map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        decode(&bytes).map_err(|reason| CheckpointError::Broken { path: path.to_owned(), reason })
    }

    /// Says how this checkpoint differs from a training with the given facts.
    pub(crate) fn difference(&self, facts: &BTreeMap<String, String>) -> Option<String> {
        facts.iter().find_map(|(key, expected)| match self.facts.get(key) {
            Some(found) if found == expected => None,
            Some(found) => Some(format!("{key} is {found}, expected {expected}")),
            None => Some(format!("{key} is missing, expected {expected}")),
        })
    }

    /// The numbers of the tensor with this name, if it has the expected shape and type; else what is wrong with it.
    pub(crate) fn numbers<T: Number>(&self, name: &str, shape: &[usize]) -> Result<Vec<T>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("tensor {name} is missing"))?;
        tensor.numbers(shape).map_err(|difference| format!("tensor {name} {difference}"))
    }
}

/// Writes the tensors into a file. A crash at any moment leaves either the whole file or none under its name.
pub(crate) fn write_tensors(
    tensors: &BTreeMap<String, Tensor>,
    metadata: Option<HashMap<String, String>>,
    path: &Path,
) -> Result<(), CheckpointError> {
    let bytes = safetensors::serialize(tensors, metadata)
        .map_err(|source| CheckpointError::Encode { path: path.to_owned(), source })?;
    write_atomically(path, &bytes)
        .map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, String> {
    let tensors = tensor::read(bytes).map_err(|error| error.to_string())?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let mut facts: BTreeMap<String, String> =
        header.metadata().clone().unwrap_or_default().into_iter().collect();
    match facts.remove(FORMAT_KEY) {
        Some(format) if format == FORMAT => {}
        Some(format) => return Err(format!("its format is {format}, expected {FORMAT}")),
        None => return Err(format!("the metadata lacks {FORMAT_KEY}")),
    }
    let epoch = facts.remove(EPOCH_KEY).ok_or_else(|| format!("the metadata lacks {EPOCH_KEY}"))?;
    let epoch = epoch.parse().map_err(|_| format!("its epoch {epoch:?} is not a number"))?;
    Ok(Checkpoint { epoch, facts, tensors: tensors.into_iter().collect() })
}

fn file_name(epoch: u32) -> String {
    format!("{NAME_PREFIX}{epoch:04}{NAME_SUFFIX}")
}

/// The epoch in a file name, if it is the name of a checkpoint.
fn epoch_of(name: &str) -> Option<u32> {
    let epoch = name.strip_prefix(NAME_PREFIX)?.strip_suffix(NAME_SUFFIX)?.parse().ok()?;
    // Other spellings of the number, such as `+5` or `5`, are not written here.
    (file_name(epoch) == name).then_some(epoch)
}

fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = NamedTempFile::with_prefix_in(".checkpoint-", dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(dir)
}

/// Makes the renamed entry itself survive a power cut.
fn sync_directory(dir: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// All checkpoints in the directory, the newest epoch first. Files with other
/// names are ignored; a directory that does not exist holds no checkpoint.
///
/// # Errors
///
/// Fails if the directory exists but cannot be listed.
pub fn list_checkpoints(dir: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let fail = |source| CheckpointError::List { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(fail)?;
        let epoch = entry.file_name().to_str().and_then(epoch_of);
        if let Some(epoch) = epoch.filter(|_| entry.path().is_file()) {
            found.push((epoch, entry.path()));
        }
    }
    found.sort_unstable_by(|left, right| right.cmp(left));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The checkpoint with the highest epoch in the directory.
///
/// # Errors
///
/// Fails if the directory exists but cannot be listed.
pub fn newest_checkpoint(dir: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    Ok(list_checkpoints(dir)?.into_iter().next())
}

#[cfg(test)]
mod tests {
    use ndarray::aview1;

    use super::*;

    fn sample(epoch: u32) -> Checkpoint {
        let tensor = Tensor::new(&aview1(&[1_f32, 2.0]));
        Checkpoint {
            epoch,
            facts: BTreeMap::from([("seed".to_owned(), "42".to_owned())]),
            tensors: BTreeMap::from([("weight".to_owned(), tensor)]),
        }
    }

    fn broken(path: &Path) -> String {
        let error = Checkpoint::load(path).unwrap_err();
        assert!(matches!(error, CheckpointError::Broken { .. }), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        error.to_string()
    }

    #[test]
    fn what_was_saved_is_loaded_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = sample(5).save(dir.path()).unwrap();
        assert!(path.ends_with("checkpoint-epoch-0005.safetensors"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!((loaded.epoch, &loaded.facts), (5, &sample(5).facts));
        assert_eq!(loaded.numbers::<f32>("weight", &[2]), Ok(vec![1.0, 2.0]));
    }

    #[test]
    fn the_newest_checkpoint_has_the_highest_epoch() {
        let dir = tempfile::tempdir().unwrap();
        for epoch in [2, 10, 9] {
            sample(epoch).save(dir.path()).unwrap();
        }
        for other in ["checkpoint-epoch-99.safetensors", "checkpoint-epoch-0099.tmp", ".x", "a"] {
            fs::write(dir.path().join(other), "").unwrap();
        }
        fs::create_dir(dir.path().join(file_name(77))).unwrap();
        let newest = newest_checkpoint(dir.path()).unwrap().unwrap();
        assert!(newest.ends_with("checkpoint-epoch-0010.safetensors"));
        assert_eq!(list_checkpoints(dir.path()).unwrap().len(), 3);
    }

    #[test]
    fn a_missing_directory_holds_no_checkpoint() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest_checkpoint(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn a_broken_file_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = sample(5).save(dir.path()).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            broken(&path);
        }
        fs::write(&path, b"this is not a checkpoint at all").unwrap();
        broken(&path);
    }

    #[test]
    fn a_safetensors_file_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file_name(1));
        write_tensors(&sample(1).tensors, None, &path).unwrap();
        assert!(broken(&path).contains("lacks checkpoint_format"));
    }

    #[test]
    fn a_missing_file_is_a_read_error() {
        let error = Checkpoint::load(Path::new("/nonexistent/x.safetensors")).unwrap_err();
        assert!(matches!(error, CheckpointError::Read { .. }));
    }
}
