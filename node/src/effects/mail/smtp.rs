//! Handing mail to the shop's SMTP server (RFC 5321), plain to this machine, else with STARTTLS or TLS.
//!
//! One mail, one connection. A connection that is kept would have to be thrown away whenever a deadline cuts a
//! conversation short: the reply that was not awaited would be taken for the next mail's.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use super::{Mail, MailError};

/// For the farewell, after the server has the mail: whether it is answered changes nothing.
const FAREWELL: Duration = Duration::from_secs(1);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: only to this machine, as to the mail catcher.
    Plain,
    /// Upgraded before anything is said (RFC 3207); a server that does not offer it gets no mail.
    StartTls,
    /// From the first byte (RFC 8314).
    Tls,
}

/// The shop's SMTP server and its sender address.
#[derive(Debug, Clone)]
pub struct MailerConfig {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: Option<String>,
    /// Never logged.
    pub password: Option<SecretString>,
    /// `Tea Shop <shop@example.com>`.
    pub from: String,
    /// What we call ourselves in EHLO; the address literal of this machine when absent.
    pub hello_name: Option<String>,
    /// A further certificate authority in PEM, for a server with a private one.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// For the connection alone.
    pub connect_timeout: Duration,
    /// For one mail in all, from connecting to the server's word that it has it.
    pub total_timeout: Duration,
}

impl MailerConfig {
    /// No user, no further authority, 5 s to connect, 30 s for a mail.
    pub fn new(host: impl Into<String>, port: u16, security: Security, from: impl Into<String>) -> Self {
        MailerConfig {
            host: host.into(),
            port,
            security,
            user: None,
            password: None,
            from: from.into(),
            hello_name: None,
            extra_ca_pem: None,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
        }
    }
}

/// Why mail cannot be set up as configured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailerError {
    #[error("mail to {0:?} must use starttls or tls: only a server on this machine may be plain")]
    Insecure(String),
    #[error("the sender {0:?} is not of the form `Name <address>` or `address`")]
    From(String),
    #[error("an SMTP password needs a user, and a user a password")]
    Credentials,
    #[error("TLS to {host:?} cannot be set up: {detail}")]
    Tls { host: String, detail: String },
}

impl MailerError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            MailerError::Insecure(_) => "mail_insecure",
            MailerError::From(_) => "mail_from_invalid",
            MailerError::Credentials => "mail_credentials_incomplete",
            MailerError::Tls { .. } => "mail_tls_invalid",
        }
    }
}

/// Sends mails, one call one try.
pub struct Mailer {
    server: (String, u16),
    protection: Protection,
    credentials: Option<Credentials>,
    hello_name: ClientId,
    from: Mailbox,
    connect_timeout: Duration,
    total_timeout: Duration,
}

enum Protection {
    None,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Checks the configuration; nothing is sent yet.
    ///
    /// # Errors
    /// When mail cannot leave as configured, whatever the server does.
    pub fn new(config: &MailerConfig) -> Result<Self, MailerError> {
        let credentials = match (&config.user, &config.password) {
            (Some(user), Some(password)) => {
                Some(Credentials::new(user.clone(), password.expose_secret().to_owned()))
            }
            (None, None) => None,
            _ => return Err(MailerError::Credentials),
        };
        Ok(Mailer {
            server: (config.host.clone(), config.port),
            protection: Protection::of(config)?,
            credentials,
            hello_name: config.hello_name.clone().map_or_else(ClientId::default, ClientId::Domain),
            from: config.from.parse().map_err(|_| MailerError::From(config.from.clone()))?,
            connect_timeout: config.connect_timeout,
            total_timeout: config.total_timeout,
        })
    }

    /// Hands the mail to the server. `Ok` means that the server took responsibility for it.
    ///
    /// # Errors
    /// After one that is not permanent the same mail may be sent again: in the worst case it arrives twice under one
    /// `Message-ID`.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = mail.message(&self.from)?;
        let span = info_span!("mail_send", message_id = %mail.message_id);
        let deliver = self.deliver(message.envelope(), message.formatted());
        match timeout(self.total_timeout, deliver.instrument(span)).await {
            Ok(Ok(mut connection)) => {
                let _ = timeout(FAREWELL, connection.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(MailError::Temporary { code: "mail_timeout", reply: None }),
        }
    }

    async fn deliver(&self, envelope: &Envelope, message: Vec<u8>) -> Result<AsyncSmtpConnection, Error> {
        let tls = match &self.protection {
            Protection::Tls(parameters) => Some(parameters.clone()),
            Protection::None | Protection::StartTls(_) => None,
        };
        let server = (self.server.0.as_str(), self.server.1);
        let timeout = Some(self.connect_timeout);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello_name, tls, None).await?;
        if let Protection::StartTls(parameters) = &self.protection {
            connection.starttls(parameters.clone(), &self.hello_name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        connection.send(envelope, &message).await?;
        Ok(connection)
    }
}

impl Protection {
    fn of(config: &MailerConfig) -> Result<Protection, MailerError> {
        let host = config.host.as_str();
        if config.security == Security::Plain {
            let loopback =
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            return if loopback { Ok(Protection::None) } else { Err(MailerError::Insecure(host.to_owned())) };
        }
        let refuse = |error: Error| MailerError::Tls { host: host.to_owned(), detail: error.to_string() };
        let mut parameters = TlsParameters::builder(host.to_owned());
        if let Some(pem) = &config.extra_ca_pem {
            parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(refuse)?);
        }
        let parameters = parameters.build_rustls().map_err(refuse)?;
        Ok(match config.security {
            Security::Tls => Protection::Tls(parameters),
            Security::StartTls | Security::Plain => Protection::StartTls(parameters),
        })
    }
}

/// What a failure says about sending the same mail again. Replies about authentication (RFC 4954) and about the
/// server as a whole (521 and 556, RFC 7504) are somebody's configuration, no reason to give a customer's mail up.
fn classify(error: &Error) -> MailError {
    let reply = error.status().map(u16::from);
    match reply {
        Some(530 | 534 | 535 | 538) => MailError::Temporary { code: "mail_authentication", reply },
        Some(521 | 556) => MailError::Temporary { code: "mail_server_refuses", reply },
        Some(_) if error.is_permanent() => MailError::Permanent { code: "mail_refused", reply },
        Some(_) => MailError::Temporary { code: "mail_deferred", reply },
        None if error.is_timeout() => MailError::Temporary { code: "mail_timeout", reply },
        None if error.is_tls() => MailError::Temporary { code: "mail_tls", reply },
        // An address that the server cannot take (no SMTPUTF8), or no STARTTLS where it is required.
        None if error.is_client() => MailError::Temporary { code: "mail_server_lacks_extension", reply },
        None => MailError::Temporary { code: "mail_connection", reply },
    }
}

#[cfg(test)]
mod tests;
