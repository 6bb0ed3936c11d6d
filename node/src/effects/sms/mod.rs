//! Text messages to customers, through a provider that speaks Twilio's Messages API.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource>. The API has no idempotency keys: a request
//! without an answer is never repeated, but looked for among what the provider has taken.

mod phone;
mod twilio;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use phone::e164;
pub use twilio::{ConfigError, Sender, Twilio, TwilioConfig};

/// A text message.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// E.164, as of [`e164`].
    pub to: String,
    /// At most [`MAX_BODY_CHARS`]. No other text of the shop to this number may have this body.
    pub body: String,
}

/// What the provider takes at most.
pub const MAX_BODY_CHARS: usize = 1_600;

/// Why there is no word that a text message was taken. Codes only: the provider's texts quote numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    /// It was not taken, and never will be as it is. The provider's error code, or `http_` and the status.
    #[error("the text message is refused for good: {code}")]
    Refused { code: String },
    /// It was not taken; later it may be.
    #[error("the text message was not accepted: {code}")]
    NotAccepted {
        code: &'static str,
        /// Not before this has passed.
        after: Option<Duration>,
    },
    /// It may have been taken. To be looked up, not to be sent again.
    #[error("whether the text message was taken is unknown: {code}")]
    Unknown { code: &'static str },
}

impl SmsError {
    /// A word for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            SmsError::Refused { .. } => "refused",
            SmsError::NotAccepted { code, .. } | SmsError::Unknown { code } => code,
        }
    }
}
