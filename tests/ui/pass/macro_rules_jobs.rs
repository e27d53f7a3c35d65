// Jobs that `macro_rules!` writes: every fragment may come from outside.

use chutes::{JobContext, JobError, job, on_shutdown, on_startup};

macro_rules! from_literals {
    ($name:ident $data:ty, $port:literal $limit:literal $body:block) => {
        #[job(ports = [http("web", $port)], timeout = $limit)]
        async fn $name(_ctx: JobContext, _data: $data) -> Result<(), JobError> $body
    };
}

from_literals!(with_numbers Vec<(u32, String)>, 8080 3_600 { Ok(()) });
from_literals!(with_a_duration (), 0x1f90 "1h 30m" {
    let nothing = ();
    Ok(nothing)
});

macro_rules! from_a_path {
    ($name:ident $port:literal $path:literal) => {
        #[job(ports = [http("web", $port, ready = $path)])]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_a_path!(with_a_path 8080 "/health");

macro_rules! from_names {
    ($name:ident, $port_name:literal, $protocol:ident, $number:expr, $flag:literal, $other:expr) => {
        #[job(ports = [$protocol($port_name, $number)], upload = $flag, ssh = $other)]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_names!(with_names, "metrics", udp, 9_090, false, true);

macro_rules! from_list {
    ($name:ident, $ports:expr, $limit:expr) => {
        #[job(ports = $ports, timeout = $limit)]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_list!(with_a_list, [http("web", 8080), tcp("metrics", 9090)], 60);
from_list!(with_a_path_in_a_list, [http("web", 8080, ready = "/health")], 60);
from_list!(with_an_empty_list, [], "45m");

macro_rules! from_elements {
    ($name:ident, $($port:expr),* $(,)?) => {
        #[job(ports = [$($port),*])]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_elements!(with_elements, http("web", 8080), tcp("metrics", 9090),);
from_elements!(without_elements,);

macro_rules! from_pairs {
    ($name:ident { $($port_name:literal => $number:literal),* }) => {
        #[job(ports = [$(tcp($port_name, $number),)*])]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_pairs!(with_pairs { "web" => 8080, "metrics" => 9090 });

macro_rules! from_arguments {
    ($name:ident, $($key:ident = $value:expr),*) => {
        #[job($($key = $value),*)]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_arguments!(with_arguments, timeout = 60, ssh = true, ports = [http("web", 8080)]);

macro_rules! from_tokens {
    (#[job($($arguments:tt)*)] $($function:tt)*) => {
        #[job($($arguments)*)]
        $($function)*
    };
}

from_tokens! {
    #[job(timeout = 60, ports = [http("web", 8080)])]
    pub async fn with_tokens(_ctx: JobContext, data: u32) -> Result<u32, JobError> {
        Ok(data)
    }
}

macro_rules! from_item {
    ($function:item) => {
        #[job(timeout = 60)]
        $function
    };
}

from_item! {
    /// Documented.
    async fn with_item(_ctx: JobContext, data: u32) -> Result<u32, JobError> {
        Ok(data)
    }
}

macro_rules! from_parts {
    (
        $(#[$meta:meta])*
        $vis:vis async fn $name:ident($ctx:ident: $context:ty, $data:pat_param => $input:path)
            -> $returns:ty $body:block
    ) => {
        $(#[$meta])*
        #[job]
        $vis async fn $name($ctx: $context, $data: $input) -> $returns $body
    };
}

from_parts! {
    /// Documented.
    #[allow(clippy::all)]
    pub(crate) async fn with_parts(_ctx: JobContext, (a, b) => Pair) -> Result<u32, JobError> {
        Ok(a + b)
    }
}

from_parts! {
    async fn with_few_parts(_ctx: chutes::JobContext, _ => String) -> Result<(), JobError> {
        Ok(())
    }
}

type Pair = (u32, u32);

macro_rules! from_conditions {
    ($(#[$meta:meta])* $name:ident) => {
        #[job]
        $(#[$meta])*
        async fn $name(_ctx: JobContext, _data: Missing) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_conditions!(
    #[doc = "Compiled out."]
    #[cfg(any())]
    compiled_out
);

macro_rules! from_crate {
    ($name:ident, $krate:path) => {
        #[job(crate = $krate)]
        async fn $name(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    };
}

from_crate!(with_crate, ::chutes);

macro_rules! hooks {
    ($first:ident $priority:literal, $second:ident $other:expr) => {
        #[on_startup(priority = $priority)]
        async fn $first(_ctx: JobContext) -> Result<(), JobError> {
            Ok(())
        }

        #[on_shutdown(priority = $other)]
        async fn $second() -> Result<(), JobError> {
            Ok(())
        }
    };
}

hooks!(prepare - 10, clean - 20);

macro_rules! in_a_loop {
    ($($name:ident $port:literal)*) => {
        $(
            #[job(ports = [http("web", $port)])]
            async fn $name(_ctx: JobContext) -> Result<(), JobError> {
                Ok(())
            }
        )*
    };
}

in_a_loop!(one 8081 two 8082 three 8083);

macro_rules! twice {
    ($name:ident, $port:literal) => {
        from_literals!($name u32, $port 60 { Ok(()) });
    };
}

twice!(through_two_macros, 8084);

fn main() {}
