//! How shopctl ends: the exit codes that scripts rely on.

use std::process::ExitCode;

/// An exit code. The numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It was refused, or it failed; what was asked for did not happen.
    Failed = 1,
    /// The command line, the profile or a file named in it is wrong; nothing was sent.
    Usage = 2,
    /// No server answered; what was asked for did not happen.
    Unreachable = 3,
    /// The request was sent, and whether it was carried out is not known: repeat it with the same key.
    Unknown = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
