//! The third parties that the configuration names, ready to be called: payment providers, the mail server, the provider of text
//! messages.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use secrecy::SecretString;
use shop::payment::http::Providers;

use crate::api::SigningSecretsOf;
use crate::config::{Config, Mail as MailSettings, SecretFile, Sms as SmsSettings, SmtpTls};
use crate::effects::mail::{Mailer, MailerConfig, Security};
use crate::effects::provider::PaymentProvider;
use crate::effects::sms::{Sender, Twilio, TwilioConfig};
use crate::effects::stripe::webhook::SigningSecrets;
use crate::effects::stripe::{Stripe, StripeConfig};
use crate::workers;

/// The standard port for submission with STARTTLS (RFC 6409), and with TLS from the first byte (RFC 8314).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// Every provider that is switched on, by the name that orders carry.
///
/// # Errors
/// When a secret cannot be read or a URL is refused; the text names the key.
pub fn providers(config: &Config) -> Result<Vec<Arc<dyn PaymentProvider>>> {
    let mut providers: Vec<Arc<dyn PaymentProvider>> = Vec::new();
    let (stripe, sandbox) = (&config.payments.stripe, &config.payments.sandbox);
    let sandbox_key = sandbox.key_file.as_ref().filter(|_| sandbox.enabled);
    let accounts =
        [("stripe", &stripe.base_url, stripe.key_file.as_ref()), ("sandbox", &sandbox.base_url, sandbox_key)];
    for (name, base_url, key_file) in accounts {
        let (Some(base_url), Some(key_file)) = (base_url, key_file) else { continue };
        let key = secret(key_file).with_context(|| format!("payments.{name}.key_file"))?;
        let mut account = StripeConfig::new(name, base_url.as_str(), key);
        account.total_timeout = Duration::from_millis(config.payments.timeout_ms);
        // A shopper's browser comes back to the shop's public address. Where none is configured nobody can be sent
        // there, and the provider's own library has to authenticate. Whatever node sends a call again must send the same
        // bytes under the same key, so this node's own address has no place in it; the sandbox's is the same for all.
        account.return_url = match (name, &config.http.public_url) {
            ("sandbox", None) => Some(base_url.to_string()),
            (_, url) => url.as_ref().map(ToString::to_string),
        };
        providers.push(Arc::new(Stripe::new(account).with_context(|| format!("payments.{name}"))?));
    }
    Ok(providers)
}

/// Which card processors orders may name.
pub fn accepted(config: &Config) -> Providers {
    Providers { sandbox: config.payments.sandbox.enabled, stripe: config.payments.stripe.key_file.is_some() }
}

/// Who may send webhooks: the signing secret of each provider that has one.
///
/// # Errors
/// When a secret cannot be read; the text names the key.
pub fn webhooks(config: &Config) -> Result<SigningSecretsOf> {
    let read = |name: &str, file: Option<&SecretFile>| {
        let current = file.map(secret).transpose();
        let current = current.with_context(|| format!("payments.{name}.webhook_secret_file"))?;
        anyhow::Ok(current.map(|current| SigningSecrets { current, previous: None }))
    };
    let (stripe, sandbox) = (&config.payments.stripe, &config.payments.sandbox);
    let sandbox_file = sandbox.webhook_secret_file.as_ref().filter(|_| sandbox.enabled);
    Ok(SigningSecretsOf {
        stripe: read("stripe", stripe.webhook_secret_file.as_ref())?,
        sandbox: read("sandbox", sandbox_file)?,
    })
}

/// The mail server, if one is named. To be called on the runtime that sends.
///
/// # Errors
/// When the password cannot be read or the sender's address is none.
pub fn mail(settings: &MailSettings) -> Result<Option<workers::Mail>> {
    let Some(url) = &settings.smtp_url else { return Ok(None) };
    let host = url.host_str().unwrap_or_default();
    let (security, usual_port) = match settings.smtp_tls {
        SmtpTls::None => (Security::Plain, 25),
        SmtpTls::Starttls => (Security::StartTls, SUBMISSION),
        SmtpTls::Tls => (Security::Tls, SUBMISSIONS),
    };
    let mut mailer =
        MailerConfig::new(host, url.port().unwrap_or(usual_port), security, settings.from.as_str());
    mailer.user.clone_from(&settings.smtp_user);
    mailer.password =
        settings.smtp_password_file.as_ref().map(secret).transpose().context("mail.smtp_password_file")?;
    mailer.total_timeout = Duration::from_millis(settings.timeout_ms);
    let domain = settings.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>').to_owned();
    let mailer = Arc::new(Mailer::new(&mailer).context("mail")?);
    Ok(Some(workers::Mail { mailer, domain }))
}

/// The provider of text messages, if an account is named.
///
/// # Errors
/// When the token cannot be read or the URL is refused.
pub fn sms(settings: &SmsSettings) -> Result<Option<Arc<Twilio>>> {
    let (Some(account), Some(token_file), Some(base_url)) =
        (&settings.account, &settings.token_file, &settings.base_url)
    else {
        return Ok(None);
    };
    let sender = match (&settings.from, &settings.messaging_service) {
        (Some(number), _) => Sender::From(number.clone()),
        (None, Some(service)) => Sender::MessagingService(service.clone()),
        (None, None) => return Ok(None),
    };
    let twilio = Twilio::new(TwilioConfig {
        base_url: base_url.clone(),
        account: account.clone(),
        token: secret(token_file).context("sms.token_file")?,
        sender,
        total_timeout: Duration::from_millis(settings.timeout_ms),
    });
    Ok(Some(Arc::new(twilio.context("sms")?)))
}

fn secret(file: &SecretFile) -> Result<SecretString> {
    Ok(SecretString::from(file.read_line()?.as_str()))
}
