//! Parts that a program was built without: one wording for all of them.

/// Says that a part is missing, and which feature has it, with a command that can be pasted.
#[must_use]
pub fn part(name: &str, feature: &str) -> String {
    format!(
        "this program was built without {name}: enable the feature `{feature}` of the crate `chutes`, for instance by \
         `cargo add chutes --features {feature}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part() {
        let expected = "this program was built without SSH: enable the feature `ssh` of the crate `chutes`, for instance \
                        by `cargo add chutes --features ssh`";
        assert_eq!(part("SSH", "ssh"), expected);
    }
}
