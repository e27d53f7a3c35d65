//! Files of a container through the engine, which may read and change what the user of this process may not.

mod tar;

use bollard::body_full;
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

use self::tar::FirstFile;
use super::{Engine, EngineError};

/// The content of a file, piece by piece. A file that is cut off ends with an error.
pub type FileContent = BoxStream<'static, Result<Bytes, EngineError>>;

/// A folder whose mode is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedFolder {
    /// Its path below the folder that the request is about, without `/` at its beginning.
    pub path: Vec<u8>,
    /// When it was last changed, in seconds since 1970.
    pub modified: u64,
}

impl Engine {
    /// Reads a regular file of a container, whether it runs or not.
    #[must_use]
    pub fn read_file(&self, container: &str, path: &str) -> FileContent {
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let (engine, mut first) = (self.clone(), FirstFile::default());
        let archive = self.docker.download_from_container(container, Some(options)).boxed();
        let failed = move |reason: String| EngineError::Failed {
            address: engine.address(),
            action: READ,
            reason,
            status: None,
        };
        let engine = self.clone();
        // The end of the archive, which the content must not come after.
        let pieces = archive.map(Some).chain(stream::once(std::future::ready(None)));
        let content = pieces.map(move |piece| match piece {
            Some(Ok(bytes)) => first.content(&bytes).map_err(&failed),
            Some(Err(error)) => Err(engine.failed(READ, &error)),
            None if first.is_complete() => Ok(Bytes::new()),
            None => Err(failed("it is cut off".to_owned())),
        });
        content.boxed()
    }

    /// Lets every user list and change these folders below a folder of a container, whether it runs or not.
    #[must_use = "nothing happens before it is awaited"]
    pub fn open_folders<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
        folders: &'a [OpenedFolder],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = UploadToContainerOptionsBuilder::new().path(path).build();
            let archive = body_full(tar::folders(folders).into());
            let changed = self.docker.upload_to_container(container, Some(options), archive).await;
            changed.map_err(|error| self.failed("open the folders of a container", &error))
        })
    }
}

/// What reading is called in messages.
const READ: &str = "read a file of a container";
