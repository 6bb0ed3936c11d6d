//! The credential: an access token or API key that is never printed.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// The most bytes of a token; access tokens (JWT) are the longest, at around one kilobyte.
const MAX_BYTES: usize = 8 * 1024;

/// An access token or API key, as sent after `Authorization: Bearer` (RFC 6750).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Checks that the text can be sent in a header; white space around it is cut.
    pub fn parse(text: &str, source: &str) -> Result<Self, Failure> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::Usage(format!("{source} holds no token")));
        }
        if text.len() > MAX_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Usage(format!(
                "{source} holds no token: expected at most {MAX_BYTES} visible ASCII characters without spaces"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads the token from a file, or from stdin if the path is `-`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::from_reader(std::io::stdin().lock(), "stdin");
        }
        let source = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|error| Failure::Usage(format!("cannot open {source}: {error}")))?;
        Self::from_reader(file, &source)
    }

    /// Reads a token of at most 8 KiB.
    pub fn from_reader(reader: impl Read, source: &str) -> Result<Self, Failure> {
        let mut text = String::new();
        reader
            .take(MAX_BYTES as u64 + 2)
            .read_to_string(&mut text)
            .map_err(|error| Failure::Usage(format!("cannot read a token from {source}: {error}")))?;
        Self::parse(&text, source)
    }

    /// The secret itself: for the request's header and the profile's file only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_cut_checked_and_never_shown() {
        let token = Token::parse(" sk_abc\n", "stdin").unwrap();
        assert_eq!(token.reveal(), "sk_abc");
        assert!(!format!("{token:?}").contains("abc"));
        for wrong in ["", "  \n", "two words", "caf\u{e9}", &"x".repeat(MAX_BYTES + 1)] {
            assert!(Token::parse(wrong, "here").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_never_quotes_the_token() {
        let failure = Token::parse("top secret", "stdin").unwrap_err();
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }
}
