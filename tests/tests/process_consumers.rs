//! Consumers outside share the reading of a topic, and whatever becomes of one of them, the others read each event at
//! least once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shopnode_tests::{Api, Dev, api, wait};

/// Longer than a session and an election.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(90);
const EVENTS: usize = 60;

/// A member of the group `index`, at one node.
struct Consumer {
    api: Api,
    name: &'static str,
    seen: BTreeSet<u64>,
}

impl Consumer {
    async fn join(api: Api, name: &'static str) -> Result<Self> {
        api.post("/admin/v1/groups/index/members", &json!({"member": name})).await?.expect(201)?;
        Ok(Self { api, name, seen: BTreeSet::new() })
    }

    async fn heartbeat(&self) -> Result<api::Answer> {
        let path = format!("/admin/v1/groups/index/members/{}/heartbeat", self.name);
        self.api.post(&path, &json!({"topics": ["acme"]})).await
    }

    /// Reads what it was given, one page a partition, and says what it would commit.
    async fn read(&mut self, assignment: &Value) -> Result<Value> {
        let mut positions = Vec::new();
        for part in assignment["partitions"].as_array().context("partitions")? {
            let (partition, after) = (&part["partition"], &part["seq"]);
            let path = format!("/admin/v1/topics/acme/events?partition={partition}&after={after}&limit=100");
            let page = self.api.get(&path).await?.expect(200)?;
            ensure!(page["more"] == false, "the test publishes less than a page");
            self.seen.extend(seqs(&page));
            positions.push(json!({"topic": "acme", "partition": partition, "seq": page["next_after"]}));
        }
        Ok(json!({"epoch": assignment["epoch"], "positions": positions}))
    }

    async fn commit(&self, positions: &Value) -> Result<api::Answer> {
        self.api.post("/admin/v1/groups/index/offsets", positions).await
    }
}

fn seqs(page: &Value) -> Vec<u64> {
    page["data"].as_array().into_iter().flatten().filter_map(|event| event["seq"].as_u64()).collect()
}

async fn publish(admin: &Api, from: usize) -> Result<BTreeSet<u64>> {
    let mut published = BTreeSet::new();
    for number in from..from + EVENTS {
        let event = json!({"type": "acme.seen.v1", "subject": format!("p-{number}"), "data": {"n": number}});
        let answer = admin.post("/admin/v1/topics/acme/events", &event).await?.expect(201)?;
        published.extend(answer["seq"].as_u64());
    }
    Ok(published)
}

/// The place of the node that leads, as another one sees it.
async fn leader_of(admin: &Api) -> Option<usize> {
    let cluster = admin.get("/admin/v1/cluster").await.ok()?.json();
    usize::try_from(cluster["leader"].as_u64()?).ok()?.checked_sub(1)
}

/// A key that may read events and nothing else.
async fn reader(admin: &Api) -> Result<String> {
    let about = json!({"name": "index", "scopes": ["events:read"]});
    let client = admin.post("/admin/v1/clients", &about).await?.expect(201)?;
    let id = client["client_id"].as_str().context("an id")?;
    let key = admin.post(&format!("/admin/v1/clients/{id}/keys"), &about).await?.expect(201)?;
    Ok(key["key"].as_str().context("a key")?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_consumer_s_partitions_are_taken_over_while_the_leader_dies_too() -> Result<()> {
    let mut dev = Dev::cluster(3, &[]).await?;
    let admin = dev.admin();
    admin.post("/admin/v1/topics", &json!({"name": "acme", "partitions": 8})).await?.expect(201)?;
    let mut published = publish(&admin, 0).await?;

    let leader = leader_of(&admin).await.context("a leader")?;
    let others: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
    let key = reader(&admin).await?;
    let at = |place: usize| dev.admin_at(place).with_token(Some(&key));
    let mut alive = Consumer::join(at(others[0]), "alive").await?;
    let mut dead = Consumer::join(at(others[1]), "dead").await?;
    let admin = dev.admin_at(others[0]);

    // They share the partitions; one commits, the other one has read when it dies.
    let (of_alive, of_dead) = (alive.heartbeat().await?.expect(200)?, dead.heartbeat().await?.expect(200)?);
    let committed = alive.read(&of_alive).await?;
    alive.commit(&committed).await?.expect(204)?;
    let not_committed = dead.read(&of_dead).await?;
    assert!(alive.seen.is_disjoint(&dead.seen) && !dead.seen.is_empty() && !alive.seen.is_empty());
    assert_eq!(&alive.seen | &dead.seen, published);
    let back = json!({"topic": "acme", "partition": 0, "seq": 0});
    let reset = dead.api.post("/admin/v1/groups/index/offsets/reset", &back).await?;
    assert_eq!(reset.status, 403, "who may read may not set back");

    // Who heard the heartbeats so far is gone: nobody is taken for dead because of that.
    dev.kill(leader).await?;
    let successor = wait::until("another leader", Duration::from_secs(20), || async {
        let seen = leader_of(&admin).await?;
        (seen != leader).then_some(seen)
    });
    let successor = successor.await?;
    // What it hears from now on, it hears from the other node.
    let follower = others.iter().find(|place| **place != successor).context("a follower")?;
    alive.api = dev.admin_at(*follower).with_token(Some(&key));
    let epoch = &of_alive["epoch"];
    let taken_over = wait::until("the other's partitions", TAKEN_OVER_WITHIN, || async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = alive.heartbeat().await.ok()?;
        // While a leader is elected there is nobody to hear it.
        assert!(matches!(answer.status, 200 | 503 | 504), "{}: {}", answer.status, answer.text);
        let told = answer.json();
        (answer.status == 200 && told["epoch"] != *epoch).then_some(told)
    });
    let taken_over = taken_over.await?;
    assert_eq!(taken_over["partitions"].as_array().map(Vec::len), Some(8), "{taken_over:#}");
    published.extend(publish(&admin, EVENTS).await?);

    // One that was only slow finds out, and changes nothing.
    assert_eq!(dead.commit(&not_committed).await?.code(), "stale_epoch");
    let told = dead.heartbeat().await?;
    assert_eq!((told.status, told.code().as_str()), (404, "not_found"));

    let rest = alive.read(&taken_over).await?;
    alive.commit(&rest).await?.expect(204)?;
    assert_eq!(
        alive.seen, published,
        "each event, those that the other one had read without saying so included"
    );
    let group = admin.get("/admin/v1/groups/index").await?.expect(200)?;
    assert_eq!(group["members"], json!(["alive"]), "{group:#}");
    let behind =
        group["positions"].as_array().context("positions")?.iter().filter(|at| at["seq"] == 0).count();
    assert_eq!(behind, 0, "{group:#}");
    Ok(())
}
