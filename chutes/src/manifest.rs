//! The files of a run: their paths, their checksums, and what became of them.
//!
//! [`Manifest`] lists every file that a run left, in `manifest.json` of its directory and in its
//! [`Outcome`](crate::Outcome).
//!
//! ```
//! use chutes::manifest::{FileState, OutputPath, Sha256Digest};
//!
//! let path = OutputPath::new(*b"models/best.bin")?;
//! let sha256: Sha256Digest =
//!     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
//! let state = FileState::Collected { bytes: 0, sha256 };
//! assert_eq!(path, "models/best.bin");
//! assert!(matches!(state, FileState::Collected { bytes: 0, .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    FileKind, FileState, Manifest, OutputFile, OutputPath, OutputPathError, RelativePath,
    RelativePathError, Sha256Digest, Sha256DigestError, Sha256Hasher,
};
