//! The parts of a spec without their secrets.

use super::{
    InlineZip, InputVolume, InputVolumes, MountedVolume, OutputVolumes, SecretText, SshAccess,
};
use crate::{HttpUrl, SecretPairs, Upload, UploadMethod, rule};

/// Stands for a secret.
const HIDDEN: &str = "…";

/// The names, and `…` for each value.
pub(super) fn names(pairs: &SecretPairs) -> SecretPairs {
    let hidden = pairs.reveal().iter().map(|(name, _)| (name.clone(), HIDDEN.to_owned()));
    SecretPairs::new(hidden.collect())
}

/// The inputs as they may be shown.
pub(super) fn inputs(volumes: &InputVolumes) -> InputVolumes {
    InputVolumes::new(volumes.iter().filter_map(input).collect())
}

/// The outputs as they may be shown.
pub(super) fn outputs(volumes: &OutputVolumes) -> OutputVolumes {
    let files = volumes.files.iter();
    OutputVolumes {
        files: files.filter_map(|(path, to)| Some((path.clone(), upload(to)?))).collect(),
        system_output: volumes.system_output.as_ref().and_then(upload),
    }
}

/// Public keys may be shown. A private one is refused by every way to make a spec but one, its fields.
pub(super) fn ssh(access: &SshAccess) -> SshAccess {
    let shown = |key: &String| {
        if rule::has_private_key(key) { HIDDEN.to_owned() } else { key.clone() }
    };
    SshAccess { public_keys: access.public_keys.iter().map(shown).collect(), ..*access }
}

/// A URL can be read as it is shown. Were there one that cannot, it would be left out, not shown whole.
fn url(url: &HttpUrl) -> Option<HttpUrl> {
    HttpUrl::new(&url.to_string()).ok()
}

fn upload(to: &Upload) -> Option<Upload> {
    let url = url(to.url())?;
    let headers = names(to.headers()).reveal().to_vec();
    match to.method() {
        UploadMethod::Put => Upload::put(url, headers),
        UploadMethod::Post { fields } => {
            Upload::post(url, names(fields).reveal().to_vec(), headers)
        }
    }
    .ok()
}

fn input(mounted: &MountedVolume) -> Option<MountedVolume> {
    let volume = match &mounted.volume {
        InputVolume::Inline(zip) => InputVolume::Inline(inline(zip)),
        InputVolume::File { url: from, sha256 } => {
            InputVolume::File { url: url(from)?, sha256: *sha256 }
        }
        InputVolume::Zip { url: from, sha256 } => {
            InputVolume::Zip { url: url(from)?, sha256: *sha256 }
        }
        InputVolume::HuggingFace(repository) => {
            let mut repository = repository.clone();
            repository.token = repository.token.map(|_| SecretText::new(HIDDEN.to_owned()));
            InputVolume::HuggingFace(repository)
        }
    };
    Some(MountedVolume { path: mounted.path.clone(), volume })
}

fn inline(zip: &InlineZip) -> InlineZip {
    let text = zip.as_base64();
    if text.starts_with(HIDDEN) {
        return zip.clone();
    }
    InlineZip::new(format!("{HIDDEN} {} characters of base64", text.len()))
}
