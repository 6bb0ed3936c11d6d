//! API keys: `sk_`, the 26 characters of the key's id, `_`, 43 characters of base64url of 32 random bytes. The state
//! holds the SHA-256 of those bytes: they are random, so that a slow hash would protect nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use shop::ids::ApiKeyId;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::clock::{NoRandomness, random};

/// What every key begins with: secret scanners look for it.
const PREFIX: &str = "sk_";

/// The secret of one key.
pub struct ApiKeySecret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeySecret")
    }
}

impl ApiKeySecret {
    /// The key of a secret that was made for it: see [`super::Minted`].
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self(secret)
    }

    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(random::<32>()?)))
    }

    /// What the state keeps.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }

    /// The text that is shown once.
    pub fn text(&self, id: ApiKeyId) -> String {
        let id = id.to_string();
        let id = id.strip_prefix(ApiKeyId::PREFIX).unwrap_or(&id);
        format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// The id and the secret of a text; `None` if it is no API key.
    pub fn parse(text: &str) -> Option<(ApiKeyId, Self)> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let id = format!("{}{id}", ApiKeyId::PREFIX).parse().ok()?;
        let secret: [u8; 32] =
            Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?).as_slice().try_into().ok()?;
        Some((id, Self(Zeroizing::new(secret))))
    }

    /// Whether this is the secret of the stored hash, in constant time.
    pub fn matches(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

#[cfg(test)]
mod tests {
    use shop::ids::ApiKeyId;

    use super::ApiKeySecret;

    #[test]
    fn a_key_s_text_leads_back_to_it() {
        let secret = ApiKeySecret::generate().unwrap();
        let text = secret.text(ApiKeyId([7; 16]));
        assert_eq!(text.len(), 3 + 26 + 1 + 43);
        let (id, read) = ApiKeySecret::parse(&text).unwrap();
        assert_eq!(id, ApiKeyId([7; 16]));
        assert!(read.matches(&secret.hash()));
        assert!(!read.matches(&ApiKeySecret::generate().unwrap().hash()));
        for wrong in ["", "sk_", "sk_x_y", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
            assert!(ApiKeySecret::parse(wrong).is_none(), "{wrong}");
        }
    }
}
