//! Why a backup cannot be made or used.

use std::fmt;
use std::io;

use super::bucket::BucketError;
use crate::clock::NoRandomness;
use crate::config::SecretFileError;

/// What went wrong, on which file, and what to try.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} is not a backup of a shop")]
    NotABackup(String),
    #[error(
        "{what} is in version {found}, and this program knows {known}: use the program that wrote it, or a newer one"
    )]
    Version { what: String, found: u32, known: u32 },
    #[error("the passphrase does not open {0}: it was made with another one")]
    Passphrase(String),
    #[error("{what} is damaged: {detail}; use another backup")]
    Damaged { what: String, detail: String },
    #[error(
        "{0} is cut off: it was not written or not copied to its end; use another backup, or copy it again"
    )]
    Truncated(String),
    #[error("the passphrase has {found} bytes and needs at least {least}: who finds the file can try many")]
    Weak { found: usize, least: usize },
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    #[error("cannot {action} {what}: {source}")]
    Io { action: &'static str, what: String, source: io::Error },
    #[error(transparent)]
    Credentials(SecretFileError),
    #[error(
        "the credentials in {file} cannot be used: {detail}; it needs aws_access_key_id = … and aws_secret_access_key = …"
    )]
    CredentialsShape { file: String, detail: &'static str },
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("this node makes no backups: {0} is set in its configuration")]
    NotConfigured(&'static str),
    #[error("there is no backup {0} here")]
    Unknown(String),
    #[error("this node's own state cannot be read: {0}")]
    Storage(#[from] storage::Fault),
    #[error("the passphrase could not be made a key, or a chunk not be encrypted")]
    Crypto,
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error("it was told to stop")]
    Stopped,
}

impl BackupError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            BackupError::NotABackup(_) => "backup_not_one",
            BackupError::Version { .. } => "backup_version",
            BackupError::Passphrase(_) => "backup_passphrase",
            BackupError::Damaged { .. } => "backup_damaged",
            BackupError::Truncated(_) => "backup_truncated",
            BackupError::Weak { .. } => "backup_passphrase_weak",
            BackupError::Secret(_) => "backup_passphrase_unreadable",
            BackupError::Io { .. } => "backup_io",
            BackupError::Credentials(_) | BackupError::CredentialsShape { .. } => {
                "backup_credentials_unreadable"
            }
            BackupError::Bucket(error) => error.code(),
            BackupError::NotConfigured(_) => "backup_not_configured",
            BackupError::Unknown(_) => "backup_unknown",
            BackupError::Storage(fault) => fault.code(),
            BackupError::Crypto | BackupError::Random(_) => "backup_crypto",
            BackupError::Stopped => "backup_stopped",
        }
    }

    /// `what` could not be opened, read or written. A bucket says why in words of its own.
    pub(super) fn io(action: &'static str, what: impl fmt::Display) -> impl FnOnce(io::Error) -> BackupError {
        move |source| match source.downcast::<BucketError>() {
            Ok(error) => BackupError::Bucket(error),
            Err(source) => BackupError::Io { action, what: what.to_string(), source },
        }
    }

    pub(super) fn damaged(what: &str, detail: impl Into<String>) -> BackupError {
        BackupError::Damaged { what: what.to_owned(), detail: detail.into() }
    }
}
