//! Three nodes of an earlier commit's build become nodes of this one while clients shop, one goes back, all go on, and the
//! upgrade is ended; after that the earlier program does not serve any more.
//!
//! `./tests/earlier` builds that program; without it these tests fail.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::shopctl::{Ran, shopctl};
use shopnode_tests::{Buyers, Cluster, Program, Shopping, orders, wait};

const SKUS: [&str; 3] = ["TEA-1", "TEA-2", "TEA-3"];
const STOCKED: u32 = 1_000_000;
const WITHIN: Duration = Duration::from_secs(60);

/// Someone else than the node at a place.
fn beside(cluster: &Cluster, place: usize) -> usize {
    (place + 1) % cluster.members.len()
}

/// `shopctl ARGUMENTS` as the admin, at the node at a place.
async fn ctl(cluster: &Cluster, at: usize, arguments: &[&str]) -> Result<Ran> {
    ctl_at(&[cluster.members[at].url()], cluster.admin_key(), arguments).await
}

async fn ctl_at(servers: &[String], key: &str, arguments: &[&str]) -> Result<Ran> {
    let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    all.extend(servers.iter().flat_map(|server| ["--server".to_owned(), server.clone()]));
    all.extend(["--token-file".to_owned(), "-".to_owned()]);
    let key = key.to_owned();
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        shopctl(&[], &arguments, &key)
    })
    .await?
}

/// How the node at a place is, as another one tells.
async fn node(cluster: &Cluster, place: usize) -> Option<Value> {
    let view = cluster.admin(beside(cluster, place)).get("/admin/v1/cluster").await.ok()?.json();
    let mut node =
        view["nodes"].as_array()?.iter().find(|node| node["id"] == cluster.members[place].id)?.clone();
    node["leads"] = (view["leader"] == cluster.members[place].id).into();
    node["commit_index"] = view["commit_index"].clone();
    Some(node)
}

async fn stand(cluster: &Cluster, place: usize, verb: &str) -> Result<()> {
    let path = format!("/admin/v1/cluster/nodes/{}/{verb}", cluster.members[place].id);
    cluster.admin(beside(cluster, place)).post(&path, &json!({})).await?.expect(200)?;
    Ok(())
}

/// Waits until a node drains and another one leads.
async fn drained(cluster: &Cluster, place: usize) -> Result<()> {
    wait::until("the node to be drained", WITHIN, || async {
        let node = node(cluster, place).await?;
        (node["state"] == "draining" && node["leads"] == false).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))
}

/// Waits until a node that was started again has what was committed then.
async fn caught_up(cluster: &Cluster, place: usize) -> Result<()> {
    wait::until("the node to catch up", WITHIN, || async {
        let node = node(cluster, place).await.filter(|node| node["state"] == "draining")?;
        (node["applied_index"].as_u64()? + 50 >= node["commit_index"].as_u64()?).then_some(())
    })
    .await
    .map_err(|error| cluster.explain(&error))
}

/// Another program on one machine, as an admin does it by hand.
async fn swap(cluster: &mut Cluster, place: usize, program: Program) -> Result<()> {
    stand(cluster, place, "drain").await?;
    drained(cluster, place).await?;
    cluster.stop(place).await?;
    cluster.install(place, program)?;
    cluster.start_again(place)?;
    caught_up(cluster, place).await?;
    stand(cluster, place, "undrain").await?;
    cluster.ready(place).await
}

/// Another program on one machine by `shopctl upgrade node`: the admin does what it asks for.
async fn upgrade(cluster: &mut Cluster, place: usize, at: usize) -> Result<()> {
    // The other nodes are asked when the first one does not answer.
    let id = cluster.members[place].id.to_string();
    let (server, key) = (cluster.members[at].url(), cluster.admin_key().to_owned());
    let told = tokio::spawn(async move { ctl_at(&[server], &key, &["upgrade", "node", &id]).await });
    drained(cluster, place).await?;
    cluster.stop(place).await?;
    cluster.install(place, Program::Current)?;
    cluster.start_again(place)?;
    let told = told.await??.ended(0)?;
    for sentence in ["out of service: install the new program", "is back in service"] {
        ensure!(told.stderr.contains(sentence), "{told:#?}");
    }
    cluster.ready(place).await
}

/// The current program on all machines by one `shopctl upgrade all`. What it runs once a node is drained waits for this test, as
/// it would for a package manager.
async fn upgrade_all(cluster: &mut Cluster) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let asks = format!(
        "cd '{}' && touch drained-$SHOPNODE_NODE && until [ -e installed-$SHOPNODE_NODE ]; do sleep 0.1; done",
        dir.path().display()
    );
    let leader = cluster.members[cluster.leader().await?].id;
    let servers: Vec<String> = cluster.members.iter().map(|member| member.url()).collect();
    let key = cluster.admin_key().to_owned();
    let all = ["upgrade", "all", "--after-drain"];
    let told = tokio::spawn(async move { ctl_at(&servers, &key, &[&all[..], &[&asks]].concat()).await });
    let mut upgraded = Vec::new();
    while upgraded.len() < cluster.members.len() {
        let place = wait::until("the next node to be drained", WITHIN, || async {
            let is_asked_for = |id: u64| dir.path().join(format!("drained-{id}")).exists();
            let next = |id: u64| is_asked_for(id) && !upgraded.contains(&id);
            let place = cluster.members.iter().position(|member| next(member.id));
            // It has ended: what it said tells why.
            place.map(Some).or(told.is_finished().then_some(None))
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        let Some(place) = place else { bail!("after {upgraded:?} it ended: {:#?}", told.await??) };
        let id = cluster.members[place].id;
        let others_serve = cluster.view().await?["nodes"]
            .as_array()
            .is_some_and(|nodes| nodes.iter().all(|node| node["id"] == id || node["state"] == "alive"));
        ensure!(others_serve, "node {id} was drained while another one was away");
        cluster.stop(place).await?;
        cluster.install(place, Program::Current)?;
        cluster.start_again(place)?;
        std::fs::write(dir.path().join(format!("installed-{id}")), "")?;
        upgraded.push(id);
    }
    told.await??.ended(0)?;
    ensure!(upgraded.last() == Some(&leader), "node {leader} led, and the order was {upgraded:?}");
    let view = cluster.view().await?;
    let alive = |node: &Value| node["state"] == "alive" && node["standing"] == "active";
    ensure!(view["nodes"].as_array().is_some_and(|nodes| nodes.iter().all(alive)), "{view:#}");
    Ok(())
}

async fn status(cluster: &Cluster, at: usize) -> Result<Value> {
    ctl(cluster, at, &["upgrade", "status", "-o", "json"]).await?.json()
}

/// What the earlier program does on the data of a cluster whose upgrade was ended.
async fn earlier_does_not_serve(cluster: &mut Cluster, place: usize) -> Result<()> {
    let before = cluster.members[place].log().len();
    cluster.install(place, Program::Earlier)?;
    cluster.start_again(place)?;
    let code = cluster.ends_by_itself(place).await?;
    let log = cluster.members[place].log().split_off(before);
    ensure!(code == 1, "it ended with {code}: {log}");
    println!("node {}, the earlier program: {}", cluster.members[place].id, log.lines().last().unwrap_or(""));
    // It meets the raise in its log, or what that has left in the state: the record of it, or files that it cannot read.
    let reasons = ["active_version_unsupported", "storage_unknown_format"];
    ensure!(reasons.iter().any(|reason| log.contains(reason)), "it does not say why: {log}");
    cluster.install(place, Program::Current)?;
    cluster.start_again(place)?;
    cluster.ready(place).await
}

#[test]
fn it_is_upgraded_put_back_upgraded_again_and_finished_while_it_sells() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start_with(network, 3, &[], Program::Earlier).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let once = Shopping { attempts: 2, pause: Duration::from_millis(100), ..Shopping::patient(&SKUS) };
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, 16, once);
        buyers.more(100).await?;
        let before = status(&cluster, 0).await?;
        let earlier = before["active_version"].as_u64().context("no active version")?;
        ensure!(before["step"] == "none" && before["newest_version"] == earlier, "{before:#}");
        let current = earlier + 1;

        // Forward, the first by hand. Meanwhile both programs lead, follow and forward to each other.
        swap(&mut cluster, 0, Program::Current).await?;
        buyers.more(100).await?;
        let mixed = status(&cluster, 0).await?;
        ensure!(mixed["step"] == "upgrade_nodes" && mixed["active_version"] == earlier, "{mixed:#}");
        ensure!(mixed["newest_version"] == current, "{mixed:#}");
        let refused = ctl(&cluster, 0, &["upgrade", "finalize"]).await?.ended(1)?;
        let why = format!("nodes 2, 3 are older than version {current}");
        ensure!(refused.stderr.contains(&why), "{refused:#?}");
        upgrade(&mut cluster, 1, 0).await?;
        buyers.more(100).await?;
        cluster.converged().await?;

        // Back, while there is a way back: also from where the admin stands in the middle.
        swap(&mut cluster, 0, Program::Earlier).await?;
        buyers.more(100).await?;
        cluster.converged().await?;
        upgrade(&mut cluster, 0, 1).await?;
        upgrade(&mut cluster, 2, 0).await?;
        let all = status(&cluster, 2).await?;
        ensure!(all["step"] == "finalize" && all["active_version"] == earlier, "{all:#}");
        for place in 0..3 {
            swap(&mut cluster, place, Program::Earlier).await?;
            buyers.more(50).await?;
        }
        upgrade_all(&mut cluster).await?;
        buyers.more(50).await?;

        cluster.admin(1).post("/admin/v1/cluster/upgrade/finalize", &json!({})).await?.expect(200)?;
        // Killed right behind the raise, and stopped long after it.
        cluster.kill(2)?;
        earlier_does_not_serve(&mut cluster, 2).await?;
        let ended = ctl(&cluster, 1, &["upgrade", "finalize", "-o", "json"]).await?.json()?;
        ensure!(ended["step"] == "none" && ended["active_version"] == current, "{ended:#}");
        buyers.more(100).await?;
        cluster.stop(0).await?;
        earlier_does_not_serve(&mut cluster, 0).await?;
        cluster.program = Program::Earlier;
        let told = cluster.join_in_vain().await?;
        ensure!(told.contains("active_version_unsupported"), "{told}");
        buyers.more(100).await?;

        let memory = buyers.stop().await?;
        println!("orders: {}, tried again for: {:?}", memory.acknowledged.len(), memory.hiccups);
        for place in 0..3 {
            nothing_lost(&cluster.admin(place), &memory, &SKUS, i64::from(STOCKED)).await?;
        }
        cluster.converged().await
    })
}

#[test]
fn a_new_program_joins_a_cluster_of_the_earlier_one_through_any_node() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start_with(network, 3, &[], Program::Earlier).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), SKUS[0], STOCKED).await?;
        cluster.program = Program::Current;
        let place = cluster.join().await?;
        let buyers = Buyers::start(vec![cluster.admin(place)], 4, Shopping::patient(&SKUS[..1]));
        buyers.more(50).await?;
        let memory = buyers.stop().await?;
        nothing_lost(&cluster.admin(0), &memory, &SKUS[..1], i64::from(STOCKED)).await?;
        let view = status(&cluster, place).await?;
        let newest = view["newest_version"].as_u64().context("no newest version")?;
        ensure!(view["active_version"] == newest - 1 && view["step"] == "upgrade_nodes", "{view:#}");
        cluster.converged().await
    })
}
