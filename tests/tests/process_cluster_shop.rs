//! The README's second minute, and the test that says that it is a shop: many buyers, one piece, three nodes, the leader
//! killed in the middle of the payment, a processor that charges and does not answer, and webhooks that come twice, late and out
//! of order. And whoever does the work behind the orders is killed: another one finishes it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shopnode_tests::{Api, Dev, api, orders, wait};

const BUYERS: usize = 100;
const WITHIN: Duration = Duration::from_secs(30);
/// Orders under way when the node that works on them is killed.
const UNDER_WAY: usize = 20;
/// A node that shall do another one's work gets it after two seconds: by then all leases are where they stay.
const LEASES_REST_FOR: Duration = Duration::from_secs(3);

async fn leader(dev: &Dev) -> Result<usize> {
    wait::until("a leader", Duration::from_secs(20), || async {
        for place in 0..dev.file.nodes.len() {
            let Ok(answer) = dev.admin_at(place).get("/admin/v1/cluster").await else { continue };
            let leader = answer.json()["leader"].as_u64();
            let found = dev.file.nodes.iter().position(|node| Some(node.id) == leader);
            if let Some(found) = found {
                return Some(found);
            }
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_dies_and_the_shop_goes_on() -> Result<()> {
    let mut dev = Dev::cluster(3, &[]).await?;
    orders::sell(&dev.admin(), "TEA-1", 10).await?;
    let first = leader(&dev).await?;
    dev.kill(first).await?;
    let other = dev.admin_at((first + 1) % 3);
    let order = orders::order("TEA-1", 2, "sandbox", "card_ok");
    let key = api::fresh_key();
    let placed = other.post_with_key("/store/v1/orders", &order, &key).await?.expect(201)?;
    let id = placed["id"].as_str().context("an id")?;
    orders::settled(&other, id, "open", "paid").await?;
    // The same order, asked for at yet another node.
    let again = dev.admin_at((first + 2) % 3).post_with_key("/store/v1/orders", &order, &key).await?;
    ensure!(again.header("Idempotent-Replayed") == Some("true"), "{again:?}");
    ensure!(again.expect(201)? == placed, "another body for the same key");
    dev.run(first).await?;
    let back = dev.admin_at(first);
    ensure!(back.get(&format!("/admin/v1/orders/{id}")).await?.expect(200)?["payment_status"] == "paid");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_buyers_want_the_one_that_is_left() -> Result<()> {
    let mut dev = Dev::cluster(3, &[("SHOPNODE_PAYMENTS__TIMEOUT_MS", "1000")]).await?;
    orders::sell(&dev.admin(), "LAST-1", 1).await?;
    let control = json!({"webhooks": {"copies": 2, "order": "reversed", "delay_ms": 300}});
    dev.sandbox().post("/sandbox/control", &control).await?.expect(200)?;

    let buyers: Vec<_> = (0..BUYERS)
        .map(|number| {
            let nodes: Vec<_> = (0..3).map(|node| dev.admin_at((number + node) % 3)).collect();
            // Whoever gets it has a card that is charged without an answer.
            tokio::spawn(async move {
                buy(&nodes, &orders::order("LAST-1", 1, "sandbox", "card_drop_response")).await
            })
        })
        .collect();
    // In the middle of the payment: the processor was called, and has not answered.
    wait::until("the processor to be called", Duration::from_secs(20), || async {
        orders::ledger(&dev).await.ok().filter(|ledger| !ledger.is_empty())
    })
    .await?;
    let first = leader(&dev).await?;
    dev.kill(first).await?;

    let (mut placed, mut refused) = (BTreeMap::new(), 0);
    for buyer in buyers {
        let answer = buyer.await??;
        match (answer.status, answer.code().as_str()) {
            (201, _) => {
                placed.insert(answer.json()["id"].as_str().context("an id")?.to_owned(), answer.json());
            }
            (409, "out_of_stock") => refused += 1,
            other => anyhow::bail!("{other:?}: {}", answer.text),
        }
    }
    ensure!((placed.len(), refused) == (1, BUYERS - 1), "{} placed, {refused} refused", placed.len());
    dev.run(first).await?;
    let admin = dev.admin_at(first);
    let id = placed.keys().next().context("one order")?;
    let order = orders::settled(&admin, id, "open", "paid").await?;
    let charges: Vec<Value> = charges(&orders::ledger(&dev).await?);
    ensure!(charges.len() == 1, "the card was charged {} times: {charges:#?}", charges.len());
    ensure!(charges[0]["amount"] == order["total"]["amount"], "{charges:#?} for {order:#}");
    let unmatched = admin.get("/admin/v1/payments/unmatched").await?.expect(200)?;
    ensure!(unmatched["data"].as_array().is_some_and(Vec::is_empty), "{unmatched:#}");
    let stock = orders::stock(&admin, "LAST-1").await?;
    ensure!((&stock["available"], &stock["committed"]) == (&json!(0), &json!(1)), "{stock:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_sends_the_mails_dies_and_its_work_is_finished() -> Result<()> {
    // Two at a time, so that some are done, some are in hand and some wait when it happens.
    let two = [("SHOPNODE_WORKERS__PARALLEL", "2"), ("SHOPNODE_PAYMENTS__TIMEOUT_MS", "2000")];
    let mut dev = Dev::cluster(3, &two).await?;
    orders::sell(&dev.admin(), "TEA-1", 100).await?;
    // Payments are resolved by the workers alone, and each is out for a while.
    let slow = json!({"fault": "slow", "on": "create", "times": 1 + UNDER_WAY, "delay_ms": 500});
    let control = json!({"webhooks": {"mode": "off"}, "faults": [slow]});
    dev.sandbox().post("/sandbox/control", &control).await?.expect(200)?;
    leases_rest(&dev).await?;
    let mut ids = vec![place(&dev.admin()).await?];
    mailed(&dev, &ids).await?;
    let mailer = sender(&dev, "mail").await?;
    let nodes: Vec<_> = (0..3).filter(|place| *place != mailer).map(|place| dev.admin_at(place)).collect();

    // The second half is with the processor, and mails about the first half are on their way.
    for _ in 0..2 {
        for number in 0..UNDER_WAY / 2 {
            ids.push(place(&nodes[number % nodes.len()]).await?);
        }
        let seen = mails(&dev).await?.len();
        wait::until("the next mail", WITHIN, || async {
            (mails(&dev).await.ok()?.len() > seen).then_some(())
        })
        .await
        .with_context(|| dev.log())?;
    }
    kill_and_see_a_successor(&mut dev, mailer, "notifications").await?;
    for id in &ids {
        orders::settled(&nodes[0], id, "open", "paid").await.with_context(|| dev.log())?;
    }
    mailed(&dev, &ids).await.with_context(|| dev.log())?;

    // A worker looks for work at least once a second: one that would do it again has done it by then.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (charged, mails) = (charges(&orders::ledger(&dev).await?), mails(&dev).await?);
    ensure!(charged.len() == ids.len(), "{} charges for {} orders", charged.len(), ids.len());
    for id in &ids {
        let charged = charged.iter().filter(|charge| charge["metadata"]["order"] == id.as_str()).count();
        ensure!(charged == 1, "order {id} was charged {charged} times");
        let ours: Vec<_> = mails.iter().filter(|mail| is_about(mail, id)).collect();
        ensure!(ours.len() <= 2, "{} mails about order {id}: {ours:#?}", ours.len());
        let is_one = ours.iter().all(|mail| mail["message_id"] == ours[0]["message_id"]);
        ensure!(is_one, "a mailbox shows more than one mail: {ours:#?}");
    }
    println!("{} orders, {} mails", ids.len(), mails.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_that_sends_the_texts_dies_and_no_buyer_is_told_twice() -> Result<()> {
    // Two at a time, so that some are sent, some are in hand and some are begun when it happens.
    let mut dev = Dev::cluster(3, &[("SHOPNODE_WORKERS__PARALLEL", "2")]).await?;
    orders::sell(&dev.admin(), "TEA-1", 100).await?;
    leases_rest(&dev).await?;
    let mut parcels = Vec::new();
    for _ in 0..UNDER_WAY {
        parcels.push(place_with_a_phone(&dev.admin()).await?);
    }
    for parcel in &parcels {
        orders::settled(&dev.admin(), &parcel.id, "open", "paid").await?;
    }
    let (first, rest) = parcels.split_first().context("a parcel")?;
    let (before, after) = rest.split_at(rest.len() / 2);
    ship(&dev.admin(), first).await?;
    let texter = sender(&dev, "sms").await?;
    let nodes: Vec<_> = (0..3).filter(|place| *place != texter).map(|place| dev.admin_at(place)).collect();

    // The provider takes each text at once, and says so late: some are sent and not known to be.
    let slow = json!({"fault": "slow", "times": before.len(), "delay_ms": 2_000});
    dev.sms().post("/faults", &slow).await?.expect(204)?;
    for (number, parcel) in before.iter().enumerate() {
        ship(&nodes[number % nodes.len()], parcel).await?;
    }
    let seen = texts(&dev).await?.len();
    wait::until("the next text", WITHIN, || async { (texts(&dev).await.ok()?.len() > seen).then_some(()) })
        .await
        .with_context(|| dev.log())?;
    kill_and_see_a_successor(&mut dev, texter, "sms").await?;
    let (taken, known) = (texts(&dev).await?.len(), known_as_sent(&nodes[0]).await?);
    ensure!(taken > known, "the shop knows of all {taken} texts: the test is vacuous");
    for parcel in after {
        ship(&nodes[0], parcel).await?;
    }
    wait::until("texts by the successor", WITHIN, || async {
        let texts = texts(&dev).await.ok()?;
        after.iter().all(|parcel| parcel.told_by(&texts) > 0).then_some(())
    })
    .await
    .with_context(|| dev.log())?;

    // Texts in doubt are looked for five seconds later, and found.
    wait::until("all texts to be known", WITHIN, || async {
        (known_as_sent(&nodes[0]).await.ok()? == texts(&dev).await.ok()?.len()).then_some(())
    })
    .await
    .with_context(|| dev.log())?;
    let texts = texts(&dev).await?;
    for parcel in &parcels {
        let told = parcel.told_by(&texts);
        ensure!(told <= 1, "{told} texts about order {}: {texts:#?}", parcel.number);
    }
    println!("{} parcels, {} texts", parcels.len(), texts.len());
    Ok(())
}

/// What a buyer is to be told of by a text when it is sent.
struct Parcel {
    id: String,
    number: u64,
}

impl Parcel {
    fn told_by(&self, texts: &[Value]) -> usize {
        let about = format!(" of order {} is on its way.", self.number);
        texts.iter().filter(|text| text["body"].as_str().is_some_and(|body| body.ends_with(&about))).count()
    }
}

/// Waits until no lease has moved for a while: nodes that are new take theirs over from the first one.
async fn leases_rest(dev: &Dev) -> Result<()> {
    let (mut seen, mut since) = (0, Instant::now());
    wait::until("the leases to rest", WITHIN, || {
        let now = leases(dev, "");
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        std::future::ready((since.elapsed() >= LEASES_REST_FOR).then_some(()))
    })
    .await
}

/// How often the lease of a queue whose name begins so was taken, as the nodes' log tells.
fn leases(dev: &Dev, queue: &str) -> usize {
    let queue = format!("\"queue\":\"{queue}");
    let log = dev.log();
    log.lines().filter(|line| line.contains("holds the lease") && line.contains(&queue)).count()
}

/// Kills the node that works on a queue, and waits for another one to hold the lease: says how long that took. Without it
/// nothing is proved.
async fn kill_and_see_a_successor(dev: &mut Dev, place: usize, queue: &str) -> Result<()> {
    let (before, killed) = (leases(dev, queue), Instant::now());
    dev.kill(place).await?;
    wait::until("a successor", WITHIN, || std::future::ready((leases(dev, queue) > before).then_some(())))
        .await
        .with_context(|| dev.log())?;
    println!("{queue}: {:.2?} from the kill to the lease of a successor", killed.elapsed());
    Ok(())
}

/// The node that has sent something of this kind.
async fn sender(dev: &Dev, kind: &str) -> Result<usize> {
    let sent = format!(r#"shopnode_effects_total{{kind="{kind}",result="ok"}}"#);
    wait::until("a node that has sent it", WITHIN, || async {
        for place in 0..dev.file.nodes.len() {
            let metrics = dev.admin_at(place).get("/metrics").await.ok()?.text;
            if metrics.contains(&sent) {
                return Some(place);
            }
        }
        None
    })
    .await
}

/// Places an order that a card pays for, and answers its id.
async fn place(api: &Api) -> Result<String> {
    let order = orders::order("TEA-1", 1, "sandbox", "card_ok");
    let placed = api.post("/store/v1/orders", &order).await?.expect(201)?;
    Ok(placed["id"].as_str().context("an id")?.to_owned())
}

/// As [`place`], by a buyer who has a phone.
async fn place_with_a_phone(api: &Api) -> Result<Parcel> {
    let mut order = orders::order("TEA-1", 1, "sandbox", "card_ok");
    order["shipping_address"]["phone"] = "+49 (30) 901820".into();
    let placed = api.post("/store/v1/orders", &order).await?.expect(201)?;
    let id = placed["id"].as_str().context("an id")?.to_owned();
    Ok(Parcel { id, number: placed["number"].as_u64().context("a number")? })
}

async fn ship(api: &Api, parcel: &Parcel) -> Result<()> {
    api.post(&format!("/admin/v1/orders/{}/fulfilments", parcel.id), &json!({})).await?.expect(201)?;
    Ok(())
}

async fn texts(dev: &Dev) -> Result<Vec<Value>> {
    let list = dev.sms().get("/texts").await?.expect(200)?;
    Ok(list["data"].as_array().context("a list of texts")?.clone())
}

/// Of how many texts the shop knows that they were sent.
async fn known_as_sent(api: &Api) -> Result<usize> {
    let list = api.get("/admin/v1/sms?status=sent&limit=100").await?.expect(200)?;
    Ok(list["data"].as_array().context("a list of texts")?.len())
}

async fn mails(dev: &Dev) -> Result<Vec<Value>> {
    let list = dev.mail().get("/mail").await?.expect(200)?;
    Ok(list["data"].as_array().context("a list of mails")?.clone())
}

/// A mail is named after the order and the event that it tells of.
fn is_about(mail: &Value, order: &str) -> bool {
    mail["message_id"].as_str().is_some_and(|id| id.starts_with(&format!("<{order}.")))
}

/// Waits until there is a mail about each of these orders.
async fn mailed(dev: &Dev, orders: &[String]) -> Result<()> {
    wait::until("a mail about each order", WITHIN, || async {
        let mails = mails(dev).await.ok()?;
        orders.iter().all(|order| mails.iter().any(|mail| is_about(mail, order))).then_some(())
    })
    .await
}

/// Tries until there is an answer that is about the order and not about the cluster.
async fn buy(nodes: &[Api], order: &Value) -> Result<api::Answer> {
    let key = api::fresh_key();
    for attempt in 0..200 {
        if let Ok(answer) = nodes[attempt % nodes.len()].post_with_key("/store/v1/orders", order, &key).await
            && ![429, 503].contains(&answer.status)
            && answer.code() != "idempotency_in_progress"
        {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no answer after many attempts")
}

fn charges(ledger: &[Value]) -> Vec<Value> {
    ledger.iter().filter(|entry| entry["kind"] == "capture" || entry["kind"] == "charge").cloned().collect()
}
