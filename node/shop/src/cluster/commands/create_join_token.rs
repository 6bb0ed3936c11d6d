use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::cluster::token::ENDED_KEPT_MS;
use crate::cluster::{
    Event, JoinToken, JoinTokens, MAX_JOIN_TOKENS, MAX_TOKEN_LIFETIME_MS, MIN_TOKEN_LIFETIME_MS, Outcome,
};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JoinTokenId;
use crate::rejection::{Halt, Rejection};

/// Adds a join token, and removes those that ended long ago. Whoever proposes it made the secret and shows it once; if
/// the reply is a replay, that secret is not the one in force and must not be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinToken {
    /// SHA-256 of the secret.
    pub secret_sha256: [u8; 32],
    /// From its stamp on, in milliseconds.
    pub lifetime_ms: u64,
}

impl Execute for CreateJoinToken {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if !(MIN_TOKEN_LIFETIME_MS..=MAX_TOKEN_LIFETIME_MS).contains(&self.lifetime_ms) {
            let detail = "a token lives for a minute to 24 hours";
            return Err(Rejection::at(Code::InvalidValue, "/expires_in_seconds", detail).into());
        }
        let known: Vec<(JoinTokenId, JoinToken)> =
            ctx.tx.scan::<JoinTokens>(Span::all()).collect::<Result<_, _>>()?;
        let mut kept = known.len();
        for (id, token) in known {
            if ctx.now.since(token.expires_at) >= ENDED_KEPT_MS {
                ctx.tx.delete::<JoinTokens>(&id)?;
                kept -= 1;
            }
        }
        if kept >= MAX_JOIN_TOKENS {
            return Err(Rejection::new(Code::LimitReached, format!("there are {kept} join tokens")).into());
        }
        let id = JoinTokenId::fresh(&mut ctx.ids);
        let token = JoinToken {
            secret_sha256: self.secret_sha256,
            created_at: ctx.now,
            expires_at: ctx.now.plus_millis(self.lifetime_ms),
            redeemed: None,
            revoked_at: None,
        };
        ctx.tx.insert::<JoinTokens>(&id, &token)?;
        ctx.emit(crate::Event::Cluster(Event::TokenCreated { token: id }));
        Ok(Outcome::Token { id, created_at: token.created_at, expires_at: token.expires_at }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::CreateJoinToken;
    use crate::cluster::commands::fixtures::{SECRET, token};
    use crate::cluster::{MAX_JOIN_TOKENS, MAX_TOKEN_LIFETIME_MS, MIN_TOKEN_LIFETIME_MS, join_tokens};
    use crate::testing::Bench;

    #[test]
    fn a_life_has_bounds() {
        let mut bench = Bench::new();
        for lifetime_ms in [0, MIN_TOKEN_LIFETIME_MS - 1, MAX_TOKEN_LIFETIME_MS + 1] {
            let refused = bench.refused(CreateJoinToken { secret_sha256: SECRET, lifetime_ms });
            assert_eq!(refused.code.as_str(), "invalid_value");
        }
        token(&mut bench, MIN_TOKEN_LIFETIME_MS);
        token(&mut bench, MAX_TOKEN_LIFETIME_MS);
    }

    #[test]
    fn tokens_that_ended_make_room() {
        let mut bench = Bench::new();
        for _ in 0..MAX_JOIN_TOKENS {
            token(&mut bench, MIN_TOKEN_LIFETIME_MS);
        }
        let one_more = CreateJoinToken { secret_sha256: SECRET, lifetime_ms: MIN_TOKEN_LIFETIME_MS };
        assert_eq!(bench.refused(one_more).code.as_str(), "limit_reached");
        bench.pass_millis(8 * 24 * 3_600_000);
        token(&mut bench, MIN_TOKEN_LIFETIME_MS);
        assert_eq!(join_tokens(&bench.view(), None, 100).unwrap().items.len(), 1);
    }
}
