//! Sealed bytes: `[version 1][key id, 4 bytes][nonce, 12 bytes][ciphertext][tag, 16 bytes]`, AES-256-GCM.
//!
//! This form is on disks and in snapshots. A new one gets a new version; this one stays readable.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{KeyId, SealKey};
use crate::clock::{NoRandomness, random};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + NONCE_LEN;

/// Why something cannot be sealed or opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(
        "sealed with key {sealed_with}, this node has {present}: its seal.key is another cluster's or an old one"
    )]
    OtherKey { sealed_with: KeyId, present: KeyId },
    #[error("sealed in form {0}, which this binary does not know: it is older than what wrote it")]
    NewerForm(u8),
    #[error("the sealed bytes are damaged, or are those of another object")]
    Damaged,
    #[error("the cryptographic library refused the key or the length")]
    Refused,
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl SealKey {
    /// Encrypts `plain` and binds it to `place`: opened at another place it is [`SealError::Damaged`], so that sealed
    /// bytes cannot be moved from one record to another.
    ///
    /// A random nonce of 96 bits allows 2^32 seals for each key (NIST SP 800-38D, 8.3): far more than a shop has secrets.
    ///
    /// # Errors
    /// When there is no randomness, or the cryptographic library refuses.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plain.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(place), &mut body)
            .map_err(|_| SealError::Refused)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Decrypts what [`SealKey::seal`] made for the same place.
    ///
    /// # Errors
    /// When it was sealed with another key, by a newer binary, or is not what was sealed for this place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or(SealError::Damaged)?;
        if header[0] != VERSION {
            return Err(SealError::NewerForm(header[0]));
        }
        let mut sealed_with = [0; 4];
        sealed_with.copy_from_slice(&header[1..5]);
        let sealed_with = KeyId(sealed_with);
        if sealed_with != self.id {
            return Err(SealError::OtherKey { sealed_with, present: self.id });
        }
        let nonce = Nonce::try_assume_unique_for_key(&header[5..]).map_err(|_| SealError::Damaged)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let length = self
            .cipher()?
            .open_in_place(nonce, bound_to(place), &mut plain)
            .map_err(|_| SealError::Damaged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, self.key.as_slice()).map_err(|_| SealError::Refused)?;
        Ok(LessSafeKey::new(key))
    }
}

fn bound_to(place: &str) -> Aad<&[u8]> {
    Aad::from(place.as_bytes())
}
