//! Secrets that the node makes for others. The secret of a request with an `Idempotency-Key` is derived from the hash
//! of that key, so that the same request gets the same secret again, on any node, and none is ever stored.

use shop::command::Dedupe;
use zeroize::Zeroizing;

use crate::clock::{NoRandomness, random};
use crate::secrets::{DerivedKey, Purpose, SealError, SealKey};

/// Makes secrets of 256 bits.
#[derive(Debug, Clone)]
pub struct Minted(DerivedKey);

impl Minted {
    /// # Errors
    /// When the cryptographic library refuses.
    pub fn new(seal: &SealKey) -> Result<Self, SealError> {
        Ok(Self(seal.derive(Purpose::MintedSecret)?))
    }

    /// The secret for a request: the same for the same idempotency key and body, else a random one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn secret(&self, dedupe: &Dedupe) -> Result<Zeroizing<[u8; 32]>, NoRandomness> {
        match dedupe {
            Dedupe::Key { scope, fingerprint } => {
                let message = [scope.as_slice(), fingerprint.as_slice()].concat();
                Ok(Zeroizing::new(self.0.sign(&message)))
            }
            Dedupe::Request | Dedupe::Idempotent => Ok(Zeroizing::new(random::<32>()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use shop::command::Dedupe;

    use super::Minted;
    use crate::secrets::SealKey;

    #[test]
    fn a_repeated_request_gets_the_same_secret() {
        let directory = tempfile::tempdir().unwrap();
        let minted = Minted::new(&SealKey::create(directory.path()).unwrap()).unwrap();
        let of = |scope, fingerprint| *minted.secret(&Dedupe::Key { scope, fingerprint }).unwrap();
        assert_eq!(of([1; 32], [2; 32]), of([1; 32], [2; 32]));
        assert_ne!(of([1; 32], [2; 32]), of([2; 32], [2; 32]));
        assert_ne!(of([1; 32], [2; 32]), of([1; 32], [1; 32]));
        assert_ne!(*minted.secret(&Dedupe::Request).unwrap(), *minted.secret(&Dedupe::Request).unwrap());
    }
}
