//! Mail to customers: what it says (`templates`) and how it leaves (`smtp`).
//!
//! The same notification is the same mail on every node and on every retry, byte for byte: the caller gives the
//! `Message-ID` and the date, so that a mailbox which gets it twice shows it once.

mod message;
pub mod smtp;
pub mod templates;

pub use message::{Mail, message_id};
pub use smtp::{Mailer, MailerConfig, Security};

/// Why a mail did not leave. Server replies are reduced to their codes: their texts quote addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Sending this mail again will fail again: the address or the message is refused.
    #[error("the mail is refused for good: {code} (reply {reply})", reply = Reply(*reply))]
    Permanent { code: &'static str, reply: Option<u16> },
    /// The same mail later may well leave: the server is away, busy, or configured differently than we are.
    #[error("the mail did not leave: {code} (reply {reply})", reply = Reply(*reply))]
    Temporary { code: &'static str, reply: Option<u16> },
}

impl MailError {
    /// The stable code of this failure.
    pub fn code(&self) -> &'static str {
        match self {
            MailError::Permanent { code, .. } | MailError::Temporary { code, .. } => code,
        }
    }

    /// Whether the mail should be given up.
    pub fn is_permanent(&self) -> bool {
        matches!(self, MailError::Permanent { .. })
    }
}

struct Reply(Option<u16>);

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(code) => write!(f, "{code}"),
            None => f.write_str("none"),
        }
    }
}
