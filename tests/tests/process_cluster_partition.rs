//! The leader is cut off from the majority, both ways and one way. From that moment on whoever is on the wrong side says so
//! within two seconds and still answers from what it has; afterwards all are one shop again, and nothing that was refused is there.
//!
//! The time of each answer is printed; `SHOPNODE_TEST_BOUNDS=1`, on a machine that has nothing else to do, holds it against the promise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use shopnode_tests::buyers::nothing_lost;
use shopnode_tests::network::with_network;
use shopnode_tests::{Answer, Api, Buyers, Cluster, Shopping, api, orders, wait};

const SKUS: [&str; 2] = ["TEA-1", "TEA-2"];
const STOCKED: u32 = 1_000_000;
const WITHIN: Duration = Duration::from_secs(30);
/// Two seconds are promised. The rest is for a machine that has other things to do.
const ANSWERED_WITHIN: Duration = Duration::from_millis(2_500);
/// The node believes that it leads at first, then that somebody else may; what it answers must be right all the time.
const WATCHED_FOR: Duration = Duration::from_secs(4);
const ASKED_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    BothWays,
    /// What the leader says is lost; it still hears the others.
    Silenced,
    /// The leader hears nothing; the others still hear it.
    Deafened,
}

/// What a cut-off node said of an order, and after how long.
struct Refused {
    key: String,
    code: String,
    waited: Duration,
}

fn order() -> Value {
    orders::order("TEA-1", 1, "manual", "")
}

fn stock(api: &Api, consistency: &str) -> RequestBuilder {
    api.request(Method::GET, "/admin/v1/stock?sku=TEA-1").header("Consistency", consistency)
}

/// Asks for what needs a majority: the code of the refusal, and after how long it came.
async fn refused(what: &str, request: RequestBuilder) -> Result<(String, Duration)> {
    let asked = Instant::now();
    let answer = api::answer(request).await.with_context(|| what.to_owned())?;
    let waited = asked.elapsed();
    ensure!(
        answer.status == 503,
        "{what} was answered with {} after {waited:.0?}: {answer:?}",
        answer.status
    );
    let in_time = waited <= ANSWERED_WITHIN || !wait::bounds_are_wanted();
    ensure!(in_time, "{what} was refused after {waited:.0?}: {answer:?}");
    ensure!(answer.header("Retry-After").is_some(), "no Retry-After: {answer:?}");
    Ok((answer.code(), waited))
}

/// An order and a read, at the same time.
async fn refuses_both(alone: Api) -> Result<Refused> {
    let key = api::fresh_key();
    let write = alone.request(Method::POST, "/store/v1/orders").header("Idempotency-Key", &key);
    let (written, read) = tokio::join!(
        refused("an order", write.json(&order())),
        refused("a linearizable read", stock(&alone, "linearizable")),
    );
    let ((code, waited), (read, read_waited)) = (written?, read?);
    ensure!(["no_quorum", "outcome_unknown"].contains(&code.as_str()), "an order was refused with {code}");
    ensure!(read == "no_quorum", "a linearizable read was refused with {read}");
    Ok(Refused { key, code, waited: waited.max(read_waited) })
}

/// What operators order of the group needs a majority as well. Whoever is only mute hears a leader, and waits for its answer.
/// Where the others still hear what this node says, a demotion could reach them, and cost them their majority.
async fn refuses_operators(cut: Cut, alone: Api, other: u64) -> Result<()> {
    let transfer = alone.request(Method::POST, "/admin/v1/cluster/leader/transfer");
    let demote = alone.request(Method::POST, &format!("/admin/v1/cluster/nodes/{other}/demote"));
    let demote = (cut == Cut::BothWays).then_some(("a demotion", demote));
    for (what, request) in demote.into_iter().chain([("a transfer of the lead", transfer)]) {
        let asked = Instant::now();
        let answer = api::answer(request.json(&serde_json::json!({}))).await?;
        let (waited, code) = (asked.elapsed(), answer.code());
        println!("{what}: {} {code} after {waited:.0?}", answer.status);
        let known = ["no_quorum", "outcome_unknown", "quorum_would_be_lost", "leader_not_transferred"];
        ensure!(known.contains(&code.as_str()), "{what} on a node that is cut off: {answer:?}");
        let in_time = waited <= ANSWERED_WITHIN || !wait::bounds_are_wanted();
        ensure!(in_time, "{what} was refused after {waited:.0?}: {answer:?}");
    }
    Ok(())
}

/// Asks again and again from the moment of the cut. Reads of what the node has are answered all the while.
async fn watch(cut: Cut, alone: &Api, other: u64) -> Result<Vec<Refused>> {
    let (began, mut asked, mut lags) = (Instant::now(), Vec::new(), Vec::new());
    let operator = (cut != Cut::Silenced).then(|| tokio::spawn(refuses_operators(cut, alone.clone(), other)));
    while began.elapsed() < WATCHED_FOR {
        asked.push(tokio::spawn(refuses_both(alone.clone())));
        tokio::time::sleep(ASKED_EVERY).await;
        lags.push(lag(&api::answer(stock(alone, "local")).await?)?);
    }
    let mut told = Vec::new();
    for task in asked {
        told.push(task.await.context("a client")??);
    }
    if let Some(operator) = operator {
        operator.await.context("an operator")??;
    }
    // One that still hears the new leader is not behind, only mute.
    if cut != Cut::Silenced {
        ensure!(lags.is_sorted(), "time runs backwards for a node that hears nothing: {lags:?}");
        let (first, last) = (lags[0], lags[lags.len() - 1]);
        ensure!(last > first, "a node that hears nothing believes itself up to date: {lags:?}");
        let ready = alone.get("/readyz").await?;
        ensure!(ready.status == 503, "a node that hears nothing is ready: {ready:?}");
        ensure!(told.iter().any(|told| told.code == "no_quorum"), "it never learns that it is alone");
    }
    Ok(told)
}

/// How old what a local read shows may be, in milliseconds.
fn lag(local: &Answer) -> Result<u64> {
    ensure!(local.status == 200, "no local read: {local:?}");
    local.header("Shopnode-Index").context("a local read without its index")?;
    Ok(local
        .header("Shopnode-Lag")
        .with_context(|| format!("a local read without its lag: {local:?}"))?
        .parse()?)
}

/// Repeats a refused order until it is taken, and returns its id. Where nothing had been accepted it is a new one.
async fn taken(api: &Api, refused: &Refused) -> Result<String> {
    let (mut nothing_accepted, began) = (refused.code == "no_quorum", Instant::now());
    while began.elapsed() < WITHIN {
        match api.post_with_key("/store/v1/orders", &order(), &refused.key).await {
            Ok(answer) if answer.status == 201 => {
                let is_old = answer.header("Idempotent-Replayed") == Some("true");
                ensure!(!(nothing_accepted && is_old), "nothing was accepted, and there it is: {answer:?}");
                return Ok(answer.json()["id"].as_str().context("an id")?.to_owned());
            }
            // The repetition itself may be what is replayed the next time.
            told => nothing_accepted &= told.is_ok_and(|answer| answer.code() == "no_quorum"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the node takes no orders again")
}

fn cut_off(cut: Cut) -> Result<()> {
    with_network(|network| async move {
        let cluster = Cluster::start(network, 3, &[]).await?;
        let admin = cluster.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let leader = cluster.leader().await?;
        let others: Vec<_> = cluster.running().into_iter().filter(|place| *place != leader).collect();
        let nodes = (0..3).map(|place| cluster.admin(place)).collect();
        let buyers = Buyers::start(nodes, 8, Shopping::patient(&SKUS));
        buyers.more(50).await?;

        match cut {
            Cut::BothWays => cluster.isolate(leader)?,
            Cut::Silenced => cluster.silence(leader)?,
            Cut::Deafened => cluster.deafen(leader)?,
        }
        let alone = cluster.admin(leader);
        let majority = Buyers::start(
            others.iter().map(|place| cluster.admin(*place)).collect(),
            4,
            Shopping::patient(&SKUS),
        );
        // The majority goes on without it.
        let (told, goes_on) =
            tokio::join!(watch(cut, &alone, cluster.members[others[0]].id), majority.more(50));
        let told = told.with_context(|| format!("{cut:?}\n{}", cluster.logs()))?;
        goes_on.map_err(|error| cluster.explain(&error))?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for told in &told {
            *counts.entry(&told.code).or_default() += 1;
        }
        let longest = told.iter().map(|told| told.waited).max().unwrap_or_default();
        println!("{cut:?}: orders refused with {counts:?}, the last answer after {longest:.0?}");

        cluster.heal()?;
        wait::until("the node to serve again", WITHIN, || async {
            api::answer(stock(&alone, "linearizable")).await.ok().filter(|answer| answer.status == 200)
        })
        .await
        .map_err(|error| cluster.explain(&error))?;
        let mut repeated = BTreeMap::new();
        for told in told {
            let id = taken(&alone, &told).await.with_context(|| format!("{cut:?}: after {}", told.code))?;
            repeated.insert(told.key, id);
        }
        let mut memory = buyers.stop().await?;
        let second = majority.stop().await?;
        memory.acknowledged.extend(second.acknowledged);
        memory.failed.extend(second.failed);
        memory.acknowledged.extend(repeated);
        cluster.converged().await?;
        nothing_lost(&cluster.admin(leader), &memory, &SKUS, i64::from(STOCKED)).await
    })
}

#[test]
fn cut_off_both_ways() -> Result<()> {
    cut_off(Cut::BothWays)
}

#[test]
fn unheard_by_the_others() -> Result<()> {
    cut_off(Cut::Silenced)
}

#[test]
fn deaf_to_the_others() -> Result<()> {
    cut_off(Cut::Deafened)
}
