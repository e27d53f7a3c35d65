//! Patterns of file names, as `fnmatch` of Python has them: users know them from `snapshot_download`.
//!
//! `*` is any text, with slashes; `?` is any one character; `[abc]`, `[a-z]` and `[!abc]` are sets of
//! characters. Everything else stands for itself, also what other patterns have: `{a,b}`, `\`, `[^a]`.

/// What files may be called; any name if there are no patterns.
pub(super) struct Patterns {
    patterns: Vec<Vec<Token>>,
}

enum Token {
    Any,
    One,
    Letter(char),
    Set { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Patterns {
    /// A pattern that ends with `/` is everything in that folder.
    pub(super) fn new(patterns: &[String]) -> Self {
        let patterns = patterns.iter().map(|pattern| {
            let mut tokens = parse(pattern);
            if pattern.ends_with('/') {
                tokens.push(Token::Any);
            }
            tokens
        });
        Self { patterns: patterns.collect() }
    }

    /// Whether a file of this path is wanted.
    pub(super) fn allow(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| matches(pattern, &path))
    }
}

fn parse(pattern: &str) -> Vec<Token> {
    let letters: Vec<char> = pattern.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&letter) = letters.get(at) {
        at += 1;
        tokens.push(match letter {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => match set(&letters[at..]) {
                Some((token, length)) => {
                    at += length;
                    token
                }
                // Without an end it is no set.
                None => Token::Letter('['),
            },
            other => Token::Letter(other),
        });
    }
    tokens
}

/// The set that begins here, after its `[`, and its length with its `]`.
fn set(letters: &[char]) -> Option<(Token, usize)> {
    let is_negated = letters.first() == Some(&'!');
    let begin = usize::from(is_negated);
    // A `]` in the first place is a member.
    let length = letters.get(begin + 1..)?.iter().position(|&letter| letter == ']')?;
    let end = begin + 1 + length;
    let mut members = &letters[begin..end];
    let mut ranges = Vec::new();
    loop {
        members = match members {
            [] => break,
            [first, '-', last, rest @ ..] => {
                ranges.push((*first, *last));
                rest
            }
            [letter, rest @ ..] => {
                ranges.push((*letter, *letter));
                rest
            }
        };
    }
    Some((Token::Set { is_negated, ranges }, end + 1))
}

impl Token {
    fn is(&self, letter: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Letter(own) => *own == letter,
            Self::Set { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *is_negated
            }
        }
    }
}

/// When it does not go on, only the last `*` takes one character more: what an earlier one could take,
/// this one can, too. So it takes no more steps than both lengths multiplied.
fn matches(pattern: &[Token], path: &[char]) -> bool {
    let (mut at, mut letter) = (0, 0);
    let mut last_star = None;
    while letter < path.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                last_star = Some((at, letter));
                at += 1;
            }
            Some(one) if one.is(path[letter]) => {
                at += 1;
                letter += 1;
            }
            _ => {
                let Some((any, taken)) = last_star else { return false };
                last_star = Some((any, taken + 1));
                at = any + 1;
                letter = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|token| matches!(token, Token::Any))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All expectations are what `fnmatch.fnmatchcase` of Python 3.11 says.
    #[test]
    fn like_fnmatch() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let patterns = Patterns::new(&[pattern.to_owned()]);
            assert_eq!(patterns.allow(path), expected, "{pattern:?} and {path:?}");
        };
        for (pattern, path, expected) in CASES {
            check(pattern, path, *expected);
        }
    }

    const CASES: &[(&str, &str, bool)] = &[
        ("*", "", true),
        ("*", "a/b", true),
        ("*", "x", true),
        ("*.json", "a.json", true),
        ("*.json", "d/a.json", true),
        ("*.json", ".json", true),
        ("*.json", "a.jsonl", false),
        ("*.json", "a.JSON", false),
        ("a*c", "ac", true),
        ("a*c", "a/b/c", true),
        ("a*c", "ab", false),
        ("?", "/", true),
        ("?", "a", true),
        ("?", "é", true),
        ("?", "ab", false),
        ("?", "", false),
        ("??", "ab", true),
        ("??", "a", false),
        ("[abc]", "a", true),
        ("[abc]", "d", false),
        ("[!abc]", "a", false),
        ("[!abc]", "d", true),
        ("[!abc]", "/", true),
        ("[a-c]x", "bx", true),
        ("[a-c]x", "dx", false),
        ("[^a]", "a", true),
        ("[^a]", "^", true),
        ("[^a]", "b", false),
        ("[]a]", "]", true),
        ("[]a]", "a", true),
        ("[]a]", "b", false),
        ("[!]a]", "]", false),
        ("[!]a]", "b", true),
        ("[a", "[a", true),
        ("[a", "a", false),
        ("[]", "[]", true),
        ("[]", "", false),
        ("[!]", "[!]", true),
        ("a]", "a]", true),
        ("{a,b}", "a", false),
        ("{a,b}", "{a,b}", true),
        ("\\*", "\\x", true),
        ("\\*", "*", false),
        ("**/x", "x", false),
        ("**/x", "a/x", true),
        ("**/x", "/x", true),
        ("a**b", "ab", true),
        ("a**b", "a/b", true),
        ("[a-]", "a", true),
        ("[a-]", "-", true),
        ("[a-]", "b", false),
        ("[-a]", "-", true),
        ("[-a]", "a", true),
        ("[z-a]", "z", false),
        ("[z-a]", "m", false),
        ("é?", "éé", true),
        ("é?", "é", false),
        ("[é-ü]", "ö", true),
        ("[é-ü]", "a", false),
        ("", "", true),
        ("", "a", false),
        ("config.json", "config.json", true),
        ("config.json", "a/config.json", false),
        ("config.json", "configxjson", false),
        ("a.c", "abc", false),
        ("[!a-c]/x", "d/x", true),
        ("[!a-c]/x", "a/x", false),
        ("*/", "a/b", true),
        ("[[]x", "[x", true),
        ("a[/]b", "a/b", true),
        ("[a-c-e]", "d", false),
        ("[a-c-e]", "-", true),
        ("[a-c-e]", "e", true),
        ("[a-c-e]", "b", true),
    ];

    #[test]
    fn several_patterns() {
        let check = |patterns: &[&str], path: &str, expected: bool| {
            let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            assert_eq!(Patterns::new(&patterns).allow(path), expected, "{patterns:?} and {path}");
        };
        check(&[], "anything/at/all", true);
        check(&["*.json", "*.txt"], "a.txt", true);
        check(&["*.json", "*.txt"], "a.bin", false);
        check(&["onnx/"], "onnx/model.onnx", true);
        check(&["onnx/"], "onnx/a/b", true);
        check(&["onnx/"], "other/onnx/a", false);
        check(&["onnx/"], "onnx", false);
        check(&["onnx"], "onnx/a", false);
    }

    /// It ends, and soon.
    #[test]
    fn many_stars() {
        let pattern = "*a".repeat(200);
        let patterns = Patterns::new(&[pattern]);
        assert!(!patterns.allow(&format!("{}b", "a".repeat(2_000))));
        assert!(patterns.allow(&"a".repeat(2_000)));
    }
}
