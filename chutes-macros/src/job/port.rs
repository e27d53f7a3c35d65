//! The argument `ports`: a list such as `[http("web", 8080), tcp("metrics", 9100)]`.

mod ready;

use chutes_rules::{Escaped, Port, PortName, PortNumber, Protocol, rule};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Lit;

use crate::diagnostics::{Diagnostics, Problem};
use crate::literal;
use crate::piece::{self, Piece};

/// Reads the list. Wrong ports are reported and left out.
pub(super) fn read_list(value: &TokenStream, ssh: bool, problems: &mut Diagnostics) -> Vec<Port> {
    let Some(list) = literal::single_group(&literal::ungroup(value.clone()), Delimiter::Bracket)
    else {
        let problem = Problem::new(value, "argument `ports` must be a list of ports");
        problems.add(problem.help("write `ports = [http(\"web\", 8080)]`"));
        return Vec::new();
    };
    let mut seen = Seen { ssh, ..Seen::default() };
    piece::split_at_commas(list.stream())
        .into_iter()
        .filter_map(|element| read(&element, &mut seen, problems))
        .collect()
}

/// The numbers and names of the ports so far, also of ports that have a problem elsewhere.
#[derive(Default)]
struct Seen {
    ssh: bool,
    numbers: Vec<(PortNumber, String)>,
    names: Vec<PortName>,
}

fn read(element: &Piece, seen: &mut Seen, problems: &mut Diagnostics) -> Option<Port> {
    let written = problems.keep(Written::read(element))?;
    let protocol = problems.keep(written.protocol());
    let number = written.number();
    let claimed = number.as_ref().ok().map(|number| seen.claim_number(*number, &written));
    // One mistake, one error: a port that is declared twice usually has its name twice, too.
    let is_twin = matches!(claimed, Some(Err(_)));
    let number = claimed.unwrap_or(number);
    let name = written.name().and_then(|name| {
        let claimed = seen.claim_name(&name, &written.name);
        if is_twin { Ok(name) } else { claimed.map(|()| name) }
    });
    let (name, number) = (problems.keep(name), problems.keep(number));
    let ready = ready::read(written.others, protocol, problems);
    let port = Port::new(name?.as_str().to_owned(), number?.get().into(), protocol?).ok()?;
    Some(match ready {
        Some(path) => port.ready_at(path),
        None => port,
    })
}

impl Seen {
    fn claim_number(
        &mut self,
        number: PortNumber,
        written: &Written,
    ) -> Result<PortNumber, Problem> {
        let place = &written.number;
        if self.ssh && number == PortNumber::SSH {
            let problem = Problem::new(place, format!("port {number} is reserved by `ssh = true`"));
            return Err(problem.help("remove this port: `ssh = true` already opens it"));
        }
        if let Some((_, first)) = self.numbers.iter().find(|(taken, _)| *taken == number) {
            let problem = Problem::new(place, format!("port {number} is declared twice"));
            return Err(problem.note(format!("{first} already uses port {number}")));
        }
        self.numbers.push((number, written.shown_name()));
        Ok(number)
    }

    fn claim_name(&mut self, name: &PortName, place: &TokenStream) -> Result<(), Problem> {
        if self.ssh && name.as_str() == rule::SSH_PORT_NAME {
            let problem = Problem::new(place, "port name `ssh` is reserved by `ssh = true`");
            return Err(problem.help("give this port another name"));
        }
        if self.names.contains(name) {
            let problem = Problem::new(place, format!("port name `{name}` is used twice"));
            return Err(problem.help("give each port a name of its own"));
        }
        self.names.push(name.clone());
        Ok(())
    }
}

/// Whether this has the form `name = value`, unlike the name and the number of a port.
fn is_named(tokens: &TokenStream) -> bool {
    let mut tokens = literal::ungroup(tokens.clone()).into_iter();
    matches!(
        (tokens.next(), tokens.next()),
        (Some(TokenTree::Ident(_)), Some(TokenTree::Punct(equals))) if equals.as_char() == '='
    )
}

/// One port as written: `protocol(name, number)`, perhaps with arguments after the number.
struct Written {
    protocol: proc_macro2::Ident,
    name: TokenStream,
    number: TokenStream,
    others: Vec<Result<Piece, Problem>>,
}

impl Written {
    fn read(element: &Piece) -> Result<Self, Problem> {
        let not_a_port = || {
            element.problem("expected a port").help(
                "write a port as `http(\"name\", 8080)`, `tcp(\"name\", 8080)`, or `udp(\"name\", 8080)`",
            )
        };
        let mut tokens = literal::ungroup(element.tokens.clone()).into_iter();
        let (Some(TokenTree::Ident(protocol)), Some(TokenTree::Group(arguments))) =
            (tokens.next(), tokens.next())
        else {
            return Err(not_a_port());
        };
        if let Some(TokenTree::Ident(next)) = tokens.next() {
            return Err(Problem::new(next, "expected a comma between two ports"));
        }
        if arguments.delimiter() != Delimiter::Parenthesis {
            return Err(not_a_port());
        }
        let mut pieces = piece::split_at_commas(arguments.stream()).into_iter();
        let (Some(name), Some(number)) = (pieces.next(), pieces.next()) else {
            return Err(not_a_port());
        };
        let is_value = |piece: &Piece| !(piece.tokens.is_empty() || is_named(&piece.tokens));
        if !(is_value(&name) && is_value(&number)) {
            return Err(not_a_port());
        }
        // A comma may be missing after the number.
        let mut parts = [number].into_iter().chain(pieces).flat_map(ready::split);
        let number = parts.next().ok_or_else(not_a_port)??.tokens;
        Ok(Self { protocol, name: name.tokens, number, others: parts.collect() })
    }

    /// The name as written, for messages about other ports.
    fn shown_name(&self) -> String {
        match literal::literal(&self.name) {
            Some(Lit::Str(name)) => format!("`{}`", Escaped(&name.value())),
            _ => "another port".to_owned(),
        }
    }

    fn protocol(&self) -> Result<Protocol, Problem> {
        self.protocol.to_string().parse().map_err(|error: chutes_rules::UnknownProtocol| {
            let names = Protocol::ALL.map(Protocol::as_str);
            Problem::new(&self.protocol, error.to_string())
                .help(format!("the protocols are {}", literal::listed(&names)))
        })
    }

    fn name(&self) -> Result<PortName, Problem> {
        let Some(Lit::Str(name)) = literal::literal(&self.name) else {
            let problem = Problem::new(&self.name, "a port name must be a string literal");
            return Err(problem.help(self.order()));
        };
        PortName::new(name.value()).map_err(|error| {
            Problem::new(&self.name, error.to_string())
                .note("a port name is lowercase ASCII letters, then optional digits")
                .maybe_help(error.suggestion().map(|name| format!("try `\"{name}\"`")))
        })
    }

    /// How name and number are written.
    fn order(&self) -> String {
        let protocol = &self.protocol;
        let (name, number) = (literal::literal(&self.name), literal::literal(&self.number));
        if let (Some(Lit::Int(number)), Some(Lit::Str(name))) = (name, number) {
            let (name, number) =
                (Escaped(&name.value()).to_string(), number.base10_digits().to_owned());
            return format!("the name comes first: `{protocol}(\"{name}\", {number})`");
        }
        format!("write literals, for example `{protocol}(\"web\", 8080)`")
    }

    fn number(&self) -> Result<PortNumber, Problem> {
        let out_of_range = |message: String| {
            Problem::new(&self.number, message)
                .note("a job may open port 2202 and ports 8002 to 65535")
        };
        let number = match literal::literal(&self.number) {
            Some(Lit::Int(number)) if literal::has_plain_suffix(&number) => number,
            _ => {
                let problem =
                    Problem::new(&self.number, "a port number must be an integer literal");
                return Err(problem.help(self.order()));
            }
        };
        match number.base10_parse::<u64>() {
            Ok(number) => PortNumber::new(number).map_err(|error| out_of_range(error.to_string())),
            Err(_) => Err(out_of_range(format!("port {} is out of range", number.base10_digits()))),
        }
    }
}
