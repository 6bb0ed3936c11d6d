//! What can be wrong with a configuration, told with file, line and key.

use std::path::PathBuf;

/// Why the configuration was refused. Nothing has been started or written when this is returned.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("the configuration {} is not TOML: {message}", file.display())]
    Syntax { file: PathBuf, message: String },
    /// One line for each problem.
    #[error("the configuration is refused:\n  {}", problems.join("\n  "))]
    Refused { problems: Vec<String> },
    /// The defaults could not be written as TOML: a fault of this program, which a test excludes.
    #[error("the built-in defaults cannot be written as TOML: {0}")]
    Defaults(#[from] toml::ser::Error),
}

impl ConfigError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            ConfigError::Unreadable { .. } => "config_unreadable",
            ConfigError::Syntax { .. } => "config_syntax",
            ConfigError::Refused { .. } => "config_refused",
            ConfigError::Defaults(_) => "config_defaults",
        }
    }
}
