use serde::{Deserialize, Serialize};
use storage::Read;

use crate::cluster::{
    Event, JoinTokens, NodeInfo, Nodes, Outcome, Redeemed, Standing, TokenState, node,
};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::JoinTokenId;
use crate::rejection::{Halt, Rejection};

/// Makes a machine a node. Repeated with the same key, as after an answer that was lost, it gives the same id, also
/// after the token has expired; with another key it is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedeemJoinToken {
    pub token: JoinTokenId,
    /// SHA-256 of the secret that came with it.
    pub secret_sha256: [u8; 32],
    pub info: NodeInfo,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key_sha256: [u8; 32],
}

impl Execute for RedeemJoinToken {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let refuse = |code, detail: String| Err(Halt::from(Rejection::new(code, detail)));
        // Whoever does not know the secret learns nothing about the token.
        let known = ctx.tx.get::<JoinTokens>(&self.token)?;
        let Some(mut token) = known.filter(|token| token.secret_sha256 == self.secret_sha256) else {
            return refuse(Code::TokenUnknown, format!("there is no join token {}", self.token));
        };
        if let Some(redeemed) = token.redeemed {
            if redeemed.key_sha256 != self.key_sha256 {
                return refuse(Code::TokenUsed, format!("node {} used this token", redeemed.node));
            }
            let record = ctx.tx.get::<Nodes>(&redeemed.node)?;
            if record.is_none_or(|record| record.standing == Standing::Removed) {
                return refuse(Code::NodeRemoved, format!("node {} was removed", redeemed.node));
            }
            return Ok(Outcome::Node { id: redeemed.node }.into());
        }
        match token.state(ctx.now) {
            TokenState::Open => {}
            TokenState::Revoked => return refuse(Code::TokenRevoked, "this token was revoked".into()),
            TokenState::Expired | TokenState::Used => {
                return refuse(Code::TokenExpired, format!("this token was good until {}", token.expires_at));
            }
        }
        let id = node::add(ctx.tx, ctx.now, &self.info, self.key_sha256)??;
        token.redeemed = Some(Redeemed { node: id, key_sha256: self.key_sha256 });
        ctx.tx.put::<JoinTokens>(&self.token, &token)?;
        ctx.emit(crate::Event::Cluster(Event::NodeJoined { node: id }));
        Ok(Outcome::Node { id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::RedeemJoinToken;
    use crate::cluster::commands::fixtures::{first, id_of, redeem, token};
    use crate::cluster::{SetNodeStanding, Standing, join_token, node};
    use crate::ids::JoinTokenId;
    use crate::testing::Bench;

    #[test]
    fn the_same_key_gets_the_same_id_and_no_other_gets_any() {
        let mut bench = Bench::new();
        first(&mut bench);
        let token = token(&mut bench, 60_000);
        assert_eq!(id_of(bench.ok(redeem(token, 2))), 2);
        bench.pass_millis(120_000);
        let digest = bench.store.digest();
        assert_eq!(id_of(bench.ok(redeem(token, 2))), 2, "an answer may be lost");
        assert_eq!(bench.refused(redeem(token, 3)).code.as_str(), "token_used");
        assert_eq!(digest, bench.store.digest());
        assert_eq!(node(&bench.view(), 2).unwrap().unwrap().name, "node-2");
        assert_eq!(join_token(&bench.view(), token).unwrap().unwrap().redeemed.unwrap().node, 2);
    }

    #[test]
    fn what_does_not_open() {
        let mut bench = Bench::new();
        first(&mut bench);
        let token = token(&mut bench, 60_000);
        let check = |bench: &mut Bench, command: RedeemJoinToken, code: &str| {
            assert_eq!(bench.refused(command).code.as_str(), code);
        };
        check(&mut bench, redeem(JoinTokenId([7; 16]), 2), "token_unknown");
        check(&mut bench, RedeemJoinToken { secret_sha256: [8; 32], ..redeem(token, 2) }, "token_unknown");
        check(&mut bench, redeem(token, 1), "already_exists");
        bench.pass_millis(60_000);
        check(&mut bench, redeem(token, 2), "token_expired");
    }

    #[test]
    fn ids_are_never_given_again() {
        let mut bench = Bench::new();
        first(&mut bench);
        let (second, third) = (token(&mut bench, 60_000), token(&mut bench, 60_000));
        bench.ok(redeem(second, 2));
        bench.ok(SetNodeStanding { id: 2, standing: Standing::Removed });
        assert_eq!(bench.refused(redeem(second, 2)).code.as_str(), "node_removed");
        assert_eq!(bench.refused(redeem(third, 2)).code.as_str(), "already_exists", "a key is one node's for good");
        assert_eq!(id_of(bench.ok(redeem(third, 3))), 3);
    }
}
