//! A spec without what nobody may see.

use super::{
    InlineZip, InputVolume, InputVolumes, JobSpec, MountedVolume, OutputVolumes, SecretText,
    SshAccess,
};
use crate::{HttpUrl, SecretPairs, Upload, UploadMethod, rule};

/// Stands for a secret.
const HIDDEN: &str = "…";

impl JobSpec {
    /// The same spec for a journal or a report: URLs as they are shown, `…` for tokens and for the
    /// values of variables, headers and form fields, and the size of inline volumes for their contents.
    /// It has the form of a spec, and tells what was asked for, but it cannot be run again. The data of a
    /// job, and the arguments of an image, stay as they are.
    ///
    /// ```
    /// use chutes_core::{ImageName, InputVolume, JobSpec};
    ///
    /// let spec = JobSpec::builder(ImageName::new("alpine")?)
    ///     .env("TOKEN", "secret")
    ///     .input("/volume/x", InputVolume::file("https://storage.test/x?signature=secret")?)
    ///     .build()?;
    /// let shown = spec.without_secrets();
    /// assert_eq!(shown.env.reveal(), [("TOKEN".to_owned(), "…".to_owned())]);
    /// let InputVolume::File { url, .. } = &shown.input_volumes.iter().next().unwrap().volume else {
    ///     unreachable!()
    /// };
    /// assert_eq!(url.reveal(), "https://storage.test/x?…");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let inputs = self.input_volumes.iter().filter_map(input).collect();
        let outputs = &self.output_volumes;
        let files = outputs.files.iter();
        Self {
            work: self.work.clone(),
            executor_class: self.executor_class.clone(),
            namespace: self.namespace.clone(),
            limits: self.limits,
            resources: self.resources,
            env: names(&self.env),
            artifacts_dir: self.artifacts_dir.clone(),
            input_volumes: InputVolumes::new(inputs),
            output_volumes: OutputVolumes {
                files: files.filter_map(|(path, to)| Some((path.clone(), upload(to)?))).collect(),
                system_output: outputs.system_output.as_ref().and_then(upload),
            },
            publish: self.publish.clone(),
            ssh: self.ssh.as_ref().map(ssh),
            streaming: self.streaming.clone(),
        }
    }
}

fn names(pairs: &SecretPairs) -> SecretPairs {
    let hidden = pairs.reveal().iter().map(|(name, _)| (name.clone(), HIDDEN.to_owned()));
    SecretPairs::new(hidden.collect())
}

/// Public keys may be shown. A private one is refused by every way to make a spec but one, its fields.
fn ssh(access: &SshAccess) -> SshAccess {
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
