//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). What makes a repetition safe is in the log: the key
//! commits together with its effect. Here the key is read and hashed, and a twin that this node knows to be running is
//! told so instead of being queued behind it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, Method};
use sha2::{Digest, Sha256};
use shop::Code;
use shop::command::Dedupe;

use super::problem::Problem;
use crate::auth::Principal;

/// The request's field.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is the stored one of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

const LONGEST_KEY: usize = 255;

/// Reads the key: 1 to 255 printable ASCII characters.
///
/// # Errors
/// `invalid_parameter` when it is not one, or there are several.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), another) = (values.next(), values.next()) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| {
        (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    });
    match (text, another) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => {
            let detail =
                format!("one Idempotency-Key of 1 to {LONGEST_KEY} printable ASCII characters is read");
            Err(Problem::new(Code::InvalidParameter, detail))
        }
    }
}

/// How the log recognises a repetition: the same principal, method, path and key; and whether the body is the same.
pub fn dedupe(
    principal: &Principal,
    method: &Method,
    path: &str,
    key: &str,
    fingerprint: [u8; 32],
) -> Dedupe {
    let mut scope = Sha256::new();
    // Lengths first, so that no two lists of parts run together into the same bytes.
    for part in [principal.identity().as_bytes(), method.as_str().as_bytes(), path.as_bytes(), key.as_bytes()]
    {
        scope.update((part.len() as u64).to_be_bytes());
        scope.update(part);
    }
    Dedupe::Key { scope: scope.finalize().into(), fingerprint }
}

/// Keys whose requests are running on this node. Bounded by the requests that are.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashSet<[u8; 32]>>);

/// A running request's hold on its key.
#[derive(Debug)]
pub struct Running {
    in_flight: Arc<InFlight>,
    scope: [u8; 32],
}

impl InFlight {
    /// Takes the key until the returned value is dropped.
    ///
    /// # Errors
    /// `idempotency_in_progress` when a twin has it.
    pub fn begin(self: &Arc<Self>, dedupe: &Dedupe) -> Result<Option<Running>, Problem> {
        let Dedupe::Key { scope, .. } = dedupe else { return Ok(None) };
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(*scope) {
            let detail = "a request with this Idempotency-Key is running";
            return Err(Problem::new(Code::IdempotencyInProgress, detail).retry_after(1));
        }
        Ok(Some(Running { in_flight: Arc::clone(self), scope: *scope }))
    }
}

impl InFlight {
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.in_flight.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.scope);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, Method};
    use shop::Code;
    use shop::command::Dedupe;

    use super::{IDEMPOTENCY_KEY, InFlight, dedupe, key};
    use crate::auth::Principal;

    fn scope(method: &Method, path: &str, key: &str) -> [u8; 32] {
        match dedupe(&Principal::Guest, method, path, key, [0; 32]) {
            Dedupe::Key { scope, .. } => scope,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(scope(&Method::POST, "/a", "bc"), scope(&Method::POST, "/ab", "c"));
        assert_ne!(scope(&Method::POST, "/a", "k"), scope(&Method::PUT, "/a", "k"));
        assert_eq!(scope(&Method::POST, "/a", "k"), scope(&Method::POST, "/a", "k"));
    }

    #[test]
    fn a_key_is_printable_and_short() {
        let check = |value: &[u8], expect: Result<Option<&str>, Code>| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, http::HeaderValue::from_bytes(value).unwrap());
            let expect = expect.map(|key| key.map(str::to_owned));
            assert_eq!(key(&headers).map_err(|problem| problem.code()), expect);
        };
        check(b"3f1c", Ok(Some("3f1c")));
        check(&[b'x'; 255], Ok(Some(&"x".repeat(255))));
        check(&[b'x'; 256], Err(Code::InvalidParameter));
        check(b"", Err(Code::InvalidParameter));
        check("ä".as_bytes(), Err(Code::InvalidParameter));
        check(b"a\tb", Err(Code::InvalidParameter));
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, "a".parse().unwrap());
        twice.append(IDEMPOTENCY_KEY, "a".parse().unwrap());
        assert!(key(&twice).is_err());
        assert!(key(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_running_twin_is_known_until_it_ends() {
        let in_flight = Arc::new(InFlight::default());
        let dedupe = dedupe(&Principal::Guest, &Method::POST, "/a", "k", [0; 32]);
        let first = in_flight.begin(&dedupe).unwrap();
        assert_eq!(in_flight.begin(&dedupe).unwrap_err().code(), Code::IdempotencyInProgress);
        drop(first);
        assert!(in_flight.begin(&dedupe).unwrap().is_some());
        assert!(in_flight.begin(&Dedupe::Idempotent).unwrap().is_none());
    }
}
