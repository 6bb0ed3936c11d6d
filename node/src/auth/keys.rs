//! The keys that requests are checked with, in memory: opened once, read often.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use shop::Timestamp;

use super::guest::GuestTokens;
use super::minted::Minted;
use super::password::{PasswordError, Passwords};
use super::signing::SigningKeys;
use crate::secrets::{SealError, SealKey};

/// Everything that makes or checks credentials.
pub struct Keys {
    pub seal: Arc<SealKey>,
    pub guests: GuestTokens,
    pub passwords: Passwords,
    pub minted: Minted,
    /// What tokens are for (`aud`): the same on every node of the cluster.
    pub audience: String,
    /// Whom tokens are from, if one name for the whole cluster is configured; else any node of it.
    pub issuer: Option<String>,
    /// The signing keys, once they were read from the state.
    pub(super) signing: ArcSwapOption<ReadKeys>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The signing keys as they were read from the state.
pub(super) struct ReadKeys {
    pub keys: Arc<SigningKeys>,
    /// [`Known::signing_epoch`](super::Known::signing_epoch) before they were read.
    pub epoch: u64,
    /// When the first of them that was retired is good for nothing any more.
    pub until: Option<Timestamp>,
}

impl ReadKeys {
    /// Whether they are still those of the state.
    pub(super) fn are_current(&self, epoch: u64, now: Timestamp) -> bool {
        self.epoch == epoch && self.until.is_none_or(|until| now <= until)
    }
}

/// Why the keys cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the seal key: {0}")]
    Seal(#[from] SealError),
    #[error("a secret could not be hashed: {0}")]
    Password(#[from] PasswordError),
}

impl Keys {
    /// `public_url` is the configured one, if there is one.
    ///
    /// # Errors
    /// When the cryptographic library or the operating system refuses.
    pub fn new(seal: Arc<SealKey>, cluster: &str, public_url: Option<String>) -> Result<Self, KeysError> {
        Ok(Self {
            guests: GuestTokens::new(&seal)?,
            passwords: Passwords::new()?,
            minted: Minted::new(&seal)?,
            audience: format!("urn:shopnode:{cluster}"),
            issuer: public_url,
            signing: ArcSwapOption::empty(),
            seal,
        })
    }
}
