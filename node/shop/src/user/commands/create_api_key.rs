use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::{ApiKeyId, ClientId};
use crate::rejection::{Halt, Rejection};
use crate::time::Timestamp;
use crate::user::{ApiKey, ApiKeys, Clients, Event, MAX_KEYS_PER_CLIENT, Outcome, Scopes};

/// Adds an API key. Whoever proposes it made the secret and shows the key once; if the reply is a replay, that secret
/// is not the one in force and must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateApiKey {
    pub name: String,
    /// The client it is for: it may allow no more than the client may. `None`: the shop's own staff.
    pub client: Option<ClientId>,
    /// SHA-256 of the secret.
    pub secret_sha256: [u8; 32],
    pub scopes: Scopes,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl Execute for CreateApiKey {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let id = ApiKeyId::fresh(&mut ctx.ids);
        if let Some(owner) = self.client {
            let Some(mut client) = ctx.tx.get::<Clients>(&owner)?.filter(|client| client.revoked_at.is_none()) else {
                return Err(Rejection::new(Code::NotFound, format!("there is no client {owner}")).into());
            };
            if !client.scopes.covers(self.scopes) {
                let detail = format!("client {owner} may only {}", client.scopes);
                return Err(Rejection::at(Code::InvalidValue, "/scopes", detail).into());
            }
            if client.keys.len() >= MAX_KEYS_PER_CLIENT {
                let detail = format!("client {owner} has {MAX_KEYS_PER_CLIENT} keys: revoke one first");
                return Err(Rejection::new(Code::LimitReached, detail).into());
            }
            client.keys.push(id);
            ctx.tx.put::<Clients>(&owner, &client)?;
        }
        let key = ApiKey {
            name: self.name.clone(),
            client: self.client,
            secret_sha256: self.secret_sha256,
            scopes: self.scopes,
            created_at: ctx.now,
            expires_at: self.expires_at,
            revoked_at: None,
        };
        ctx.tx.insert::<ApiKeys>(&id, &key)?;
        ctx.emit(crate::Event::User(Event::ApiKeyCreated { key: id, client: self.client }));
        Ok(Outcome::ApiKey { id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::CreateApiKey;
    use crate::testing::{BEGIN_MILLIS, Bench};
    use crate::time::Timestamp;
    use crate::user::commands::fixtures::{create_client, create_key};
    use crate::user::{MAX_KEYS_PER_CLIENT, RevokeClient, Scope, Scopes, api_key};

    #[test]
    fn a_key_may_do_no_more_than_its_client() {
        let mut bench = Bench::new();
        let reads = Scopes::of(&[Scope::OrdersRead]);
        let owner = create_client(&mut bench, reads);
        let client = Some(owner);
        let key = |scopes| CreateApiKey { name: "k".into(), client, secret_sha256: [1; 32], scopes, expires_at: None };
        assert_eq!(bench.refused(key(Scopes::EVERY)).errors[0].pointer, "/scopes");
        for _ in 0..MAX_KEYS_PER_CLIENT {
            create_key(&mut bench, client, reads);
        }
        assert_eq!(bench.refused(key(reads)).code.as_str(), "limit_reached");
        bench.ok(RevokeClient { id: owner });
        assert_eq!(bench.refused(key(reads)).code.as_str(), "not_found");
    }

    #[test]
    fn keys_expire_only_if_told_to() {
        let mut bench = Bench::new();
        let id = create_key(&mut bench, None, Scopes::EVERY);
        let mut key = api_key(&bench.view(), id).unwrap().unwrap();
        let at = |plus| Timestamp::from_millis(BEGIN_MILLIS + plus);
        assert!(key.is_valid_at(at(u64::MAX / 2)));
        key.expires_at = Some(at(10));
        assert!(key.is_valid_at(at(9)) && !key.is_valid_at(at(10)));
    }
}
