use serde::{Deserialize, Serialize};
use storage::Read;

use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ClientId;
use crate::rejection::{Halt, Rejection};
use crate::user::{ApiKeys, Clients, Event};

/// Ends a client for good, with all its keys. Its record stays, for those who ask whose an order was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeClient {
    pub id: ClientId,
}

impl Execute for RevokeClient {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut client) = ctx.tx.get::<Clients>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no client {}", self.id)).into());
        };
        if client.revoked_at.is_some() {
            return Ok(crate::Outcome::Done);
        }
        for key in std::mem::take(&mut client.keys) {
            if let Some(mut record) = ctx.tx.get::<ApiKeys>(&key)? {
                record.revoked_at = Some(ctx.now);
                ctx.tx.put::<ApiKeys>(&key, &record)?;
                ctx.emit(crate::Event::User(Event::ApiKeyRevoked { key, client: Some(self.id) }));
            }
        }
        client.revoked_at = Some(ctx.now);
        ctx.tx.put::<Clients>(&self.id, &client)?;
        ctx.emit(crate::Event::User(Event::ClientRevoked { client: self.id }));
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::RevokeClient;
    use crate::testing::{BEGIN_MILLIS, Bench};
    use crate::time::Timestamp;
    use crate::user::commands::fixtures::{create_client, create_key};
    use crate::user::{Scopes, api_key, client};

    #[test]
    fn its_keys_end_with_it() {
        let mut bench = Bench::new();
        let id = create_client(&mut bench, Scopes::EVERY);
        let key = create_key(&mut bench, Some(id), Scopes::EVERY);
        let now = Timestamp::from_millis(BEGIN_MILLIS);
        assert!(api_key(&bench.view(), key).unwrap().unwrap().is_valid_at(now));
        bench.ok(RevokeClient { id });
        assert!(!api_key(&bench.view(), key).unwrap().unwrap().is_valid_at(now));
        assert!(client(&bench.view(), id).unwrap().unwrap().revoked_at.is_some());
        let before = bench.store.digest();
        bench.ok(RevokeClient { id });
        assert_eq!(before, bench.store.digest());
    }
}
