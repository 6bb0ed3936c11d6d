//! Why a verb did not do what it was asked to, and how that is told on stderr.

use std::fmt::Write;
use std::io;

use crate::exit::Exit;
use crate::output::{Format, clean};
use crate::problem::Refusal;

/// Everything that ends a verb early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, the profile or a file named in it cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The server answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The work was accepted and then failed, or its result is not a success.
    #[error("{0}")]
    Failed(String),
    /// The answer is not what this shopctl can read.
    #[error("{0}")]
    Unreadable(String),
    /// No server could be reached, and nothing was sent that could change anything.
    #[error("{0}")]
    Unreachable(String),
    /// A change was sent, and the deadline passed without knowing whether it was carried out.
    #[error("{reason}")]
    Unknown {
        /// The `Idempotency-Key` to repeat it with; `None` if repeating does no harm without one.
        key: Option<String>,
        /// What was seen last.
        reason: String,
    },
    /// stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[from] io::Error),
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            // A reader that has seen enough (`shopctl … | head`) is no failure.
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Refused(_) | Self::Failed(_) | Self::Unreadable(_) | Self::Stdout(_) => Exit::Failed,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Unknown { .. } => Exit::Unknown,
        }
    }

    /// Whether a later attempt to read may succeed: a server was away or not ready.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(refusal) => matches!(refusal.status, 429 | 502..=504),
            _ => false,
        }
    }

    /// What stderr says, with a line end; empty if there is nothing to say.
    pub fn tell(&self, format: Format) -> String {
        match self {
            Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe => String::new(),
            Self::Refused(refusal) => refusal.tell(format),
            Self::Unknown { key, reason } => {
                let mut text = format!("error: the outcome is not known: {}\n", clean(reason));
                match key {
                    Some(key) => {
                        let _ = writeln!(
                            text,
                            "  It may or may not have been carried out. To find out, repeat this command with"
                        );
                        let _ = writeln!(text, "    --idempotency-key {key}");
                        let _ = writeln!(
                            text,
                            "  It is carried out at most once, and answered as it was the first time."
                        );
                    }
                    None => {
                        let _ = writeln!(
                            text,
                            "  It may or may not have been carried out. Repeating this command does no harm."
                        );
                    }
                }
                text
            }
            other => format!("error: {}\n", clean(&other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_names_the_key_to_repeat() {
        let failure =
            Failure::Unknown { key: Some("k-1".into()), reason: "the connection was closed".into() };
        assert_eq!(failure.exit(), Exit::Unknown);
        let told = failure.tell(Format::Table);
        assert!(
            told.contains("--idempotency-key k-1") && told.contains("the connection was closed"),
            "{told}"
        );
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let failure = Failure::Stdout(io::ErrorKind::BrokenPipe.into());
        assert_eq!((failure.exit(), failure.tell(Format::Table)), (Exit::Done, String::new()));
    }
}
