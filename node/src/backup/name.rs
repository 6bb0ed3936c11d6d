//! What a backup is called.

use std::fmt;
use std::str::FromStr;

const EXTENSION: &str = "shopbackup";
const MAX_NAME_BYTES: usize = 128;

/// The name of a backup: lower-case letters, digits and hyphens, so that it can be no path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a backup's name has 1 to {MAX_NAME_BYTES} lower-case letters, digits and hyphens")]
pub struct NotAName;

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Name, NotAName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        if good { Ok(Name(text.to_owned())) } else { Err(NotAName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Name {
    /// Sorts by time, then index: `20270131t000000z-000000001234`. `at` is RFC 3339 in UTC.
    pub fn fresh(at: &str, index: u64) -> Name {
        let time: String = at.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
        Name(format!("{}z-{index:012}", time.trim_end_matches('z')))
    }

    /// The name of the backup in this file or object; `None`: it is none.
    pub(super) fn of_file(file: &str) -> Option<Name> {
        file.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok()
    }

    /// What its file or object is called.
    pub(super) fn file(&self) -> String {
        format!("{self}.{EXTENSION}")
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_no_path() {
        for bad in ["", "..", "../x", "a/b", "a.shopbackup", "A", "a b", "a\0", &"x".repeat(129)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        let name = Name::fresh("2027-01-31T10:20:30.123Z", 42);
        assert_eq!(name.to_string(), "20270131t102030z-000000000042");
        assert_eq!(Name::of_file(&name.file()), Some(name));
        assert_eq!(Name::of_file("a.unfinished"), None);
        assert!(Name::fresh("2027-01-31T10:20:30Z", u64::MAX).to_string().parse::<Name>().is_ok());
    }
}
