//! Nodes and tokens that tests begin with.

use crate::cluster::{CreateJoinToken, NodeInfo, Outcome, RedeemJoinToken, RegisterNode};
use crate::ids::JoinTokenId;
use crate::testing::Bench;

/// The secret's hash of all tokens here.
pub const SECRET: [u8; 32] = [9; 32];

/// What a node says of itself.
pub fn info(name: &str) -> NodeInfo {
    NodeInfo {
        name: name.into(),
        zone: "z1".into(),
        cluster: "127.0.0.1:7000".into(),
        http: "127.0.0.1:8080".into(),
        version: "0.1.0".into(),
    }
}

/// The id that an outcome gives.
pub fn id_of(outcome: crate::Outcome) -> u64 {
    match outcome {
        crate::Outcome::Cluster(Outcome::Node { id }) => id,
        other => panic!("{other:?}"),
    }
}

/// Registers the first node.
pub fn first(bench: &mut Bench) -> u64 {
    id_of(bench.ok(RegisterNode { info: info("first"), key_sha256: [1; 32] }))
}

/// Creates a token.
pub fn token(bench: &mut Bench, lifetime_ms: u64) -> JoinTokenId {
    match bench.ok(CreateJoinToken { secret_sha256: SECRET, lifetime_ms }) {
        crate::Outcome::Cluster(Outcome::Token { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

/// Redeems it with a key of so many equal bytes.
pub fn redeem(token: JoinTokenId, key: u8) -> RedeemJoinToken {
    RedeemJoinToken { token, secret_sha256: SECRET, info: info(""), key_sha256: [key; 32] }
}
