//! Keys of one purpose each, derived from the seal key: every node has the same ones, and none is ever stored.

use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{KEY_BYTES, SealError, SealKey};

/// What a derived key is for. The label goes into the derivation: changing one voids everything signed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The token with which a guest reads an order.
    OrderToken,
    /// The token with which a guest holds a cart.
    CartToken,
    /// Secrets that are made for clients: see `auth::Minted`.
    MintedSecret,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Purpose::OrderToken => "order-token",
            Purpose::CartToken => "cart-token",
            Purpose::MintedSecret => "minted-secret",
        }
    }
}

/// A key for HMAC-SHA256 (RFC 2104) under one purpose.
#[derive(Clone)]
pub struct DerivedKey(hmac::Key);

impl DerivedKey {
    /// The tag of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        tag
    }

    /// Whether `tag` is that of `message`, in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey")
    }
}

struct DerivedBytes;

impl KeyType for DerivedBytes {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl SealKey {
    /// The key for one purpose, by HKDF-SHA256 (RFC 5869).
    ///
    /// # Errors
    /// When the cryptographic library refuses: never a key that is not one.
    pub fn derive(&self, purpose: Purpose) -> Result<DerivedKey, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let secret = Salt::new(HKDF_SHA256, b"shopnode derived keys, 1").extract(self.key.as_slice());
        let info = [purpose.label().as_bytes()];
        secret
            .expand(&info, DerivedBytes)
            .and_then(|key| key.fill(bytes.as_mut_slice()))
            .map_err(|_| SealError::Refused)?;
        Ok(DerivedKey(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice())))
    }
}
