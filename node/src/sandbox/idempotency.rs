//! Answers that are given again under the same key.
//!
//! Source: <https://docs.stripe.com/api/idempotent_requests>. What was executed is remembered, error or not; what was
//! refused before that is not.

use std::collections::HashMap;

use axum::http::StatusCode;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::refusal::Refusal;

/// Keys kept. Stripe forgets them after a day; the sandbox does when it is told to.
const MAX_KEYS: usize = 500_000;

/// An answer as it went out, or would have.
#[derive(Clone)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Bytes,
}

struct Stored {
    fingerprint: [u8; 32],
    answer: Answer,
    /// Until then the first request is still running.
    ready: Instant,
}

#[derive(Default)]
pub(super) struct Answers(HashMap<String, Stored>);

/// What a request is, apart from its key.
pub(super) fn fingerprint(path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

impl Answers {
    /// The answer to give again, if this request was executed before.
    pub(super) fn replay(
        &self,
        key: &str,
        fingerprint: &[u8; 32],
        now: Instant,
    ) -> Result<Option<Answer>, Refusal> {
        match self.0.get(key) {
            None if self.0.len() >= MAX_KEYS => Err(Refusal::full()),
            None => Ok(None),
            Some(stored) if stored.fingerprint != *fingerprint => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "idempotency_error",
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            )),
            Some(stored) if stored.ready > now => Err(Refusal::new(
                StatusCode::CONFLICT,
                "idempotency_error",
                "idempotency_key_in_use",
                "There is another request in progress using this idempotency key.",
            )),
            Some(stored) => Ok(Some(stored.answer.clone())),
        }
    }

    /// Remembers what was executed, before anybody sees the answer.
    pub(super) fn remember(&mut self, key: &str, fingerprint: [u8; 32], answer: Answer, ready: Instant) {
        self.0.insert(key.to_owned(), Stored { fingerprint, answer, ready });
    }
}
