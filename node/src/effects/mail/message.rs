//! One mail as bytes: headers that nobody can inject into, text and HTML side by side.

use std::fmt;
use std::time::{Duration, SystemTime};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

use super::MailError;
use super::templates::Rendered;

/// A mail to one customer.
#[derive(Clone)]
pub struct Mail {
    /// The address alone, `ada@example.com`.
    pub to: String,
    /// See `message_id`.
    pub message_id: String,
    /// When what the mail tells happened, seconds since 1970: the command's stamp, not the time of sending.
    pub date_s: u64,
    pub content: Rendered,
}

/// Whom a mail goes to and what it says is nobody's business but theirs: debug output has only the id.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// The `Message-ID` (RFC 5322, 3.6.4) of a notification: the same wherever and however often it is sent.
/// Characters that such an id cannot hold are left out.
pub fn message_id(notification_id: &str, domain: &str) -> String {
    let keep = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(120).collect()
    };
    format!("<{}@{}>", keep(notification_id), keep(domain))
}

impl Mail {
    /// The message as it will be sent, the same bytes every time.
    pub(super) fn message(&self, from: &Mailbox) -> Result<Message, MailError> {
        let to: Address = self.to.parse().map_err(|_| refused("mail_address_invalid"))?;
        let id = self.message_id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@');
        if !id.is_some_and(|id| (3..=250).contains(&id.len()) && id.bytes().all(word)) {
            return Err(refused("mail_message_id_invalid"));
        }
        let date = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(self.date_s.min(MAX_DATE_S)))
            .ok_or(refused("mail_date_invalid"))?;
        let alternative = MultiPart::alternative().boundary(self.boundary()).build();
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(self.content.subject.clone())
            .message_id(Some(self.message_id.clone()))
            .date(date)
            .header(AutoSubmitted)
            .multipart(
                alternative
                    .singlepart(lettre::message::SinglePart::plain(self.content.text.clone()))
                    .singlepart(lettre::message::SinglePart::html(self.content.html.clone())),
            )
            .map_err(|_| refused("mail_message_invalid"))
    }

    /// Derived from the content, so that it is the same every time and no content can hold it by accident.
    fn boundary(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.message_id, &self.content.text, &self.content.html] {
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        digest.iter().take(15).fold("=_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// The last second of the year 9999, the last one that a `Date` header can hold.
const MAX_DATE_S: u64 = 253_402_300_799;

fn refused(code: &'static str) -> MailError {
    MailError::Permanent { code, reply: None }
}

/// RFC 3834: keeps holiday responders quiet.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use lettre::message::Mailbox;

    use super::{Mail, message_id};
    use crate::effects::mail::templates::Rendered;

    fn mail() -> Mail {
        Mail {
            to: "ada@example.com".to_owned(),
            message_id: message_id("ntf_1", "shop.example"),
            date_s: 1_700_000_000,
            content: Rendered {
                subject: "Your order 7".to_owned(),
                text: "Thank you.".to_owned(),
                html: "<p>Thank you.</p>".to_owned(),
            },
        }
    }

    fn from() -> Mailbox {
        "Tea Shop <shop@example.com>".parse().unwrap()
    }

    fn headers_of(mail: &Mail) -> String {
        let raw = String::from_utf8(mail.message(&from()).unwrap().formatted()).unwrap();
        raw.split("\r\n\r\n").next().unwrap().to_owned()
    }

    #[test]
    fn the_same_mail_is_the_same_bytes() {
        let once = mail().message(&from()).unwrap().formatted();
        assert_eq!(once, mail().message(&from()).unwrap().formatted());
        let mut other = mail();
        other.content.text.push('!');
        assert_ne!(other.boundary(), mail().boundary(), "what a mail says cannot end its own parts");
        let headers = headers_of(&mail());
        assert!(headers.contains("Message-ID: <ntf_1@shop.example>"), "{headers}");
        assert!(headers.contains("Date: Tue, 14 Nov 2023 22:13:20 +0000"), "{headers}");
        assert!(headers.contains("Auto-Submitted: auto-generated"), "{headers}");
    }

    #[test]
    fn no_field_can_add_a_header() {
        let mut subject = mail();
        subject.content.subject = "Order\r\nBcc: eve@example.com\r\n\r\nbody".to_owned();
        let headers = headers_of(&subject);
        assert!(!headers.lines().any(|line| line.starts_with("Bcc:") || line == "body"), "{headers}");
        for address in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>",
            "",
            "ada",
        ] {
            let mail = Mail { to: address.to_owned(), ..mail() };
            assert_eq!(mail.message(&from()).unwrap_err().code(), "mail_address_invalid", "{address:?}");
        }
        for id in ["<a@b>\r\nBcc: x", "a@b", "<a b@c>", "<>", ""] {
            let mail = Mail { message_id: id.to_owned(), ..mail() };
            assert_eq!(mail.message(&from()).unwrap_err().code(), "mail_message_id_invalid", "{id:?}");
        }
        assert_eq!(message_id("a\r\nBcc: x", "d>\n"), "<aBccx@d>");
    }
}
