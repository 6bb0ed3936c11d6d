//! Read your own writes anywhere: written at one node, read at another with `Shopnode-Min-Index`, never stale.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use shopnode_tests::network::with_network;
use shopnode_tests::{Api, Cluster, api, orders};

const TASKS: usize = 10;
const ROUNDS: i64 = 1_000;

#[test]
fn what_was_written_here_is_read_there() -> Result<()> {
    with_network(|network| async move {
        let cluster = Cluster::start(network, 3, &[]).await?;
        let nodes: Vec<_> = (0..3).map(|place| cluster.admin(place)).collect();
        let tasks: Vec<_> =
            (0..TASKS).map(|number| tokio::spawn(write_and_read(nodes.clone(), number))).collect();
        for task in tasks {
            task.await.context("a client")??;
        }
        Ok(())
    })
}

async fn write_and_read(nodes: Vec<Api>, number: usize) -> Result<()> {
    let sku = format!("OWN-{number}");
    orders::sell(&nodes[0], &sku, 0).await?;
    for round in 1..=ROUNDS {
        let turn = number + round as usize;
        let (here, there) = (&nodes[turn % nodes.len()], &nodes[(turn + 1 + turn % 2) % nodes.len()]);
        let written = here.post("/admin/v1/stock/set", &json!({"sku": sku, "on_hand": round})).await?;
        let index = written.header("Shopnode-Index").context("a write without its index")?.to_owned();
        written.expect(200)?;
        let read = there
            .request(Method::GET, &format!("/admin/v1/stock?sku={sku}"))
            .header("Consistency", "local")
            .header("Shopnode-Min-Index", index);
        let read = api::answer(read).await?.expect(200)?;
        ensure!(read["data"][0]["on_hand"] == round, "wrote {round}, read {read}");
    }
    Ok(())
}
