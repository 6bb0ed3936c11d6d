use shop::Timestamp;
use shop::cluster::{
    AddAuthority, Authority, Autopilot, ClusterSettings, Command, CreateJoinToken, Event, JoinToken,
    NodeInfo, NodeRecord, Outcome, Raise, RaiseActiveVersion, RedeemJoinToken, Redeemed, RegisterNode,
    RetireAuthority, RevokeJoinToken, SetAutopilot, SetNodeStanding, Standing, UpdateNode,
};
use shop::ids::JoinTokenId;

use crate::{check, command, event, part, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);
const TOKEN: JoinTokenId = JoinTokenId([1; 16]);

fn info() -> NodeInfo {
    NodeInfo {
        name: "node-2".into(),
        zone: "z2".into(),
        cluster: "10.0.0.2:7946".into(),
        http: "10.0.0.2:8080".into(),
        version: "0.2.0".into(),
    }
}

fn node(standing: Standing) -> NodeRecord {
    let NodeInfo { name, zone, cluster, http, version } = info();
    NodeRecord {
        name,
        zone,
        cluster,
        http,
        key_sha256: [2; 32],
        standing,
        version,
        joined_at: AT,
        changed_at: AT.plus_millis(1),
    }
}

#[test]
fn cluster() {
    let autopilot = Autopilot {
        enabled: true,
        max_voters: 3,
        stable_ms: 5_000,
        max_lag: 300,
        replace_dead_after_ms: 600_000,
    };
    let token = JoinToken {
        secret_sha256: [3; 32],
        created_at: AT,
        expires_at: AT.plus_millis(3_600_000),
        redeemed: Some(Redeemed { node: 2, key_sha256: [2; 32] }),
        revoked_at: Some(AT),
    };
    let authority =
        Authority { certificate_der: vec![4; 3], sealed_key: vec![5; 3], added_at: AT, retired_at: Some(AT) };
    let update = UpdateNode {
        id: 2,
        name: Some("b".into()),
        zone: None,
        cluster: Some("10.0.0.9:7946".into()),
        http: None,
        version: Some("0.3.0".into()),
    };
    let cluster = shop::Event::Cluster;
    let golden = vec![
        command(RegisterNode { info: info(), key_sha256: [2; 32] }),
        command(CreateJoinToken { secret_sha256: [3; 32], lifetime_ms: 3_600_000 }),
        command(RevokeJoinToken { id: TOKEN }),
        command(RedeemJoinToken { token: TOKEN, secret_sha256: [3; 32], info: info(), key_sha256: [2; 32] }),
        command(AddAuthority { fingerprint: [6; 32], certificate_der: vec![4; 3], sealed_key: vec![5; 3] }),
        command(RetireAuthority { fingerprint: [6; 32] }),
        command(update),
        command(SetNodeStanding { id: 2, standing: Standing::Draining }),
        command(SetAutopilot { autopilot }),
        command(RaiseActiveVersion { to: 2, program: "0.2.0".into() }),
        event(cluster(Event::NodeJoined { node: 2 })),
        event(cluster(Event::NodeUpdated { node: 2 })),
        event(cluster(Event::NodeDraining { node: 2 })),
        event(cluster(Event::NodeUndrained { node: 2 })),
        event(cluster(Event::NodeRemoved { node: 300 })),
        event(cluster(Event::TokenCreated { token: TOKEN })),
        event(cluster(Event::TokenRevoked { token: TOKEN })),
        event(cluster(Event::AuthorityAdded { fingerprint: [6; 32] })),
        event(cluster(Event::AuthorityRetired { fingerprint: [6; 32] })),
        event(cluster(Event::AutopilotUpdated)),
        event(cluster(Event::ActiveVersionRaised { version: 300 })),
        part("outcome node", &shop::Outcome::from(Outcome::Node { id: 2 })),
        part(
            "outcome token",
            &shop::Outcome::from(Outcome::Token { id: TOKEN, created_at: AT, expires_at: AT }),
        ),
        part("outcome autopilot", &shop::Outcome::from(Outcome::Autopilot(autopilot))),
        part("outcome active version", &shop::Outcome::from(Outcome::ActiveVersion(2))),
        value("NodeRecord active", &node(Standing::Active)),
        value("NodeRecord removed", &node(Standing::Removed)),
        value("JoinToken", &token),
        value("Authority", &authority),
        value("ClusterSettings", &ClusterSettings { autopilot, updated_at: AT }),
        value("Raise", &Raise { program: "0.2.0".into(), at: AT }),
    ];
    check("cluster", Command::NAMES, golden);
}
