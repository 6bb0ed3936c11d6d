use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};
use crate::user::{SigningKey, SigningKeys};

/// How long a retired key is kept, in log time: 30 days, far longer than any token lives.
const RETIRED_KEPT_MILLIS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The most signing keys, retired ones included.
const MAX_SIGNING_KEYS: usize = 100;

/// Adds a key pair that signs access tokens, and removes those that were retired long ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddSigningKey {
    /// Its name in tokens and in the key set (RFC 7517, `kid`).
    pub key_id: String,
    /// Ed25519 (RFC 8032).
    pub public_key: [u8; 32],
    /// Sealed by the nodes' seal key.
    pub sealed_private_key: Vec<u8>,
}

impl Execute for AddSigningKey {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let known: Vec<(String, SigningKey)> =
            ctx.tx.scan::<SigningKeys>(Span::all()).take(MAX_SIGNING_KEYS).collect::<Result<_, _>>()?;
        let mut kept = known.len();
        for (key_id, key) in known {
            if key_id == self.key_id {
                return Err(Rejection::new(Code::AlreadyExists, format!("there is a signing key {key_id}")).into());
            }
            if key.retired_at.is_some_and(|retired_at| ctx.now.since(retired_at) >= RETIRED_KEPT_MILLIS) {
                ctx.tx.delete::<SigningKeys>(&key_id)?;
                kept -= 1;
            }
        }
        if kept >= MAX_SIGNING_KEYS {
            return Err(Rejection::new(Code::LimitReached, format!("there are {kept} signing keys")).into());
        }
        let key = SigningKey {
            public_key: self.public_key,
            sealed_private_key: self.sealed_private_key.clone(),
            created_at: ctx.now,
            retired_at: None,
        };
        ctx.tx.put::<SigningKeys>(&self.key_id, &key)?;
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddSigningKey, RETIRED_KEPT_MILLIS};
    use crate::testing::Bench;
    use crate::user::{RetireSigningKey, signing_keys};

    fn add(key_id: &str) -> AddSigningKey {
        AddSigningKey { key_id: key_id.into(), public_key: [1; 32], sealed_private_key: vec![2; 60] }
    }

    #[test]
    fn long_retired_keys_go() {
        let mut bench = Bench::new();
        bench.ok(add("a"));
        assert_eq!(bench.refused(add("a")).code.as_str(), "already_exists");
        bench.ok(RetireSigningKey { key_id: "a".into() });
        bench.ok(add("b"));
        assert_eq!(signing_keys(&bench.view()).unwrap().len(), 2);
        bench.pass_millis(RETIRED_KEPT_MILLIS);
        bench.ok(add("c"));
        let left: Vec<String> = signing_keys(&bench.view()).unwrap().into_iter().map(|(key_id, _)| key_id).collect();
        assert_eq!(left, ["b", "c"]);
    }
}
