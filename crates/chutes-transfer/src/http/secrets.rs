//! What must not be shown: tokens in URLs, headers and form fields.

use std::fmt;

use chutes_core::Escaped;
use percent_encoding::percent_decode_str;
use url::Url;

/// Shorter values are not secrets, and hiding them would spoil every message.
const SHORTEST: usize = 6;

/// Shorter parts of values are not secrets either.
const SHORTEST_PART: usize = 16;

const HIDDEN: &str = "***";

/// A URL as it is shown: without user, password, query and fragment.
#[must_use]
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The values that are hidden in every message about a request. A server may repeat them in its answer.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The longest first, so that no part is left of one that contains another.
    values: Vec<String>,
}

/// The secrets themselves are not shown.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// The secrets of a URL.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        let mut secrets = Self::default();
        secrets.add(url.username());
        secrets.add(url.password().unwrap_or_default());
        secrets.add(url.fragment().unwrap_or_default());
        for pair in url.query().unwrap_or_default().split('&') {
            // What has no name may be a token by itself.
            secrets.add(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
        secrets
    }

    /// Adds a value, and its parts: of `Bearer abc` a server may repeat `abc` alone. The shorter parts of
    /// a signature are dates and regions, which a message has to show.
    pub fn add(&mut self, value: &str) {
        let decoded = percent_decode_str(value).decode_utf8_lossy();
        let spaced = decoded.replace('+', " ");
        for value in [value, &*decoded, &*spaced] {
            let words = value.split(' ').chain([value]);
            let parts = value.split([' ', '/', ',', ';', ':', '&', '=']);
            let values = words
                .filter(|word| word.len() >= SHORTEST)
                .chain(parts.filter(|part| part.len() >= SHORTEST_PART));
            self.values.extend(values.map(str::to_owned));
        }
        self.sort();
    }

    /// Adds all of these.
    pub fn extend(&mut self, more: &Self) {
        self.values.extend(more.values.iter().cloned());
        self.sort();
    }

    fn sort(&mut self) {
        self.values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.values.dedup();
    }

    /// A text without the secrets.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.excerpt(text, usize::MAX, false)
    }

    /// A text of several lines without the secrets.
    #[must_use]
    pub fn hide_in_lines(&self, text: &str) -> String {
        text.split('\n').map(|line| self.hide(line)).collect::<Vec<_>>().join("\n")
    }

    /// The beginning of a text on one line, without the secrets. A text that was `cut` may end within
    /// a secret, which cannot be recognised then: the end that could be part of one is left out.
    #[must_use]
    pub fn excerpt(&self, text: &str, characters: usize, cut: bool) -> String {
        let longest = if cut { self.values.first().map_or(0, String::len) } else { 0 };
        let mut excerpt = String::new();
        let (mut rest, mut count) = (text.trim(), 0);
        while let Some(character) = rest.chars().next() {
            if count == characters || rest.len() <= longest {
                excerpt.push('…');
                break;
            }
            if let Some(secret) = self.values.iter().find(|value| rest.starts_with(*value)) {
                excerpt.push_str(HIDDEN);
                rest = &rest[secret.len()..];
            } else {
                let (first, others) = rest.split_at(character.len_utf8());
                excerpt.push_str(&Escaped(first).to_string());
                rest = others;
            }
            count += 1;
        }
        excerpt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, text: &str, expected: &str) {
        let url = Url::parse(url).unwrap();
        assert_eq!(Secrets::of(&url).excerpt(text, 30, false), expected);
    }

    #[test]
    fn what_is_hidden() {
        let url =
            "https://some-user:pass%2Fword@host/path?token=abcdef12&x=a%2Bb%2Fc%3D%3Dx#fragment";
        check(url, "no secrets, two\nlines\u{1b}", "no secrets, two\\nlines\\u{1b}");
        check(url, "<abcdef12>", "<***>");
        check(url, "token abcdef1", "token abcdef1");
        check(url, "a%2Bb%2Fc%3D%3Dx or a+b/c==x", "*** or ***");
        check(url, "some-user pass/word token", "*** *** token");
        check(url, &"x".repeat(31), &format!("{}…", "x".repeat(30)));
        check(url, &format!("{}abcdef12", "x".repeat(29)), &format!("{}***", "x".repeat(29)));
        let aws = "https://host/?X-Amz-Credential=AKIA0123456789ABCDEF%2F20261122%2Fus-east-1%2Fs3";
        check(aws, "AKIA0123456789ABCDEF us-east-1", "*** us-east-1");
        check("https://host/?abcdefgh", "abcdefgh", "***");
        assert_eq!(shown(&Url::parse(url).unwrap()), "https://host/path");
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden() {
        let secrets = Secrets::of(&Url::parse("https://host/?token=abcdef12").unwrap());
        assert_eq!(secrets.excerpt("abcdef12 abcdef12 abcde", 30, true), "*** ***…");
        assert_eq!(secrets.excerpt("abcde", 30, true), "…");
    }
}
