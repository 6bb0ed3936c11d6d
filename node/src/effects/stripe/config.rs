//! Where the provider is and who we are to it.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

/// How to reach a provider that speaks Stripe's protocol.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// The name that orders carry in `payment.provider`: `stripe`, or `sandbox`.
    pub name: String,
    /// `https://api.stripe.com`. Plain http only to this machine.
    pub base_url: String,
    /// The secret key; never logged.
    pub api_key: SecretString,
    /// Where a shopper comes back to after authenticating at the bank. Without it the provider's library in the
    /// browser has to do that step.
    pub return_url: Option<String>,
    /// For the connection alone, TLS included.
    pub connect_timeout: Duration,
    /// For the whole call, the answer's body included.
    pub total_timeout: Duration,
}

impl StripeConfig {
    /// The usual deadlines: 2 s to connect, 10 s in all.
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, api_key: SecretString) -> Self {
        StripeConfig {
            name: name.into(),
            base_url: base_url.into(),
            api_key,
            return_url: None,
            connect_timeout: Duration::from_secs(2),
            total_timeout: Duration::from_secs(10),
        }
    }
}

/// Why a provider cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the payment provider's base_url {0:?} is not a URL of the form https://host[:port][/path]")]
    BaseUrl(String),
    #[error(
        "the payment provider's base_url {0:?} must be https: only a provider on this machine may be plain http"
    )]
    Insecure(String),
    #[error("the payment provider's API key is empty or holds characters that a header cannot carry")]
    ApiKey,
    #[error("the HTTP client for the payment provider could not be made: {0}")]
    Client(reqwest::Error),
}

impl ConfigError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            ConfigError::BaseUrl(_) => "provider_base_url_invalid",
            ConfigError::Insecure(_) => "provider_base_url_insecure",
            ConfigError::ApiKey => "provider_api_key_invalid",
            ConfigError::Client(_) => "provider_client_failed",
        }
    }
}

/// The base without its trailing slash, and whether it is on this machine.
pub(super) fn checked_base(text: &str) -> Result<(String, bool), ConfigError> {
    let url = Url::parse(text).map_err(|_| ConfigError::BaseUrl(text.to_owned()))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let loopback = is_loopback(&url);
    match url.scheme() {
        _ if !plain || !url.has_host() => Err(ConfigError::BaseUrl(text.to_owned())),
        "https" => Ok((url.as_str().trim_end_matches('/').to_owned(), loopback)),
        "http" if loopback => Ok((url.as_str().trim_end_matches('/').to_owned(), loopback)),
        "http" => Err(ConfigError::Insecure(text.to_owned())),
        _ => Err(ConfigError::BaseUrl(text.to_owned())),
    }
}

/// Whether the URL names this machine, without asking the name service.
pub(in crate::effects) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{StripeConfig, checked_base};
    use crate::effects::stripe::Stripe;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        fn check(base: &str, expect: Result<&str, &str>) {
            let got = checked_base(base);
            let got = got.as_ref().map(|(base, _)| base.as_str()).map_err(|error| error.code());
            assert_eq!(got, expect, "{base}");
        }
        check("https://api.stripe.com", Ok("https://api.stripe.com"));
        check("https://api.stripe.com/", Ok("https://api.stripe.com"));
        check("https://pay.example/stripe/", Ok("https://pay.example/stripe"));
        check("http://127.0.0.1:12111", Ok("http://127.0.0.1:12111"));
        check("http://[::1]:12111", Ok("http://[::1]:12111"));
        check("http://localhost:1", Ok("http://localhost:1"));
        check("http://api.stripe.com", Err("provider_base_url_insecure"));
        check("http://127.0.0.1.example", Err("provider_base_url_insecure"));
        check("http://localhost.example", Err("provider_base_url_insecure"));
        check("https://user:secret@api.stripe.com", Err("provider_base_url_invalid"));
        check("https://api.stripe.com?x=1", Err("provider_base_url_invalid"));
        check("ftp://127.0.0.1", Err("provider_base_url_invalid"));
        check("api.stripe.com", Err("provider_base_url_invalid"));
        check("", Err("provider_base_url_invalid"));
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        let config = StripeConfig::new("stripe", "https://api.stripe.com", SecretString::from("sk_canary"));
        assert!(!format!("{config:?}").contains("canary"));
        let stripe = Stripe::new(config).unwrap();
        assert!(!format!("{stripe:?}").contains("canary"));
    }
}
