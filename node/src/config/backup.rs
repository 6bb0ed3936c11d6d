//! `[backup]`: where this node keeps backups, and what encrypts them.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::bucket_url::BucketUrl;
use super::problems::Problems;
use super::secret_file::SecretFile;
use super::server::check_url;
use super::unset;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Where backups are written. No request can name another place.
    #[serde(with = "unset")]
    pub directory: Option<String>,
    /// One line: what opens the backups again.
    #[serde(with = "unset")]
    pub passphrase_file: Option<SecretFile>,
    /// After a backup was made, older ones beyond this number are removed. 0: none is.
    pub keep: u32,
    pub s3: S3,
}

/// A bucket of a server that speaks S3, instead of a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    #[serde(with = "unset")]
    pub url: Option<BucketUrl>,
    /// Unset: AWS.
    #[serde(with = "unset")]
    pub endpoint: Option<Url>,
    pub region: String,
    /// The bucket in the path and not in the host's name.
    pub path_style: bool,
    /// As the AWS tools keep it.
    #[serde(with = "unset")]
    pub credentials_file: Option<SecretFile>,
    /// Certificates (PEM) that are trusted beside the system's.
    #[serde(with = "unset")]
    pub ca_file: Option<String>,
}

impl Default for Backup {
    fn default() -> Backup {
        Backup { directory: None, passphrase_file: None, keep: 14, s3: S3::default() }
    }
}

impl Default for S3 {
    fn default() -> S3 {
        S3 {
            url: None,
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: true,
            credentials_file: None,
            ca_file: None,
        }
    }
}

impl Backup {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("backup.keep", self.keep, 0..=10_000);
        if self.directory.as_ref().is_some_and(|directory| !directory.starts_with('/')) {
            problems.value("backup.directory", "is not an absolute path");
        }
        self.s3.check(problems);
        let place = match (&self.directory, &self.s3.url) {
            (Some(_), Some(_)) => {
                problems.value("backup.s3.url", "and backup.directory exclude each other: set one of them");
                return;
            }
            (_, Some(_)) => "backup.s3.url",
            (_, None) => "backup.directory",
        };
        if (self.directory.is_some() || self.s3.url.is_some()) != self.passphrase_file.is_some() {
            problems.value(place, "and backup.passphrase_file go together: set both or neither");
        }
    }
}

impl S3 {
    fn check(&self, problems: &mut Problems<'_>) {
        check_url("backup.s3.endpoint", self.endpoint.as_ref(), problems);
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&self.region.len()) || !self.region.bytes().all(word) {
            problems.value("backup.s3.region", "is no region, such as eu-central-1");
        }
        if self.url.is_some() && self.credentials_file.is_none() {
            problems.value("backup.s3.credentials_file", "must be set when backup.s3.url is");
        }
    }
}
