//! The folder and the environment of one test, and the programs under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::machine::{names_in, own_address};
use crate::run::{Finished, Running, start};

/// The programs under test. Only the package of a test knows where cargo has put them.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// A job binary. Other programs of the workspace are beside it.
    pub jobs: &'static str,
    /// A folder that outlives the tests, for what takes long to make: `CARGO_TARGET_TMPDIR`.
    pub cache: &'static str,
}

impl Programs {
    /// A program of another package, which cargo puts beside the job binary.
    pub fn neighbour(&self, name: &str) -> PathBuf {
        let program = Path::new(self.jobs).with_file_name(name);
        assert!(
            program.exists(),
            "there is no `{name}`: `cargo build --workspace --bins` makes it"
        );
        program
    }

    /// The Python with the packages of the tests.
    pub fn python(&self) -> PathBuf {
        let python = Path::new(self.cache).join("python/bin/python");
        assert!(python.exists(), "there is no {}: `cargo xtask test` makes it", python.display());
        python
    }
}

/// The working directory of one test, and a home without startup files. Both are removed at the end.
#[derive(Debug)]
pub struct Sandbox {
    programs: Programs,
    folder: TempDir,
    home: TempDir,
}

impl Sandbox {
    /// A new one.
    pub fn new(programs: &Programs) -> Self {
        let [folder, home] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        Self { programs: *programs, folder, home }
    }

    /// The programs under test.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The path of something in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The job binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.wrapped(&[], arguments)
    }

    /// The job binary, started by another program, for instance `nohup`.
    pub fn wrapped(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        self.program(&[wrapper, &[self.programs.jobs], arguments].concat())
    }

    /// The home directory of all programs that this sandbox starts.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Any program, with an environment of its own: of the environment of the tests it has only the
    /// search path. Shells of sessions would otherwise read the startup files of the present user.
    pub fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("CHUTES_HOST", own_address());
        command
    }

    /// Runs the job binary to its end. Arguments are separated by blanks.
    pub fn run(&self, arguments: &str) -> Finished {
        self.start(arguments).finish()
    }

    /// Starts the job binary. Arguments are separated by blanks.
    pub fn start(&self, arguments: &str) -> Running {
        start(self.command(&arguments.split_whitespace().collect::<Vec<_>>()))
    }

    /// The names of the entries of the working directory, sorted.
    pub fn entries(&self) -> Vec<String> {
        names_in(self.folder.path())
    }
}
