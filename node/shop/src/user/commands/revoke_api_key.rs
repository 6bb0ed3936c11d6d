use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ApiKeyId;
use crate::rejection::{Halt, Rejection};
use crate::user::{ApiKeys, Clients, Event};

/// Ends an API key for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeApiKey {
    pub id: ApiKeyId,
}

impl Execute for RevokeApiKey {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut key) = ctx.tx.get::<ApiKeys>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no key {}", self.id)).into());
        };
        if key.revoked_at.is_some() {
            return Ok(crate::Outcome::Done);
        }
        if let Some(owner) = key.client
            && let Some(mut client) = ctx.tx.get::<Clients>(&owner)?
        {
            client.keys.retain(|other| *other != self.id);
            ctx.tx.put::<Clients>(&owner, &client)?;
        }
        key.revoked_at = Some(ctx.now);
        ctx.tx.put::<ApiKeys>(&self.id, &key)?;
        ctx.emit(crate::Event::User(Event::ApiKeyRevoked { key: self.id, client: key.client }));
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::RevokeApiKey;
    use crate::testing::Bench;
    use crate::user::commands::fixtures::{create_client, create_key};
    use crate::user::{Scopes, api_key, client};

    #[test]
    fn it_makes_room_for_another() {
        let mut bench = Bench::new();
        let owner = create_client(&mut bench, Scopes::EVERY);
        let (first, second) = (create_key(&mut bench, Some(owner), Scopes::EVERY), create_key(&mut bench, Some(owner), Scopes::EVERY));
        bench.ok(RevokeApiKey { id: first });
        assert_eq!(client(&bench.view(), owner).unwrap().unwrap().keys, [second]);
        assert!(api_key(&bench.view(), first).unwrap().unwrap().revoked_at.is_some());
    }
}
