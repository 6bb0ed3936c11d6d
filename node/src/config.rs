//! The configuration: one TOML file, environment overrides, secrets in files of their own.
//!
//! The defaults below are the one source: names, types and values of `packaging/shopnode.toml`, the set of keys that is
//! known, and how an environment variable is read all follow from them.

mod backup;
mod balance;
mod bucket_url;
mod cidr;
mod commerce;
mod document;
mod engine;
mod environment;
mod error;
mod limits;
mod observe;
mod problems;
mod secret_file;
mod server;
mod shipped;
mod unset;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use backup::{Backup, S3};
pub use balance::Balance;
pub use bucket_url::BucketUrl;
pub use cidr::Cidr;
pub use commerce::{Mail, Payments, ProviderAccount, Sandbox, Sms, SmtpTls};
pub use engine::{Raft, RaftProfile, Storage, Workers};
pub use error::ConfigError;
pub use limits::{RateLimit, RateLimitClass};
pub use observe::{LogFormat, Telemetry};
pub use secret_file::{SecretFile, SecretFileError};
pub use server::{Cluster, Http, Node};
pub use shipped::{SHIPPED, text_with};

use document::Document;
use problems::Problems;

/// Everything an operator can set on one node. Units are the last word of a key.
///
/// What every replica must agree on (retention, hold times, whether orders may be paid outside) is in the replicated
/// settings instead: a file on each node would let them differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub node: Node,
    pub http: Http,
    pub cluster: Cluster,
    pub storage: Storage,
    pub backup: Backup,
    pub balance: Balance,
    pub raft: Raft,
    pub rate_limit: RateLimit,
    pub payments: Payments,
    pub mail: Mail,
    pub sms: Sms,
    pub telemetry: Telemetry,
    pub workers: Workers,
}

impl Config {
    /// Reads `file`, lays `environment` over it, and checks everything.
    ///
    /// A file that is not there is an error: an operator who names one means it.
    ///
    /// # Errors
    /// Every unknown key, wrong type and value out of range at once, each with its line or variable.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { file: file.to_path_buf(), source })?;
        Config::parse(&text, file, environment)
    }

    /// As [`Config::load`], from text; `file` only names it in errors.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(
        text: &str,
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let known = document::known_keys()?;
        let mut document = Document::parse(text, file)?;
        let mut problems = Problems::new(file);
        document.refuse_unknown(&known, &mut problems);
        environment::overlay(&mut document, &known, environment, &mut problems);
        problems.refuse()?;

        let config: Config = document.read(file)?;
        let mut problems = Problems::with_origins(file, document.origins());
        config.check(&mut problems);
        problems.refuse()?;
        Ok(config)
    }

    fn check(&self, problems: &mut Problems<'_>) {
        self.http.check(problems);
        self.cluster.check(problems);
        self.storage.check(problems);
        self.backup.check(problems);
        self.balance.check(problems);
        self.rate_limit.check(problems);
        self.payments.check(problems);
        self.mail.check(problems);
        self.sms.check(problems);
        self.telemetry.check(problems);
        self.workers.check(problems);
    }
}

/// The known key that was probably meant by `key`.
fn nearest_key<'a>(key: &str, known: &'a BTreeMap<String, toml::Value>) -> Option<&'a str> {
    crate::nearest(key, known.keys().map(String::as_str))
}

#[cfg(test)]
mod tests;
