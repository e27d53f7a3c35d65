// Names of the user that the expansion could trip over.

#![allow(dead_code, unused_imports, unused_macros, non_camel_case_types)]

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

// Modules and crates.
mod std {}
mod core {}
mod alloc {}
mod serde {}
mod inventory {}
mod schemars {}
mod __private {}

// Variants of the prelude.
mod variants {
    pub enum Maybe {
        Some,
        None,
    }
    pub enum Either {
        Ok,
        Err,
    }
}
use variants::Either::*;
use variants::Maybe::*;

// Types and traits of the prelude, and primitive types.
struct Result;
struct Option;
struct Vec;
struct Box;
struct String;
struct bool;
struct str;
struct u16;
struct u32;
struct u64;
struct i32;
struct usize;
trait Send {}
trait Sync {}
trait Sized {}
trait Copy {}
trait Fn {}
trait FnOnce {}
trait Into {}
trait From {}
trait Future {}

// What the expansion is made of.
struct JobDefinition;
struct DeclaredPort;
struct StartupHook;
struct ShutdownHook;
struct Port;
enum Protocol {
    Http,
    Tcp,
    Udp,
}
const PORTS: () = ();
const NAME: () = ();
const PORT_WEB: () = ();
static REGISTRATION: () = ();
fn prepare() {}
fn prepare_without_data() {}
fn bind_without_data() {}
fn no_schema() {}
fn startup() {}
fn shutdown() {}
fn drop() {}

// Macros.
macro_rules! submit {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro");
    };
}
macro_rules! source_location {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! schema_of {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! result_schema_of {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! module_path {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! file {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! line {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! concat {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}
macro_rules! stringify {
    ($($tokens:tt)*) => {
        compile_error!("the wrong macro")
    };
}

type Outcome<T> = ::core::result::Result<T, JobError>;

#[job(
    timeout = 3_600,
    ports = [http("web", 8080, ready = "/health"), tcp("metrics", 9090), udp("stats", 9091)],
    upload = false,
    ssh = true
)]
async fn with_data(_ctx: JobContext, _data: ()) -> Outcome<()> {
    ::core::result::Result::Ok(())
}

#[job]
async fn without_data(_ctx: JobContext) -> Outcome<()> {
    ::core::result::Result::Ok(())
}

#[on_startup]
async fn first(_ctx: JobContext) -> Outcome<()> {
    ::core::result::Result::Ok(())
}

#[on_shutdown]
async fn last() -> Outcome<()> {
    ::core::result::Result::Ok(())
}

mod own_names {
    // The function has the name of something else in the expansion.
    use chutes::{JobContext, JobError, job};

    #[job]
    async fn prepare(_ctx: JobContext, _data: ()) -> Result<(), JobError> {
        Ok(())
    }

    #[job]
    async fn data(_ctx: JobContext, data: u32) -> Result<u32, JobError> {
        Ok(data)
    }

    #[job]
    async fn main(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }

    #[job]
    async fn job(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }

    #[job]
    async fn chutes(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }

    #[job]
    async fn inventory(_ctx: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

fn main() {}
