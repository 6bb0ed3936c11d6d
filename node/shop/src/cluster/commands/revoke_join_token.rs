use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::{Event, JoinTokens};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JoinTokenId;
use crate::rejection::{Halt, Rejection};

/// Ends a token that was not used. One that was used has done what it does: removing the node is another command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeJoinToken {
    pub id: JoinTokenId,
}

impl Execute for RevokeJoinToken {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut token) = ctx.tx.get::<JoinTokens>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no join token {}", self.id)).into());
        };
        if let Some(redeemed) = token.redeemed {
            let detail = format!("node {} used this token", redeemed.node);
            return Err(Rejection::new(Code::TokenUsed, detail).into());
        }
        if token.revoked_at.is_none() {
            token.revoked_at = Some(ctx.now);
            ctx.tx.put::<JoinTokens>(&self.id, &token)?;
            ctx.emit(crate::Event::Cluster(Event::TokenRevoked { token: self.id }));
        }
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::RevokeJoinToken;
    use crate::cluster::commands::fixtures::{first, redeem, token};
    use crate::ids::JoinTokenId;
    use crate::testing::Bench;

    #[test]
    fn a_revoked_token_opens_nothing() {
        let mut bench = Bench::new();
        first(&mut bench);
        let (revoked, used) = (token(&mut bench, 60_000), token(&mut bench, 60_000));
        for _ in 0..2 {
            bench.ok(RevokeJoinToken { id: revoked });
        }
        assert_eq!(bench.refused(redeem(revoked, 2)).code.as_str(), "token_revoked");
        bench.ok(redeem(used, 2));
        assert_eq!(bench.refused(RevokeJoinToken { id: used }).code.as_str(), "token_used");
        let unknown = RevokeJoinToken { id: JoinTokenId([0; 16]) };
        assert_eq!(bench.refused(unknown).code.as_str(), "not_found");
    }
}
