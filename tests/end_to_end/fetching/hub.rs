//! Repositories of the Hugging Face Hub: what is at `/volume` when the container starts, and what prevents
//! its start.

use std::path::Path;

use chutes::event::RunEvent;
use chutes::outcome::FailureKind;
use chutes_test_support::machine::unshare;
use chutes_test_support::servers::hub::{Behaviour, HubRequest, HubServer, commit};
use chutes_test_support::{Sandbox, finish, start};
use serde_json::{Value, json};

use crate::programs::new_sandbox;
use crate::stage::{Ended, Stage, inline, shell, with};

/// Prints all files below `/volume` with their content.
const SHOW: &str =
    "cd /volume; find . -type f | sort | while read f; do echo \"$f $(cat \"$f\")\"; done";

const TOKEN: &str = "hf_s3cret";

/// The Hub with a model and a dataset, and an engine.
struct Hub {
    stage: Stage,
    server: HubServer,
    folder: Sandbox,
}

impl Hub {
    fn start(behaviour: Behaviour) -> Self {
        let folder = new_sandbox();
        for (path, content) in [
            ("models/ada/model/README.md", "readme"),
            ("models/ada/model/config.json", "{}"),
            ("models/ada/model/model.bin", "weights"),
            ("models/ada/model/onnx/größe #1 100%?.json", "[]"),
            ("models/ada/model/onnx/model.bin", "other weights"),
            ("datasets/ada/data/train/0.csv", "1,2"),
            ("datasets/ada/data/train/1.bin", "3,4"),
        ] {
            let path = folder.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let server = HubServer::start(&folder.path(""), behaviour);
        Self { stage: Stage::new(), server, folder }
    }

    /// Runs a spec that shows what it finds of these volumes. The environment has these variables.
    #[track_caller]
    fn run(&self, volumes: &Value, variables: &[(&str, &str)]) -> Ended {
        let script = format!("touch /output/begun; {SHOW}");
        let spec = with(shell(&script), json!({"input_volumes": volumes}));
        std::fs::write(self.stage.sandbox.path("spec.json"), spec.to_string()).unwrap();
        // Of an earlier run of the same test.
        for name in ["run", "events", "result"] {
            let path = self.stage.sandbox.path(name);
            let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
        let words = "exec spec.json --run-dir run --json --events events --result result";
        let mut command = self.stage.chutes(&words.split_whitespace().collect::<Vec<_>>());
        command.env("HF_ENDPOINT", self.server.url());
        command.env("CHUTES_CACHE_DIR", self.stage.sandbox.path("cache"));
        command.envs(variables.iter().copied());
        self.stage.ended(start(command).finish())
    }

    /// Runs a spec that completes, and checks what the container finds.
    #[track_caller]
    fn check(&self, volumes: &Value, expected: &str) -> Ended {
        self.check_with(volumes, &[], expected)
    }

    #[track_caller]
    fn check_with(&self, volumes: &Value, variables: &[(&str, &str)], expected: &str) -> Ended {
        let ended = self.run(volumes, variables);
        assert_eq!(ended.finished.code, Some(0), "{ended:#?}");
        assert_eq!(self.stage.text("logs/stdout.log"), expected);
        ended
    }

    /// Runs a spec whose container never begins. The failure says these. Returns what it says.
    #[track_caller]
    fn check_refused(&self, volumes: &Value, said: &[&str]) -> String {
        let ended = self.run(volumes, &[]);
        let message = ended.check(1, "failed", FailureKind::DownloadFailed, said);
        assert!(!self.stage.path("outputs/begun").exists());
        assert_eq!(ended.elapsed("execute"), None);
        assert!(!ended.statuses().contains(&"volumes_ready".to_owned()), "{ended:#?}");
        self.check_hidden(&ended);
        message
    }

    /// Checks that the token is nowhere in what a run reports and keeps.
    #[track_caller]
    fn check_hidden(&self, ended: &Ended) {
        for printed in [&ended.finished.stdout, &ended.finished.stderr] {
            assert!(!printed.contains(TOKEN), "{printed}");
        }
        for name in ["events", "result", "run", "cache"] {
            check_hidden(&self.stage.sandbox.path(name));
        }
    }

    /// The requests for files so far, without those for lists.
    fn of_files(&self) -> Vec<HubRequest> {
        let is_file = |request: &HubRequest| !request.target.starts_with("/api/");
        self.server.requests().into_iter().filter(is_file).collect()
    }
}

#[track_caller]
fn check_hidden(path: &Path) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check_hidden(&entry.unwrap().path());
        }
        return;
    }
    let content = std::fs::read(path).unwrap();
    let content = String::from_utf8_lossy(&content);
    assert!(!content.contains(TOKEN), "the token is in {}: {content}", path.display());
}

fn model() -> Value {
    json!({"type": "huggingface", "repo_id": "ada/model"})
}

/// The bytes of a volume in its last event, and whether it came from the cache.
#[track_caller]
fn reported(ended: &Ended, wanted: &str) -> (u64, bool) {
    let last = ended.events.iter().rev().find_map(|event| match &event.what {
        RunEvent::Volume { place, bytes, cached, done, .. } if place == wanted => {
            Some((*bytes, *cached, *done))
        }
        _ => None,
    });
    let Some((bytes, cached, true)) = last else { panic!("it is not done: {ended:#?}") };
    (bytes, cached)
}

#[test]
fn model_into_a_folder() {
    // Like the Hub: lists in pages, and large files at another address.
    let hub = Hub::start(Behaviour { page_size: 2, redirects: true, ..Behaviour::default() });
    let expected = "./x/README.md readme\n./x/config.json {}\n./x/model.bin weights\n\
        ./x/onnx/größe #1 100%?.json []\n./x/onnx/model.bin other weights\n";
    let ended = hub.check(&json!({"/volume/x": model()}), expected);
    assert_eq!(reported(&ended, "/volume/x"), (30, false));
    assert!(ended.statuses().contains(&"volumes_ready".to_owned()), "{ended:#?}");
    // All files are of the commit that `main` was in the beginning.
    let resolved = format!("/ada/model/resolve/{}/", commit("ada/model"));
    let of_files = hub.of_files();
    let of_commit = of_files.iter().filter(|request| request.target.starts_with(&resolved));
    assert_eq!(of_commit.count(), 5, "{of_files:#?}");
}

#[test]
fn dataset_into_the_root() {
    let hub = Hub::start(Behaviour::default());
    let dataset = json!({"type": "huggingface", "repo_id": "ada/data", "repo_type": "dataset"});
    hub.check(&json!({"/volume/": dataset}), "./train/0.csv 1,2\n./train/1.bin 3,4\n");
}

#[test]
fn files_that_match_patterns() {
    let hub = Hub::start(Behaviour::default());
    let only =
        |patterns: Value| json!({"/volume": with(model(), json!({"allow_patterns": patterns}))});
    hub.check(&only(json!("config.json")), "./config.json {}\n");
    let [text, list] = [json!("*.json"), json!(["*.json"])];
    let expected = "./config.json {}\n./onnx/größe #1 100%?.json []\n";
    hub.check(&only(text), expected);
    hub.check(&only(list), expected);
    hub.check(
        &only(json!(["*.md", "onnx/*.bin"])),
        "./README.md readme\n./onnx/model.bin other weights\n",
    );
    hub.check_refused(&only(json!(["*.none"])), &["ada/model", "*.none", "/volume"]);
}

#[test]
fn revisions() {
    let hub = Hub::start(Behaviour::default());
    let only = json!({"allow_patterns": ["config.json"]});
    for revision in ["main", "refs/pr/1", &commit("ada/model")] {
        let volume = with(with(model(), only.clone()), json!({"revision": revision}));
        hub.check(&json!({"/volume": volume}), "./config.json {}\n");
    }
    let volume = with(model(), json!({"revision": "v7"}));
    hub.check_refused(&json!({"/volume": volume}), &["ada/model", "`v7`", "404"]);
}

#[test]
fn faults_of_the_hub_pass() {
    for (part, status) in [("/revision/", 500), ("/tree/", 503), ("model.bin", 429)] {
        let fails_once = Some((part.to_owned(), status));
        let hub = Hub::start(Behaviour { fails_once, ..Behaviour::default() });
        let volume = with(model(), json!({"allow_patterns": ["model.bin"]}));
        hub.check(&json!({"/volume": volume}), "./model.bin weights\n");
        let requests = hub.server.requests();
        let failed = requests.iter().filter(|request| request.status == status);
        assert_eq!((failed.count(), requests.len()), (1, 4), "{requests:#?}");
    }
}

#[test]
fn repository_that_does_not_exist() {
    let hub = Hub::start(Behaviour::default());
    let volume = json!({"type": "huggingface", "repo_id": "ada/none"});
    hub.check_refused(&json!({"/volume/x": volume}), &["ada/none", "404", "/volume/x", "HF_TOKEN"]);
    // Asking again would give the same answer.
    assert_eq!(hub.server.requests().len(), 1);
}

/// A token may be in the spec or in the environment; that of the spec counts.
#[test]
fn private_repository() {
    let token = Some(TOKEN.to_owned());
    let hub = Hub::start(Behaviour { token, redirects: true, ..Behaviour::default() });
    let volumes = |more: Value| {
        let only = with(model(), json!({"allow_patterns": ["*.bin", "config.json"]}));
        json!({"/volume": with(only, more)})
    };
    hub.check_refused(&volumes(json!({})), &["ada/model", "401", "`token`"]);
    let wrong = volumes(json!({"token": "hf_other"}));
    let message = hub.check_refused(&wrong, &["ada/model", "401", "token"]);
    assert!(!message.contains("hf_other"), "{message}");
    assert_eq!(hub.of_files(), []);

    let expected = "./config.json {}\n./model.bin weights\n./onnx/model.bin other weights\n";
    let good = volumes(json!({"token": TOKEN}));
    let ended = hub.check_with(&good, &[("HF_TOKEN", "hf_other")], expected);
    hub.check_hidden(&ended);
    let ended = hub.check_with(&volumes(json!({})), &[("HF_TOKEN", TOKEN)], expected);
    hub.check_hidden(&ended);
}

/// Names that lead out of the volume are refused, and no file is fetched.
#[test]
fn hostile_names() {
    for name in ["../evil.txt", "/evil.txt", "a/../../evil.txt", "a//evil.txt", "./evil.txt"] {
        let more_names = vec![name.to_owned()];
        let hub = Hub::start(Behaviour { more_names, ..Behaviour::default() });
        hub.check_refused(&json!({"/volume/x/y": model()}), &["ada/model", name, "/volume/x/y"]);
        assert_eq!(hub.of_files(), [], "{name}");
        check_absent(&hub.stage.sandbox.path(""), "evil.txt");
        assert!(!Path::new("/evil.txt").exists());
    }
}

/// No file below a folder has this name.
#[track_caller]
fn check_absent(folder: &Path, name: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        assert_ne!(entry.file_name().to_string_lossy(), name, "{}", path.display());
        if entry.file_type().unwrap().is_dir() {
            check_absent(&path, name);
        }
    }
}

/// A full disk is not a mistake in the spec.
#[test]
fn repository_is_larger_than_the_disk() {
    let hub = Hub::start(Behaviour::default());
    std::fs::write(hub.folder.path("models/ada/model/large.bin"), vec![7; 3_000_000]).unwrap();
    // Of several files at a time, another one could be the first that has no room.
    let volume = with(model(), json!({"allow_patterns": ["large.bin"]}));
    let spec = with(shell("echo begun"), json!({"input_volumes": {"/volume/x": volume}}));
    std::fs::write(hub.stage.sandbox.path("spec.json"), spec.to_string()).unwrap();
    std::fs::create_dir(hub.stage.sandbox.path("disk")).unwrap();
    // The small file system ends with the process.
    let script = "mount -t tmpfs -o size=1m none disk && exec \"$@\"";
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", script, "sh"]].concat();
    let program = hub.stage.sandbox.programs().neighbour("chutes");
    let program =
        [program.to_str().unwrap(), "exec", "spec.json", "--run-dir", "disk/run", "--json"];
    let mut command =
        hub.stage.sandbox.program(&[&wrapper[..], &program, &["--no-cache"]].concat());
    command.env("DOCKER_HOST", hub.stage.engine.host()).env("HF_ENDPOINT", hub.server.url());
    let finished = finish(command);
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    let outcome = finished.printed_outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Platform, "{finished:#?}");
    for said in ["/volume/x", "`large.bin`", "No space left on device"] {
        assert!(failure.message.contains(said), "{finished:#?}");
    }
    let phases = outcome.phases.iter().map(|report| report.phase.as_str());
    assert!(!phases.collect::<Vec<_>>().contains(&"execute"), "{finished:#?}");
    // Asking again makes the disk no larger.
    let of_files = hub.of_files();
    let of_large = of_files.iter().filter(|request| request.target.ends_with("/large.bin"));
    assert_eq!(of_large.count(), 1, "{of_files:#?}");
}

/// The second run asks for the list, and for no file.
#[test]
fn second_run_takes_files_from_the_cache() {
    let hub = Hub::start(Behaviour { redirects: true, ..Behaviour::default() });
    let expected = "./README.md readme\n./config.json {}\n./model.bin weights\n\
        ./onnx/größe #1 100%?.json []\n./onnx/model.bin other weights\n";
    let volumes = json!({"/volume": model()});
    let first = hub.check(&volumes, expected);
    assert_eq!(reported(&first, "/volume"), (30, false));
    let fetched = hub.of_files().len();
    assert_eq!(fetched, 7, "three files, and two with a redirect");
    let second = hub.check(&volumes, expected);
    assert_eq!(reported(&second, "/volume"), (30, true));
    assert_eq!(hub.of_files().len(), fetched);
    assert!(second.elapsed("download").is_some());
}

/// What the environment says of volumes is read before anything is made, and only for a run that has some.
#[test]
fn an_endpoint_that_is_no_url() {
    let sandbox = new_sandbox();
    let run = |volumes: &Value| {
        let spec = json!({"job": "shows_its_context", "data": {}, "input_volumes": volumes});
        std::fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
        let words = ["run", "shows_its_context", "--spec", "spec.json", "--run-dir", "run"];
        let mut command = sandbox.command(&words);
        command.env("HF_ENDPOINT", "ftp://hub.test");
        finish(command)
    };
    let finished = run(&json!({"/volume": inline(&[("a", b"1")])}));
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_eq!(finished.errors(), ["error: HF_ENDPOINT is not an HTTP URL"]);
    assert_eq!(sandbox.entries(), ["spec.json"]);
    let finished = run(&json!({}));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
}
