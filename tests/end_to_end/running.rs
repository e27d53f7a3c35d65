//! A job is run: with data and options, in a directory, with hooks, to each of its endings.

mod context;
mod data;
mod directory;
mod endings;
mod events;
mod hooks;
mod main_function;
mod options;
mod printing;
mod request;
mod result_file;
mod terminal;
mod texts;
