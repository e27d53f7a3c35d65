//! What the attributes expand to, as formatted Rust.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::{Attribute, Job, OnShutdown, OnStartup, tokens};

/// The pretty-printer leaves the arguments of macros alone and ours is nearly all of the expansion,
/// so `submit!` is a call while it is formatted.
fn formatted(expansion: TokenStream) -> String {
    let file = syn::parse2(without_submit(expansion)).unwrap();
    prettyplease::unparse(&file).replace("inventory::submit(", "inventory::submit!(")
}

fn without_submit(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match (&token, kept.as_slice()) {
            (TokenTree::Group(group), [.., TokenTree::Ident(name), TokenTree::Punct(_)])
                if name == "submit" =>
            {
                kept.pop();
                kept.push(Group::new(Delimiter::Parenthesis, group.stream()).into());
            }
            (TokenTree::Group(group), _) => {
                let inner = without_submit(group.stream());
                kept.push(Group::new(group.delimiter(), inner).into());
            }
            _ => kept.push(token),
        }
    }
    kept.into_iter().collect()
}

#[track_caller]
fn check(name: &str, attribute: Attribute, arguments: &str, item: &str) {
    let expansion = formatted(attribute.expand(tokens(arguments), tokens(item)));
    insta::with_settings!(
        { omit_expression => true, description => format!("{attribute:?}: {arguments}") },
        { insta::assert_snapshot!(name, expansion) }
    );
}

#[test]
fn jobs() {
    check(
        "minimal_job",
        Job,
        "",
        "async fn train(ctx: JobContext, data: TrainData) -> Result<Report, TrainError> {
            Ok(Report::default())
        }",
    );
    check(
        "job_with_everything",
        Job,
        r#"ports = [http("web", 8080, ready = "/health"), tcp("metrics", 9_100), udp("game", 65535)],
        timeout = "1h 30m", upload = false, ssh = true"#,
        "/// Trains a model.
        /// It takes a while.
        ///
        /// This paragraph is not part of the summary.
        #[tracing::instrument]
        pub(crate) async fn train(ctx: JobContext, data: TrainData) -> Result<Report, TrainError> {
            Ok(Report::default())
        }",
    );
    check(
        "job_without_data",
        Job,
        "timeout = 3_600",
        "pub async fn tidy(_: chutes::JobContext) -> anyhow::Result<()> { Ok(()) }",
    );
    check(
        "job_with_raw_name",
        Job,
        "",
        "async fn r#match(ctx: JobContext) -> Result<(), JobError> { Ok(()) }",
    );
}

#[test]
fn custom_path() {
    check(
        "job_with_crate_path",
        Job,
        "crate = ::renamed::inner",
        "async fn train(ctx: JobContext) -> Result<(), JobError> { Ok(()) }",
    );
}

#[test]
fn hooks() {
    check(
        "startup_hook",
        OnStartup,
        "priority = -10",
        "/// Loads the model once.
        async fn load(ctx: JobContext) -> Result<Model, LoadError> { Model::load().await }",
    );
    check(
        "shutdown_hook_without_parameter",
        OnShutdown,
        "",
        "#[cfg(unix)]
        async fn tidy() -> Result<(), JobError> { Ok(()) }",
    );
}

#[test]
fn broken_job() {
    check(
        "broken_job",
        Job,
        "ports = [http(\"web\", 80)], upload = 1",
        "#[cfg(unix)]
        pub fn train(ctx: JobContext) -> Result<(), JobError> { Ok(()) }",
    );
}
