//! Join tokens as people copy them: `shopnode-join_`, the 26 characters of the token's id, `_`, and 114 characters of
//! base64url:
//!
//! ```text
//! version u8 = 1 | secret 32 | SHA-256 of the authority's SubjectPublicKeyInfo 32 | cluster 16 | check 4
//! ```
//!
//! The check is the beginning of a SHA-256 of all before it: a token that was copied badly is told from one of somebody
//! who sits in between. The state holds the SHA-256 of the secret, which is random: a slow hash would protect nothing.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use net::{ClusterId, Pin};
use sha2::{Digest, Sha256};
use shop::ids::JoinTokenId;
use zeroize::Zeroizing;

use crate::clock::{NoRandomness, random};

/// What every token begins with: secret scanners look for it.
const PREFIX: &str = "shopnode-join_";
const VERSION: u8 = 1;
const BODY_BYTES: usize = 81;
const CHECK_BYTES: usize = 4;

/// The secret of one token.
#[derive(Clone)]
pub struct JoinSecret(pub Zeroizing<[u8; 32]>);

impl JoinSecret {
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<JoinSecret, NoRandomness> {
        Ok(JoinSecret(Zeroizing::new(random::<32>()?)))
    }

    /// What the state keeps.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret")
    }
}

/// All that a machine needs to know of a cluster to join it, but for an address.
#[derive(Debug, Clone)]
pub struct JoinTokenText {
    pub id: JoinTokenId,
    pub secret: JoinSecret,
    pub pin: Pin,
}

impl JoinTokenText {
    /// The text that is shown once.
    pub fn text(&self) -> String {
        let id = self.id.to_string();
        let id = id.strip_prefix(JoinTokenId::PREFIX).unwrap_or(&id);
        let mut body = Zeroizing::new(Vec::with_capacity(BODY_BYTES + CHECK_BYTES));
        body.push(VERSION);
        body.extend_from_slice(self.secret.0.as_slice());
        body.extend_from_slice(&self.pin.authority_sha256);
        body.extend_from_slice(&self.pin.cluster.0);
        let check = check(&self.id, &body);
        body.extend_from_slice(&check);
        format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(body.as_slice()))
    }
}

/// Why a text is no join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseTokenError {
    #[error(
        "this is no join token, or not all of one: copy it whole, from `shopnode-join_` to its end [token_malformed]"
    )]
    Malformed,
    #[error("this token is of a newer version of shopnode: install that here first [token_newer]")]
    Newer,
}

impl FromStr for JoinTokenText {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<JoinTokenText, ParseTokenError> {
        let malformed = ParseTokenError::Malformed;
        let (id, body) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(malformed)?;
        let id: JoinTokenId = format!("{}{id}", JoinTokenId::PREFIX).parse().map_err(|_| malformed)?;
        let body = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| malformed)?);
        if body.first().is_some_and(|version| *version > VERSION) {
            return Err(ParseTokenError::Newer);
        }
        let (body, found) = body.split_at_checked(BODY_BYTES).ok_or(malformed)?;
        if body[0] != VERSION || found != check(&id, body) {
            return Err(malformed);
        }
        let (mut secret, mut authority_sha256) = (Zeroizing::new([0; 32]), [0; 32]);
        let mut cluster = [0; 16];
        secret.copy_from_slice(&body[1..33]);
        authority_sha256.copy_from_slice(&body[33..65]);
        cluster.copy_from_slice(&body[65..]);
        let pin = Pin { authority_sha256, cluster: ClusterId(cluster) };
        Ok(JoinTokenText { id, secret: JoinSecret(secret), pin })
    }
}

fn check(id: &JoinTokenId, body: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::new().chain_update(id.0).chain_update(body).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use net::{ClusterId, Pin};
    use shop::ids::JoinTokenId;
    use zeroize::Zeroizing;

    use super::{JoinSecret, JoinTokenText, ParseTokenError};

    fn token() -> JoinTokenText {
        JoinTokenText {
            id: JoinTokenId([7; 16]),
            secret: JoinSecret(Zeroizing::new([1; 32])),
            pin: Pin { authority_sha256: [2; 32], cluster: ClusterId([3; 16]) },
        }
    }

    #[test]
    fn a_text_leads_back_to_its_token() {
        let text = token().text();
        // Printed tokens are in use for a day: their form is pinned.
        let begin =
            "shopnode-join_070w3ge1r70w3ge1r70w3ge1r7_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAgIC";
        assert!(text.starts_with(begin), "{text}");
        assert_eq!(text.len(), 14 + 26 + 1 + 114);
        let read: JoinTokenText = text.parse().unwrap();
        assert_eq!((read.id, read.pin), (token().id, token().pin));
        assert_eq!(read.secret.hash(), token().secret.hash());
        assert_eq!(format!("{:?}", read.secret), "JoinSecret");
    }

    #[test]
    fn a_badly_copied_one_is_told() {
        let text = token().text();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<JoinTokenText>().is_err(), "{changed}");
            assert_eq!(text[..at].parse::<JoinTokenText>().unwrap_err(), ParseTokenError::Malformed);
        }
    }
}
