//! Client secrets as argon2id hashes (RFC 9106). Hashing takes much memory and time by design, so it runs off the async
//! threads, a few at once, and an unknown client costs the same as a known one.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::clock::{NoRandomness, random};
use crate::telemetry::Redacted;

/// Hashes at once: each takes 19 MiB (the default of RFC 9106's second choice, as OWASP has it) and a core.
const AT_ONCE: usize = 2;
/// Requests that wait for their turn; one more is refused.
const WAITING: usize = 64;

/// Why a secret could not be hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many secrets are being checked")]
    Busy,
    #[error("the hash could not be computed")]
    Failed,
}

/// Hashes and checks secrets.
#[derive(Debug, Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What a secret of an unknown client is compared with.
    nobody: Arc<str>,
}

impl Passwords {
    /// Takes as long as one hash.
    ///
    /// # Errors
    /// When the operating system gives no randomness, or the hash cannot be computed.
    pub fn new() -> Result<Self, PasswordError> {
        let secret = generate().map_err(|_| PasswordError::Failed)?;
        Ok(Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            nobody: hash_now(secret.reveal())?.into(),
        })
    }

    /// The PHC string of a secret.
    ///
    /// # Errors
    /// When too many wait, or the hash cannot be computed.
    pub async fn hash(&self, secret: Redacted<String>) -> Result<String, PasswordError> {
        self.in_turn(move || hash_now(secret.reveal())).await?
    }

    /// Whether `secret` is the one of `hash`; with `None` the answer is no, after the same work.
    ///
    /// # Errors
    /// When too many wait.
    pub async fn verify(
        &self,
        secret: Redacted<String>,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let nobody = Arc::clone(&self.nobody);
        self.in_turn(move || {
            let known = hash.is_some();
            let text = Zeroizing::new(hash.unwrap_or_else(|| nobody.to_string()));
            let matches = PasswordHash::new(&text).is_ok_and(|hash| {
                Argon2::default().verify_password(secret.reveal().as_bytes(), &hash).is_ok()
            });
            matches && known
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work, not by the request: a request that goes away does not make room for another hash.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| PasswordError::Failed)
    }
}

/// A fresh client secret: 43 characters of base64url, 256 bits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn generate() -> Result<Redacted<String>, NoRandomness> {
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Redacted::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

fn hash_now(secret: &str) -> Result<String, PasswordError> {
    let salt = random::<16>().map_err(|_| PasswordError::Failed)?;
    let hash = Argon2::default().hash_password_with_salt(secret.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| PasswordError::Failed)
}

#[cfg(test)]
mod tests {
    use super::{Passwords, generate};
    use crate::telemetry::Redacted;

    #[tokio::test]
    async fn only_the_secret_itself_is_right() {
        let passwords = Passwords::new().unwrap();
        let secret = generate().unwrap();
        let hash = passwords.hash(secret.clone()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(secret.clone(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(Redacted::new("guess".to_owned()), Some(hash)).await.unwrap());
        assert!(!passwords.verify(secret.clone(), None).await.unwrap());
        assert!(!passwords.verify(secret, Some("no hash".to_owned())).await.unwrap());
    }
}
