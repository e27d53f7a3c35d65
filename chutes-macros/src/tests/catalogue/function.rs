//! Mistakes in the item under an attribute.

use super::*;

#[test]
fn not_async() {
    check_item(
        "fn train(ctx: JobContext) -> Result<(), JobError> { Ok(()) }",
        &[&["job `train` must be an `async fn`", "= help: write `async fn train`"]],
    );
    check_item(
        "fn r#match(ctx: JobContext) -> Result<(), JobError> { Ok(()) }",
        &[&["job `match` must be an `async fn`", "= help: write `async fn r#match`"]],
    );
    check_of(
        OnStartup,
        "",
        "fn load() -> Result<(), JobError> { Ok(()) }",
        &[&["startup hook `load` must be an `async fn`", "= help: write `async fn load`"]],
    );
}

/// One message, and not those of the other attribute on top of it.
#[test]
fn entry_points() {
    for attribute in ["tokio::main", "tokio::test", "async_std::main"] {
        let arguments =
            if attribute == "tokio::main" { "(flavor = \"current_thread\")" } else { "" };
        let expansion =
            Job.expand(tokens(""), tokens(&format!("#[{attribute}{arguments}] {TRAIN}")));
        // The item is kept without it.
        let text = expansion.to_string();
        assert!(
            text.contains(&tokens(TRAIN).to_string()) && !text.contains("current_thread"),
            "{text}"
        );
        let expected = format!(
            "job `train` cannot have the attribute `{attribute}`\n\
             = help: remove it: chutes starts the runtime in which the job runs"
        );
        assert_eq!(errors(expansion), [expected]);
    }
}

#[test]
fn modifiers() {
    for (modifier, message) in [
        ("const", "job `train` cannot be a `const fn`"),
        ("async unsafe", "job `train` cannot be an `unsafe fn`"),
        ("async extern \"C\"", "job `train` cannot be an `extern fn`"),
    ] {
        let item = format!("{modifier} fn train(ctx: JobContext) -> Result<(), E> {{ Ok(()) }}");
        check_item(&item, &[&[message]]);
    }
}

#[test]
fn generic() {
    for signature in [
        "<T>(ctx: JobContext, data: T) -> Result<(), E>",
        "<'a>(ctx: JobContext) -> Result<(), E>",
        "<const N: usize>(ctx: JobContext) -> Result<(), E>",
        "(ctx: JobContext, data: impl Input) -> Result<(), E>",
        "(ctx: JobContext) -> Result<Box<impl Output>, E>",
    ] {
        let item = format!("async fn train{signature} {{ Ok(()) }}");
        check_item(&item, &[&["job `train` cannot be generic", KNOWN_TYPES]]);
    }
    check_item(
        "async fn train(ctx: JobContext) -> Result<(), E> where u8: Copy { Ok(()) }",
        &[&["job `train` cannot have a `where` clause"]],
    );
    check_of(
        OnShutdown,
        "",
        "async fn tidy<T>(ctx: JobContext) -> Result<(), E> { Ok(()) }",
        &[&[
            "shutdown hook `tidy` cannot be generic",
            "= note: a shutdown hook is registered once, under one name, so its types must be known",
        ]],
    );
}

#[test]
fn parameters() {
    for receiver in ["self", "&self", "&mut self", "self: Box<Self>", "&self, a: A, b: B, c: C"] {
        let item = format!("async fn train({receiver}) -> Result<(), E> {{ Ok(()) }}");
        check_item(&item, &[&["job `train` cannot take `self`", LEAVE_IMPL]]);
    }
    check_item(
        "async fn train() -> Result<(), E> { Ok(()) }",
        &[&["job `train` must take a `JobContext`", A_JOB]],
    );
    for parameters in ["ctx: JobContext, a: A, b: B", "ctx: JobContext, a: A, b: B, c: C"] {
        let item = format!("async fn train({parameters}) -> Result<(), E> {{ Ok(()) }}");
        check_item(&item, &[&["job `train` takes too many parameters", A_JOB, ONE_STRUCT]]);
    }
    for (attribute, noun, shape) in [
        (OnStartup, "startup hook", A_STARTUP_HOOK),
        (OnShutdown, "shutdown hook", A_SHUTDOWN_HOOK),
    ] {
        check_of(
            attribute,
            "",
            "async fn load(ctx: JobContext, data: Data) -> Result<(), E> { Ok(()) }",
            &[&[
                &format!("{noun} `load` takes too many parameters"),
                shape,
                "= help: take everything from the `JobContext`",
            ]],
        );
    }
}

#[test]
fn data_that_borrows() {
    for data in [
        "&str",
        "&'static str",
        "Vec<&str>",
        "Option<(u32, &[u8])>",
        "Data<'_>",
        "crate::Data<'a, u8>",
        "[Cow<'_, str>; 2]",
    ] {
        let item = format!("async fn train(ctx: JobContext, data: {data}) -> Result<(), E> {{ }}");
        check_item(&item, &[&["job `train` cannot borrow its data", OWNED]]);
    }
    let is_right = |data: &str| {
        let item = format!("async fn train(ctx: JobContext, data: {data}) -> Result<(), E> {{ }}");
        assert!(errors(Job.expand(tokens(""), tokens(&item))).is_empty(), "{data}");
    };
    for data in ["Cow<'static, str>", "Vec<(u32, String)>", "[f64; 3]", "PhantomData<fn(&str)>"] {
        is_right(data);
    }
}

/// What an attribute can see of an `impl` block or a trait from inside.
#[test]
fn associated() {
    for signature in [
        "(ctx: JobContext, data: Self) -> Result<(), E>",
        "(ctx: JobContext) -> Result<Self, E>",
        "(ctx: JobContext) -> Result<Vec<Self::Report>, E>",
    ] {
        let item = format!("async fn train{signature} {{ Ok(()) }}");
        check_item(&item, &[&["job `train` cannot use `Self`", LEAVE_IMPL]]);
    }
}

#[test]
fn return_type() {
    check_item(
        "async fn train(ctx: JobContext) {}",
        &[&["job `train` must return a `Result`", RETURN_RESULT]],
    );
    check_of(
        OnStartup,
        "",
        "async fn load() {}",
        &[&["startup hook `load` must return a `Result`", RETURN_RESULT]],
    );
}

#[test]
fn no_body() {
    check_item(
        "async fn train(&self, ctx: JobContext) -> Result<(), E>;",
        &[&[
            "job `train` cannot take `self`",
            "= help: move the job out of the `trait`, and give it a body",
        ]],
    );
    check_item(
        "async fn train(ctx: JobContext) -> Result<(), E>;",
        &[&["job `train` must have a body", WITH_BODY]],
    );
}

#[test]
fn not_a_function() {
    for (item, noun) in [
        ("struct Train;", "structs"),
        ("pub(crate) enum Train {}", "enums"),
        ("union Train { a: u8 }", "unions"),
        ("unsafe trait Train {}", "traits"),
        ("impl Train {}", "`impl` blocks"),
        ("pub mod train {}", "modules"),
        ("const TRAIN: u8 = 0;", "constants"),
        ("static TRAIN: u8 = 0;", "statics"),
        ("type Train = u8;", "type aliases"),
        ("pub use crate::train;", "imports"),
        ("unsafe extern \"C\" {}", "`extern` items"),
        ("macro_rules! train { () => {} }", "macros"),
        ("train!();", "this item"),
    ] {
        let message = format!("the `job` attribute cannot be used on {noun}");
        check_item(item, &[&[&message, ON_ASYNC_FN]]);
    }
    check_of(
        OnShutdown,
        "",
        "struct Tidy;",
        &[&["the `on_shutdown` attribute cannot be used on structs", ON_ASYNC_FN]],
    );
}
