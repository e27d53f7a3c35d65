//! Why a command could not be carried out: message, hint, exit code.

use std::error::Error;
use std::io::Write;

use chutes_core::{ExitCode, user_text};
use chutes_supervisor::{RunDirectoryError, RunError};

use crate::terminal::Paint;

/// Why a command could not be carried out: a message, its causes, perhaps a hint, and the exit code.
///
/// ```
/// use chutes_console::Problem;
/// use chutes_core::ExitCode;
///
/// let problem = Problem::wrong("there is no job `eco`").hint("did you mean `echo`?");
/// assert_eq!(problem.exit_code(), ExitCode::BAD_REQUEST);
/// ```
#[derive(Debug)]
pub struct Problem {
    text: Text,
    hint: Option<String>,
    exit_code: ExitCode,
}

#[derive(Debug)]
enum Text {
    /// A message and its causes.
    Chain(Vec<String>),
    /// A message, and the list of items that it is about.
    List(String, Vec<String>),
    /// A complete text with prefix, plain and coloured.
    Rendered { plain: String, coloured: String },
}

impl Problem {
    /// The request of the user is not possible: exit code 2, with the error and its causes.
    #[must_use]
    pub fn bad_request(error: &(dyn Error + 'static)) -> Self {
        Self::new(error, ExitCode::BAD_REQUEST)
    }

    /// The request of the user is not possible: exit code 2, with a message, a lowercase fragment.
    #[must_use]
    pub fn wrong(message: impl Into<String>) -> Self {
        let text = Text::Chain(vec![message.into()]);
        Self { text, hint: None, exit_code: ExitCode::BAD_REQUEST }
    }

    /// Several parts of the request are wrong: exit code 2, with a message and a line for each of them.
    #[must_use]
    pub fn several(message: String, problems: Vec<String>) -> Self {
        let text = Text::List(message, problems);
        Self { text, hint: None, exit_code: ExitCode::BAD_REQUEST }
    }

    /// The platform failed: exit code 4, with the error and its causes.
    #[must_use]
    pub fn platform(error: &(dyn Error + 'static)) -> Self {
        Self::new(error, ExitCode::PLATFORM_FAULT)
    }

    /// The arguments cannot be parsed.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let rendered = error.render();
        let (plain, coloured) = (rendered.to_string(), rendered.ansi().to_string());
        let text = Text::Rendered { plain, coloured };
        Self { text, hint: None, exit_code: ExitCode::BAD_REQUEST }
    }

    /// A run could not begin.
    pub(crate) fn run(error: &RunError) -> Self {
        match error {
            RunError::Directory(RunDirectoryError::NotEmpty { .. }) => Self::bad_request(error)
                .hint("name a directory that is new, empty, or holds nothing but `inputs/`"),
            RunError::Sink(_)
            | RunError::Spec(_)
            | RunError::VolumeSettings(_)
            | RunError::WorkingDirectory { .. } => Self::bad_request(error),
            _ => Self::platform(error),
        }
    }

    fn new(error: &(dyn Error + 'static), exit_code: ExitCode) -> Self {
        let message = user_text::cut(error, user_text::MAX_MESSAGE);
        let chain = [message].into_iter().chain(user_text::causes(error)).collect();
        let text = Text::Chain(chain);
        Self { text, hint: None, exit_code }
    }

    /// Sets the hint for the user: one change that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// Prints it on standard error.
    pub(crate) fn print(&self, paint: Paint) {
        let mut text = match &self.text {
            Text::Rendered { plain, coloured } => {
                if paint.is_on() {
                    coloured.clone()
                } else {
                    plain.clone()
                }
            }
            Text::Chain(chain) => error_text(paint, chain),
            Text::List(message, problems) => {
                let lines = problems.iter().map(|problem| format!("  {problem}\n"));
                format!("{} {message}\n{}", paint.error("error:"), lines.collect::<String>())
            }
        };
        if let Some(hint) = &self.hint {
            text.extend(["\n", &paint.hint("hint:"), " ", hint, "\n"]);
        }
        // An error of standard error cannot be reported anywhere.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// `error: message`, then one line for each cause.
pub(crate) fn error_text<S: AsRef<str>>(paint: Paint, chain: &[S]) -> String {
    let mut text = String::new();
    for (at, message) in chain.iter().map(AsRef::as_ref).enumerate() {
        let prefix = if at == 0 { paint.error("error:") } else { "  caused by:".to_owned() };
        text.extend([&prefix, " ", message, "\n"]);
    }
    text
}
