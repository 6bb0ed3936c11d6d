//! `[payments]`, `[mail]` and `[sms]`: the third parties that a shop calls.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::problems::Problems;
use super::secret_file::SecretFile;
use super::server::check_url;
use super::unset;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Payments {
    /// One call of a provider; after that its result is unknown and looked up.
    pub timeout_ms: u64,
    pub stripe: ProviderAccount,
    pub sandbox: Sandbox,
}

impl Default for Payments {
    fn default() -> Payments {
        Payments { timeout_ms: 20_000, stripe: ProviderAccount::default(), sandbox: Sandbox::default() }
    }
}

/// An account at a card processor. It is on when it has a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderAccount {
    #[serde(with = "unset")]
    pub base_url: Option<Url>,
    #[serde(with = "unset")]
    pub key_file: Option<SecretFile>,
    #[serde(with = "unset")]
    pub webhook_secret_file: Option<SecretFile>,
}

impl Default for ProviderAccount {
    fn default() -> ProviderAccount {
        ProviderAccount {
            base_url: Url::parse("https://api.stripe.com").ok(),
            key_file: None,
            webhook_secret_file: None,
        }
    }
}

/// The card processor for trying things out. It speaks the same protocol, and no card is ever charged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    pub enabled: bool,
    #[serde(with = "unset")]
    pub base_url: Option<Url>,
    #[serde(with = "unset")]
    pub key_file: Option<SecretFile>,
    #[serde(with = "unset")]
    pub webhook_secret_file: Option<SecretFile>,
}

impl Payments {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("payments.timeout_ms", self.timeout_ms, 100..=120_000);
        check_url("payments.stripe.base_url", self.stripe.base_url.as_ref(), problems);
        check_url("payments.sandbox.base_url", self.sandbox.base_url.as_ref(), problems);
        if self.stripe.key_file.is_some() {
            if self.stripe.base_url.is_none() {
                problems.value("payments.stripe.base_url", "must be set when payments.stripe.key_file is");
            }
            if self.stripe.webhook_secret_file.is_none() {
                let problem =
                    "must be set when payments.stripe.key_file is: unsigned calls would be believed";
                problems.value("payments.stripe.webhook_secret_file", problem);
            }
        }
        if self.sandbox.enabled {
            let sandbox = &self.sandbox;
            let needed = [
                ("payments.sandbox.base_url", sandbox.base_url.is_some()),
                ("payments.sandbox.key_file", sandbox.key_file.is_some()),
                ("payments.sandbox.webhook_secret_file", sandbox.webhook_secret_file.is_some()),
            ];
            for (key, _) in needed.into_iter().filter(|(_, set)| !set) {
                problems.value(key, "must be set when payments.sandbox.enabled is true");
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// `smtp://HOST:PORT`. No mail is sent while it is unset.
    #[serde(with = "unset")]
    pub smtp_url: Option<Url>,
    pub smtp_tls: SmtpTls,
    #[serde(with = "unset")]
    pub smtp_user: Option<String>,
    #[serde(with = "unset")]
    pub smtp_password_file: Option<SecretFile>,
    /// One message, from connecting to the server's answer.
    pub timeout_ms: u64,
    /// The sender's address (RFC 5322 `addr-spec`).
    pub from: String,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Plain text: for a catcher on this machine.
    None,
    /// Plain at first, then STARTTLS, which must succeed (RFC 3207).
    #[default]
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Tls,
}

impl Default for Mail {
    fn default() -> Mail {
        Mail {
            smtp_url: None,
            smtp_tls: SmtpTls::default(),
            smtp_user: None,
            smtp_password_file: None,
            timeout_ms: 20_000,
            from: "shop@localhost".to_owned(),
        }
    }
}

impl Mail {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("mail.timeout_ms", self.timeout_ms, 100..=120_000);
        if let Some(url) = &self.smtp_url
            && (url.scheme() != "smtp" || url.host_str().is_none_or(str::is_empty))
        {
            problems.value("mail.smtp_url", format_args!("must be smtp://HOST:PORT, is {url}"));
        }
        if self.smtp_user.is_some() != self.smtp_password_file.is_some() {
            problems.value("mail.smtp_user", "and mail.smtp_password_file are set together or not at all");
        }
        if self.smtp_user.is_some() && self.smtp_tls == SmtpTls::None {
            problems.value("mail.smtp_tls", "is `none`, which would send the password in plain text");
        }
        let parts = self.from.split_once('@');
        if parts.is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) {
            problems.value(
                "mail.from",
                format_args!("must be an address such as shop@example.com, is `{}`", self.from),
            );
        }
    }
}

/// An account at a provider of text messages that speaks Twilio's Messages API. It is on when it is named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    #[serde(with = "unset")]
    pub account: Option<String>,
    #[serde(with = "unset")]
    pub token_file: Option<SecretFile>,
    /// A number of the account, or a name.
    #[serde(with = "unset")]
    pub from: Option<String>,
    /// In place of `from`: the id of a messaging service, which chooses the number.
    #[serde(with = "unset")]
    pub messaging_service: Option<String>,
    #[serde(with = "unset")]
    pub base_url: Option<Url>,
    /// One request; after that its result is unknown and looked up.
    pub timeout_ms: u64,
}

impl Default for Sms {
    fn default() -> Sms {
        Sms {
            account: None,
            token_file: None,
            from: None,
            messaging_service: None,
            base_url: Url::parse("https://api.twilio.com").ok(),
            timeout_ms: 10_000,
        }
    }
}

impl Sms {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("sms.timeout_ms", self.timeout_ms, 100..=30_000);
        check_url("sms.base_url", self.base_url.as_ref(), problems);
        if self.account.is_some() != self.token_file.is_some() {
            problems.value("sms.account", "and sms.token_file are set together or not at all");
        }
        let Some(account) = &self.account else { return };
        if account.len() > 64 || !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            problems.value("sms.account", "must be an account's id, such as AC and 32 hexadecimal digits");
        }
        if self.from.is_some() == self.messaging_service.is_some() {
            problems.value("sms.from", "or sms.messaging_service must be set, and not both");
        }
        if self.base_url.is_none() {
            problems.value("sms.base_url", "must be set when sms.account is");
        }
    }
}
