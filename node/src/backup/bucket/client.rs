//! How the server is called: where it is, who calls, whom it trusts, and for how long.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, Certificate, ClientOptions, RetryConfig};
use reqwest::Url;

use super::credentials::Credentials;
use super::error::{BucketError, Why};
use crate::backup::error::BackupError;
use crate::config::{BucketUrl, S3};

/// For how long and how often something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Somebody waits for an answer.
    Request,
    /// A job, which a minute without the server must not end.
    Job,
}

impl Patience {
    /// One step, with everything that is tried again.
    pub(super) fn limit(self) -> Duration {
        match self {
            Patience::Request => Duration::from_secs(10),
            Patience::Job => Duration::from_secs(360),
        }
    }

    /// One exchange, the body included: a part of 16 MiB at 140 KiB a second.
    fn exchange(self) -> Duration {
        match self {
            Patience::Request => Duration::from_secs(8),
            Patience::Job => Duration::from_secs(120),
        }
    }

    fn connect(self) -> Duration {
        match self {
            Patience::Request => Duration::from_secs(3),
            Patience::Job => Duration::from_secs(10),
        }
    }

    fn retries(self) -> RetryConfig {
        let (most_s, max_retries, retry_timeout_s) = match self {
            Patience::Request => (1, 2, 6),
            // A request that is repeated keeps its signature, which is good for a quarter of an hour.
            Patience::Job => (15, 10, 180),
        };
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(most_s),
                base: 2.0,
            },
            max_retries,
            retry_timeout: Duration::from_secs(retry_timeout_s),
        }
    }
}

/// The client for one bucket.
pub(super) fn make(url: &BucketUrl, settings: &S3, patience: Patience) -> Result<AmazonS3, BackupError> {
    let file = settings.credentials_file.as_ref();
    let file = file.ok_or(BackupError::NotConfigured("no file with credentials for the bucket"))?;
    let credentials = Credentials::read(file)?;
    let mut options = ClientOptions::new()
        .with_timeout(patience.exchange())
        .with_connect_timeout(patience.connect())
        .with_pool_idle_timeout(Duration::from_secs(30));
    for certificate in certificates(settings)? {
        options = options.with_root_certificate(certificate);
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&url.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_access_key_id(credentials.key_id.as_str())
        .with_secret_access_key(credentials.secret.as_str())
        // One at a time: not every server has the call for many, and there are few to remove.
        .with_disable_bulk_delete(true)
        .with_retry(patience.retries());
    if let Some(token) = &credentials.session_token {
        builder = builder.with_token(token.as_str());
    }
    if let Some(endpoint) = &settings.endpoint {
        // What is sent is signed and encrypted by us; whether it may be seen on the way is the operator's choice.
        options = options.with_allow_http(endpoint.scheme() == "http");
        builder = builder.with_endpoint(address(endpoint, &url.bucket, settings.path_style));
    }
    let made = builder.with_client_options(options).build();
    Ok(made.map_err(|error| BucketError::new("call", url, Why::of(&error)))?)
}

/// The endpoint, with the bucket in its host's name where that is the style.
fn address(endpoint: &Url, bucket: &str, path_style: bool) -> String {
    let text = endpoint.as_str().trim_end_matches('/');
    match text.split_once("://") {
        Some((scheme, rest)) if !path_style => format!("{scheme}://{bucket}.{rest}"),
        _ => text.to_owned(),
    }
}

fn certificates(settings: &S3) -> Result<Vec<Certificate>, BackupError> {
    let Some(file) = &settings.ca_file else { return Ok(Vec::new()) };
    let text = std::fs::read(file).map_err(BackupError::io("read the certificates in", file))?;
    let unusable =
        |detail: String| BackupError::io("use the certificates in", file)(std::io::Error::other(detail));
    let found = Certificate::from_pem_bundle(&text).map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("it holds none in PEM".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_bucket_is_in_the_path_or_in_the_name() {
        let endpoint = "https://minio.example:9000/".parse().unwrap();
        assert_eq!(address(&endpoint, "shop", true), "https://minio.example:9000");
        assert_eq!(address(&endpoint, "shop", false), "https://shop.minio.example:9000");
    }
}
