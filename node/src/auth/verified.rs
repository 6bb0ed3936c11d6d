//! Access tokens whose signature was good, so that it is checked once and not with every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::token::Claims;

/// Tokens that are remembered, of about half a kilobyte each. One more makes all be forgotten.
const REMEMBERED: usize = 4_096;

/// What verified tokens say, by the SHA-256 of the token: who does not have the token cannot feel his way to one.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<[u8; 32], Arc<Claims>>>);

impl Verified {
    pub(super) fn get(&self, sha256: &[u8; 32]) -> Option<Arc<Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    pub(super) fn remember(&self, sha256: [u8; 32], claims: Arc<Claims>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(sha256, claims);
    }
}
