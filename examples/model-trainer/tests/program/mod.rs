//! The program under test, and what it leaves.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// `run train_model` in this directory, with these fields of its data.
pub(crate) fn train(run_dir: &Path, fields: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model-trainer"));
    command.args(["run", "train_model", "--json", "--run-dir"]).arg(run_dir);
    command.args(fields.iter().flat_map(|field| ["--set", field]));
    command
}

/// Checks every file of the manifest against its content, and returns the paths.
pub(crate) fn verified_files(run_dir: &Path) -> Vec<String> {
    let manifest = std::fs::read(run_dir.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let verified = |file: &Value| {
        let path = file["path"].as_str().unwrap();
        let content = std::fs::read(run_dir.join("outputs").join(path)).unwrap();
        let digest = Sha256::digest(&content);
        let digest: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], digest.concat(), "{path}");
        assert_eq!(file["bytes"], content.len(), "{path}");
        path.to_owned()
    };
    manifest["files"].as_array().unwrap().iter().map(verified).collect()
}

pub(crate) fn checkpoint(epoch: u64) -> String {
    format!("checkpoints/checkpoint-epoch-{epoch:04}.safetensors")
}
