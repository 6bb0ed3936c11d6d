//! The mails that were caught, newest last, and what a list shows of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// Mails kept.
const MAX_MAILS: usize = 1000;
/// Bytes kept of all mails together; whichever bound is reached first makes the oldest go.
const MAX_BYTES: usize = 128 * 1024 * 1024;
const MAX_SHOWN_CHARS: usize = 500;

/// One mail.
#[derive(Serialize)]
pub(super) struct Mail {
    /// 1, 2, 3… in the order of arrival, over everything that ever came.
    pub number: u64,
    /// The envelope's sender; empty for a bounce.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: String,
    #[serde(skip)]
    pub raw: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Mailbox(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    mails: VecDeque<Arc<Mail>>,
    bytes: usize,
    caught: u64,
}

impl Mailbox {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a mail and returns its number.
    pub(super) fn put(&self, from: String, to: Vec<String>, raw: Vec<u8>) -> u64 {
        let (subject, message_id) = (header(&raw, "subject"), header(&raw, "message-id"));
        let mut kept = self.kept();
        kept.caught += 1;
        let number = kept.caught;
        kept.bytes += raw.len();
        kept.mails.push_back(Arc::new(Mail { number, from, to, subject, message_id, raw }));
        while kept.mails.len() > MAX_MAILS || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.mails.pop_front() else { break };
            kept.bytes -= oldest.raw.len();
        }
        number
    }

    /// All that are kept, oldest first.
    pub(super) fn list(&self) -> Vec<Arc<Mail>> {
        self.kept().mails.iter().cloned().collect()
    }

    /// One of them.
    pub(super) fn get(&self, number: u64) -> Option<Arc<Mail>> {
        self.kept().mails.iter().find(|mail| mail.number == number).cloned()
    }
}

/// The first header of that name, unfolded and decoded (RFC 5322, RFC 2047); empty if there is none.
fn header(raw: &[u8], name: &str) -> String {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(raw.len());
    let head = String::from_utf8_lossy(&raw[..end]).replace("\r\n ", " ").replace("\r\n\t", " ");
    let value = head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    decode_words(&value.unwrap_or_default()).chars().take(MAX_SHOWN_CHARS).collect()
}

/// Encoded words; the space between two of them is no space.
fn decode_words(text: &str) -> String {
    let mut decoded = String::new();
    let mut after_word = false;
    for part in text.split(' ') {
        let word = decode_word(part);
        let between_words = after_word && word.is_some();
        if !decoded.is_empty() && !between_words {
            decoded.push(' ');
        }
        after_word = word.is_some();
        decoded.push_str(word.as_deref().unwrap_or(part));
    }
    decoded
}

/// `=?utf-8?b?…?=` or `=?utf-8?q?…?=`; other character sets stay as they are.
fn decode_word(word: &str) -> Option<String> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inner.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "b" | "B" => BASE64_STANDARD.decode(text).ok()?,
        "q" | "Q" => quoted(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let (high, low) =
                    ((rest.next()? as char).to_digit(16)?, (rest.next()? as char).to_digit(16)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{MAX_MAILS, Mailbox, header};

    #[test]
    fn headers_read_as_people_wrote_them() {
        let check = |raw: &str, expect: &str| assert_eq!(header(raw.as_bytes(), "subject"), expect, "{raw}");
        check("Subject: Hello\r\n\r\nSubject: no", "Hello");
        check("To: a\r\nSUBJECT:  Hello\r\n there\r\n\r\n", "Hello there");
        check("Subject: =?utf-8?b?R3LDvG4=?=\r\n\r\n", "Grün");
        check("Subject: =?utf-8?b?R3LDvG4=?= =?utf-8?q?_tee=21?= x\r\n\r\n", "Grün tee! x");
        check("Subject: =?utf-8?b?%%?= =?utf-8?q?=?=\r\n\r\n", "=?utf-8?b?%%?= =?utf-8?q?=?=");
        check("X: y\r\n\r\nSubject: no", "");
        check("", "");
    }

    #[test]
    fn the_oldest_go_first() {
        let mailbox = Mailbox::default();
        for _ in 0..MAX_MAILS + 5 {
            mailbox.put(String::new(), Vec::new(), b"x".to_vec());
        }
        let list = mailbox.list();
        assert_eq!((list.len(), list[0].number), (MAX_MAILS, 6));
        assert!(mailbox.get(5).is_none() && mailbox.get(6).is_some());
    }
}
