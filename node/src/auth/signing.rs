//! The keys that sign access tokens: Ed25519 (RFC 8032, RFC 8037). The private half is in the replicated state, sealed;
//! the public half is published as a JSON Web Key Set (RFC 7517).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::verified::Verified;
use crate::secrets::{SealError, SealKey};

/// A fresh key, as a command may carry it.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// The JWK thumbprint (RFC 7638), base64url.
    pub id: String,
    pub public: [u8; 32],
    /// PKCS #8, sealed for [`place`].
    pub sealed: Vec<u8>,
}

/// Makes a signing key.
///
/// # Errors
/// When there is no randomness, or it cannot be sealed.
pub fn new_signing_key(seal: &SealKey) -> Result<NewSigningKey, SealError> {
    let pair = Ed25519KeyPair::generate().map_err(|_| SealError::Refused)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| SealError::Refused)?;
    let mut public = [0; 32];
    public.copy_from_slice(pair.public_key().as_ref());
    let id = thumbprint(&public);
    let sealed = seal.seal(&place(&id), pkcs8.as_ref())?;
    Ok(NewSigningKey { id, public, sealed })
}

/// Where a private key is sealed to.
fn place(id: &str) -> String {
    format!("signing-key/{id}")
}

/// The keys of this shop, opened.
#[derive(Default)]
pub struct SigningKeys {
    newest: Option<(String, EncodingKey)>,
    public: Vec<(String, [u8; 32])>,
    /// What these keys have verified. It goes with them: a key that is retired has verified nothing.
    verified: Verified,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// Takes the keys of the state, oldest first: `(id, public, sealed)`. If `signs`, the last one signs.
    ///
    /// # Errors
    /// When that one cannot be opened with this node's seal key.
    pub fn open(
        keys: Vec<(String, [u8; 32], Vec<u8>)>,
        signs: bool,
        seal: &SealKey,
    ) -> Result<Self, SealError> {
        let newest = match keys.last().filter(|_| signs) {
            Some((id, _, sealed)) => {
                let pkcs8: Zeroizing<Vec<u8>> = seal.open(&place(id), sealed)?;
                Some((id.clone(), EncodingKey::from_ed_der(&pkcs8)))
            }
            None => None,
        };
        let public = keys.into_iter().map(|(id, public, _)| (id, public)).collect();
        Ok(Self { newest, public, verified: Verified::default() })
    }

    /// The key that signs, and its id.
    pub fn signer(&self) -> Option<(&str, &EncodingKey)> {
        self.newest.as_ref().map(|(id, key)| (id.as_str(), key))
    }

    /// The key that checks what `id` signed.
    pub fn verifier(&self, id: &str) -> Option<DecodingKey> {
        let (_, public) = self.public.iter().find(|(known, _)| known == id)?;
        DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public)).ok()
    }

    /// The tokens that these keys have verified.
    pub(super) fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The public keys, as published.
    pub fn published(&self) -> Vec<Jwk> {
        self.public.iter().map(|(id, public)| Jwk::of(id, public)).collect()
    }
}

/// A public key (RFC 8037, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    #[schema(example = "OKP")]
    pub kty: String,
    #[schema(example = "Ed25519")]
    pub crv: String,
    #[schema(example = "EdDSA")]
    pub alg: String,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub usage: String,
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
}

impl Jwk {
    fn of(id: &str, public: &[u8; 32]) -> Self {
        Self {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            alg: "EdDSA".into(),
            usage: "sig".into(),
            kid: id.into(),
            x: URL_SAFE_NO_PAD.encode(public),
        }
    }
}

/// RFC 7638: the hash of the required members, in lexicographic order, without white space.
fn thumbprint(public: &[u8; 32]) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(public));
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{SigningKeys, new_signing_key, thumbprint};
    use crate::secrets::SealKey;

    /// RFC 8037, appendix A.3.
    #[test]
    fn the_thumbprint_is_that_of_the_standard() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let public = public.try_into().unwrap();
        assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_opens_only_where_it_was_sealed() {
        let directory = tempfile::tempdir().unwrap();
        let seal = SealKey::create(directory.path()).unwrap();
        let (one, two) = (new_signing_key(&seal).unwrap(), new_signing_key(&seal).unwrap());
        let keys =
            vec![(one.id.clone(), one.public, one.sealed), (two.id.clone(), two.public, two.sealed.clone())];
        let keys = SigningKeys::open(keys, true, &seal).unwrap();
        assert_eq!(keys.signer().unwrap().0, two.id, "the newest signs");
        assert!(keys.verifier(&one.id).is_some(), "the older one is still good for checking");
        assert_eq!(keys.published().len(), 2);
        assert!(SigningKeys::open(vec![(one.id, one.public, two.sealed)], true, &seal).is_err());
    }
}
