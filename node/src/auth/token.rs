//! Access tokens: JSON Web Tokens in the profile of RFC 9068, signed with EdDSA. The algorithm is bound to the key, not
//! read from the token.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::signing::SigningKeys;
use crate::clock::random;

/// How long a token may be valid: a quarter of an hour.
pub const MOST_LIFETIME_S: u64 = 15 * 60;
/// How far two nodes' clocks may be apart.
const LEEWAY_S: u64 = 30;
const TYPE: &str = "at+jwt";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: u64,
    pub iat: u64,
    pub jti: String,
    pub client_id: String,
    pub scope: String,
}

/// Why a token is not accepted. The client learns no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it is not an access token of this shop")]
    NotOurs,
    #[error("it has expired")]
    Expired,
    #[error("there is no key to sign with")]
    NoKey,
}

/// Signs a token for a client.
///
/// # Errors
/// Without a signing key or randomness.
pub fn issue(
    keys: &SigningKeys,
    (issuer, audience): (&str, &str),
    (client, scope): (&str, &str),
    now_s: u64,
) -> Result<String, TokenError> {
    let (id, key) = keys.signer().ok_or(TokenError::NoKey)?;
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(id.to_owned());
    let claims = Claims {
        iss: issuer.to_owned(),
        sub: client.to_owned(),
        aud: audience.to_owned(),
        exp: now_s + MOST_LIFETIME_S,
        iat: now_s,
        jti: URL_SAFE_NO_PAD.encode(random::<16>().map_err(|_| TokenError::NoKey)?),
        client_id: client.to_owned(),
        scope: scope.to_owned(),
    };
    encode(&header, &claims, key).map_err(|_| TokenError::NoKey)
}

/// The id of the key that signed a token, if it has the form of one of ours.
pub fn key_id(token: &str) -> Option<String> {
    let header = decode_header(token).ok()?;
    let ours = header.alg == Algorithm::EdDSA && header.typ.as_deref() == Some(TYPE) && header.crit.is_none();
    header.kid.filter(|_| ours)
}

/// A token as it came, with the hash by which one that was verified before is known again.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    text: &'a str,
    sha256: [u8; 32],
}

impl<'a> Presented<'a> {
    pub fn new(text: &'a str) -> Presented<'a> {
        Presented { text, sha256: Sha256::digest(text).into() }
    }

    /// Whether these keys have verified it before.
    pub fn is_known_to(&self, keys: &SigningKeys) -> bool {
        keys.verified().get(&self.sha256).is_some()
    }
}

/// Checks a token's signature, type, audience and times; with `issuer` also that. The signature of one that was good
/// before is not checked again: that costs more than the rest of a request's checks together.
///
/// # Errors
/// When any of them is wrong.
pub fn check(
    keys: &SigningKeys,
    (issuer, audience): (Option<&str>, &str),
    token: Presented<'_>,
    now_s: u64,
) -> Result<Arc<Claims>, TokenError> {
    let claims = match keys.verified().get(&token.sha256) {
        Some(claims) => claims,
        None => {
            let claims = Arc::new(signed(keys, token.text)?);
            keys.verified().remember(token.sha256, claims.clone());
            claims
        }
    };
    if claims.exp <= now_s {
        return Err(TokenError::Expired);
    }
    let is_for_us = claims.aud == audience && issuer.is_none_or(|issuer| claims.iss == issuer);
    let is_short = claims.exp.saturating_sub(claims.iat) <= MOST_LIFETIME_S;
    if !is_for_us || !is_short || claims.iat > now_s + LEEWAY_S || claims.sub != claims.client_id {
        return Err(TokenError::NotOurs);
    }
    Ok(claims)
}

/// What a token says, if one of the keys signed it.
fn signed(keys: &SigningKeys, token: &str) -> Result<Claims, TokenError> {
    let id = key_id(token).ok_or(TokenError::NotOurs)?;
    let key = keys.verifier(&id).ok_or(TokenError::NotOurs)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // What it says is checked by the caller, at every use and by the node's one clock.
    validation.validate_aud = false;
    validation.validate_exp = false;
    Ok(decode::<Claims>(token, &key, &validation).map_err(|_| TokenError::NotOurs)?.claims)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

    use super::{Claims, MOST_LIFETIME_S, Presented, SigningKeys, TokenError, issue};
    use crate::auth::new_signing_key;
    use crate::secrets::SealKey;

    const US: (&str, &str) = ("http://shop", "urn:shop");
    const NOW: u64 = 1_800_000_000;

    fn check(
        keys: &SigningKeys,
        expected: (Option<&str>, &str),
        token: &str,
        now_s: u64,
    ) -> Result<Claims, TokenError> {
        let check = || super::check(keys, expected, Presented::new(token), now_s);
        let first = check().map(|claims| (*claims).clone());
        // One that is known is judged as it was when it was not.
        assert_eq!(check().map(|claims| (*claims).clone()), first, "{token}");
        first
    }

    fn keys() -> SigningKeys {
        let directory = tempfile::tempdir().unwrap();
        let seal = SealKey::create(directory.path()).unwrap();
        let key = new_signing_key(&seal).unwrap();
        SigningKeys::open(vec![(key.id, key.public, key.sealed)], true, &seal).unwrap()
    }

    #[test]
    fn a_token_is_good_here_and_for_a_while() {
        let keys = keys();
        let token = issue(&keys, US, ("cli_1", "orders:place"), NOW).unwrap();
        let check_at =
            |issuer, audience, now| check(&keys, (issuer, audience), &token, now).map(|claims| claims.scope);
        assert_eq!(check_at(Some(US.0), US.1, NOW), Ok("orders:place".to_owned()));
        assert_eq!(check_at(None, US.1, NOW + MOST_LIFETIME_S - 1), Ok("orders:place".to_owned()));
        assert_eq!(check_at(None, US.1, NOW + MOST_LIFETIME_S), Err(TokenError::Expired));
        assert_eq!(check_at(None, US.1, NOW - 60), Err(TokenError::NotOurs), "from the future");
        assert_eq!(check_at(None, "urn:other", NOW), Err(TokenError::NotOurs));
        assert_eq!(check_at(Some("http://other"), US.1, NOW), Err(TokenError::NotOurs));
        assert_eq!(
            check(&super::SigningKeys::default(), (None, US.1), &token, NOW),
            Err(TokenError::NotOurs)
        );
    }

    #[test]
    fn a_token_is_known_to_the_keys_that_verified_it() {
        let (keys, others) = (keys(), keys());
        let token = issue(&keys, US, ("cli_1", "orders:place"), NOW).unwrap();
        let presented = Presented::new(&token);
        assert!(!presented.is_known_to(&keys));
        check(&keys, (None, US.1), &token, NOW).unwrap();
        assert!(presented.is_known_to(&keys) && !presented.is_known_to(&others));
        assert_eq!(check(&others, (None, US.1), &token, NOW), Err(TokenError::NotOurs));
        let (signed, _) = token.rsplit_once('.').unwrap();
        assert!(!Presented::new(signed).is_known_to(&keys));
    }

    #[test]
    fn the_token_does_not_choose_how_it_is_checked() {
        let keys = keys();
        let token = issue(&keys, US, ("cli_1", "orders:place"), NOW).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let (id, signer) = keys.signer().unwrap();
        let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let with_header = |change: &dyn Fn(String) -> String| {
            format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(change(text(header))))
        };
        let forged: Claims = serde_json::from_str(&text(claims)).unwrap();
        let sign = |typ: &str, kid: &str, alg, claims: &Claims, key: &EncodingKey| {
            let mut header = Header::new(alg);
            (header.typ, header.kid) = (Some(typ.to_owned()), Some(kid.to_owned()));
            encode(&header, claims, key).unwrap()
        };
        let public = URL_SAFE_NO_PAD.decode(&keys.published()[0].x).unwrap();
        let mut long = forged.clone();
        long.exp += 1;
        let mut other = forged.clone();
        other.sub = "cli_2".to_owned();
        let bad = [
            with_header(&|header| header.replace("EdDSA", "none")),
            with_header(&|header| header.replace("at+jwt", "JWT")),
            format!("{header}.{claims}."),
            format!(
                "{header}.{}.{signature}",
                URL_SAFE_NO_PAD.encode(text(claims).replace("cli_1", "cli_2"))
            ),
            sign("at+jwt", id, Algorithm::HS256, &forged, &EncodingKey::from_secret(&public)),
            sign("JWT", id, Algorithm::EdDSA, &forged, signer),
            sign("at+jwt", "another", Algorithm::EdDSA, &forged, signer),
            sign("at+jwt", id, Algorithm::EdDSA, &long, signer),
            sign("at+jwt", id, Algorithm::EdDSA, &other, signer),
            String::new(),
            "a.b.c".to_owned(),
        ];
        assert!(
            check(&keys, (None, US.1), &sign("at+jwt", id, Algorithm::EdDSA, &forged, signer), NOW).is_ok()
        );
        for token in bad {
            assert_eq!(
                check(&keys, (None, US.1), &token, NOW).map(drop),
                Err(TokenError::NotOurs),
                "{token}"
            );
        }
    }
}
