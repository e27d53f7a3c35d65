//! Arguments and items that `macro_rules!` has put together: what it substitutes for a fragment
//! comes to us in a group without delimiters.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote;

use super::{Job, OnStartup, errors, tokens};
use crate::crate_path::HostCrate;
use crate::diagnostics::Diagnostics;
use crate::job::JobAttribute;

/// The tokens as a substituted fragment.
fn fragment(text: &str) -> Group {
    Group::new(Delimiter::None, tokens(text))
}

fn read(arguments: TokenStream) -> (JobAttribute, Vec<String>) {
    let mut problems = Diagnostics::default();
    let attribute = JobAttribute::read(arguments, HostCrate::Facade, &mut problems);
    (attribute, problems.messages().into_iter().map(str::to_owned).collect())
}

/// Checks that the arguments mean the same with and without groups.
#[track_caller]
fn check(arguments: TokenStream, without_groups: &str) {
    let (found, problems) = read(arguments);
    let (expected, expected_problems) = read(tokens(without_groups));
    assert_eq!(problems, expected_problems);
    assert_eq!(found.ports, expected.ports);
    assert_eq!(found.timeout, expected.timeout);
    assert_eq!((found.upload, found.ssh), (expected.upload, expected.ssh));
    assert_eq!(found.krate.to_string(), expected.krate.to_string());
}

#[test]
fn values() {
    let (number, negative) = (fragment("90"), fragment("-5"));
    check(quote!(timeout = #number), "timeout = 90");
    check(quote!(timeout = #negative), "timeout = -5");
    check(quote!(timeout = -#number), "timeout = -90");
    let (duration, flag, path) = (fragment("\"2h\""), fragment("true"), fragment("::renamed"));
    check(quote!(timeout = #duration), "timeout = \"2h\"");
    check(quote!(upload = #flag, ssh = #flag), "upload = true, ssh = true");
    check(quote!(crate = #path), "crate = ::renamed");
}

#[test]
fn parts_of_ports() {
    let (name, number, port) =
        (fragment("\"web\""), fragment("8080"), fragment("tcp(\"db\", 9000)"));
    check(quote!(ports = [http(#name, #number)]), "ports = [http(\"web\", 8080)]");
    check(
        quote!(ports = [#port, http(#name, #number),]),
        "ports = [tcp(\"db\", 9000), http(\"web\", 8080)]",
    );
    check(quote!(ports = [http(#name, -#number)]), "ports = [http(\"web\", -8080)]");
    check(quote!(ports = [#port, #port]), "ports = [tcp(\"db\", 9000), tcp(\"db\", 9000)]");
    let (path, ready) = (fragment("\"/health\""), fragment("ready = \"/health\""));
    let expected = "ports = [http(\"web\", 8080, ready = \"/health\")]";
    check(quote!(ports = [http(#name, #number, ready = #path)]), expected);
    check(quote!(ports = [http(#name, #number, #ready)]), expected);
    check(quote!(ports = [http(#name, #ready)]), "ports = [http(\"web\", ready = \"/health\")]");
    let superfluous = "ports = [tcp(\"web\", 8080, ready = \"/health\")]";
    check(quote!(ports = [tcp(#name, #number, #ready)]), superfluous);
}

#[test]
fn whole_lists_and_arguments() {
    let list = fragment("[http(\"web\", 8080), udp(\"game\", 9000)]");
    check(quote!(ports = #list), "ports = [http(\"web\", 8080), udp(\"game\", 9000)]");
    let (timeout, ssh) = (fragment("timeout = 90"), fragment("ssh = true"));
    check(quote!(#timeout, #ssh), "timeout = 90, ssh = true");
    let all = fragment("timeout = 90, ssh = true, ports = [http(\"web\", 8080)]");
    check(quote!(#all), "timeout = 90, ssh = true, ports = [http(\"web\", 8080)]");
    let (nested, nothing) = (Group::new(Delimiter::None, quote!(#all)), fragment(""));
    check(quote!(#nested), "timeout = 90, ssh = true, ports = [http(\"web\", 8080)]");
    check(quote!(#nothing), "");
}

#[test]
fn items() {
    let (visibility, context, data) =
        (fragment("pub"), fragment("JobContext"), fragment("Vec<u8>"));
    let (returned, body, nothing) =
        (fragment("Result<(), E>"), fragment("{ Ok(()) }"), fragment(""));
    for item in [
        quote!(#nothing async fn f(ctx: #context, data: #data) -> #returned #body),
        quote!(#visibility async fn f(ctx: #context) -> #returned { Ok(()) }),
    ] {
        let expansion = Job.expand(TokenStream::new(), item);
        assert_eq!(errors(expansion), [""; 0]);
    }
    let whole = fragment("pub async fn f(ctx: JobContext) -> Result<(), E> { Ok(()) }");
    assert_eq!(errors(Job.expand(TokenStream::new(), quote!(#whole))), [""; 0]);
}

#[test]
fn summary() {
    let text = fragment("\"Trains a model.\"");
    let item = quote!(#[doc = #text] async fn f(ctx: JobContext) -> Result<(), E> { Ok(()) });
    let expansion = Job.expand(TokenStream::new(), item).to_string();
    assert!(expansion.contains("summary : \"Trains a model.\""), "{expansion}");
}

#[test]
fn priority() {
    let item = quote!(
        async fn f() -> Result<(), E> {
            Ok(())
        }
    );
    let (number, negative) = (fragment("5"), fragment("-5"));
    for (priority, expected) in
        [(quote!(#number), "5i32"), (quote!(-#number), "-5i32"), (quote!(#negative), "-5i32")]
    {
        let expansion = OnStartup.expand(quote!(priority = #priority), item.clone()).to_string();
        let found = expansion.replace("- 5", "-5");
        assert!(found.contains(&format!("priority : {expected}")), "{expansion}");
    }
}
