use serde::{Deserialize, Serialize};

use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ClientId;
use crate::rejection::Halt;
use crate::user::{Client, Clients, Event, Outcome, Scopes};

/// Adds an API client. Whoever proposes it made the secret and shows it once; if the reply is a replay, that secret is
/// not the one in force and must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateClient {
    pub name: String,
    pub scopes: Scopes,
    /// PHC string (argon2id) of the secret.
    pub secret_hash: String,
}

impl Execute for CreateClient {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let id = ClientId::fresh(&mut ctx.ids);
        let client = Client {
            name: self.name.clone(),
            scopes: self.scopes,
            secret_hash: self.secret_hash.clone(),
            keys: Vec::new(),
            created_at: ctx.now,
            revoked_at: None,
        };
        ctx.tx.insert::<Clients>(&id, &client)?;
        ctx.emit(crate::Event::User(Event::ClientCreated { client: id }));
        Ok(Outcome::Client { id }.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
    use crate::user::commands::fixtures::create_client;
    use crate::user::{Scopes, client};

    #[test]
    fn a_client_is_there_at_once() {
        let mut bench = Bench::new();
        let id = create_client(&mut bench, Scopes::EVERY);
        let client = client(&bench.view(), id).unwrap().unwrap();
        assert_eq!((client.name.as_str(), client.revoked_at), ("storefront", None));
        assert_eq!(bench.event_kinds(), ["shopnode.client.created.v1"]);
    }
}
