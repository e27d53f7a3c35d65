//! Compile-fail and compile-pass cases of the attributes. A wrong case and its expected message are
//! named after the mistake; `cargo xtask bless` records messages anew.

#[test]
fn refused() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}

#[test]
fn accepted() {
    trybuild::TestCases::new().pass("pass/*.rs");
}
