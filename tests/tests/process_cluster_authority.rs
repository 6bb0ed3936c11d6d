//! One certificate authority takes another's place while the cluster runs: nodes renew by themselves, the old one is retired when nobody
//! needs it any more, and then all restart and one more joins.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shopnode_tests::network::with_network;
use shopnode_tests::{Cluster, orders, wait};

const WITHIN: Duration = Duration::from_secs(60);

fn authorities(cluster: &Cluster) -> Result<Vec<Value>> {
    let listed = cluster.shopctl(0, &["authority", "list", "-o", "json"])?.json()?;
    listed["data"].as_array().cloned().with_context(|| format!("no list: {listed:#}"))
}

#[test]
fn an_authority_is_replaced_and_it_is_still_one_shop() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network, 3, &[]).await?;
        orders::enable_manual(&cluster.admin(0)).await?;
        orders::sell(&cluster.admin(0), "TEA-1", 100).await?;
        let before = authorities(&cluster)?;
        ensure!(before.len() == 1 && before[0]["state"] == "signing", "{before:?}");
        let old = before[0]["fingerprint"].as_str().context("fingerprint")?.to_owned();
        let only = cluster.shopctl(0, &["authority", "retire", &old])?.ended(1)?;
        ensure!(only.stderr.contains("authority_in_use"), "{only:?}");
        let stale = cluster.token().await?;

        // A node that is off would not hear of a new one.
        cluster.stop(2).await?;
        let refused = cluster.shopctl(0, &["authority", "rotate"])?.ended(1)?;
        ensure!(refused.stderr.contains("would not know the new authority: 3"), "{refused:?}");
        cluster.start_again(2)?;
        cluster.ready(2).await?;
        let made = cluster.shopctl(0, &["authority", "rotate", "-o", "json"])?.json()?;
        let new = made["fingerprint"].as_str().context("fingerprint")?.to_owned();
        ensure!(new != old && made["state"] == "signing", "{made}");
        let holding = |cluster: &Cluster, fingerprint: &str| -> Result<Vec<Value>> {
            let all = authorities(cluster)?;
            let one = all.iter().find(|one| one["fingerprint"] == fingerprint).context("it is gone")?;
            Ok(one["nodes"].as_array().cloned().unwrap_or_default())
        };
        let refused = cluster.shopctl(0, &["authority", "retire", &old])?.ended(1)?;
        ensure!(refused.stderr.contains("nodes with a certificate of it: 1, 2, 3"), "{refused:?}");
        wait::until("all to renew", WITHIN, || async {
            (holding(&cluster, &new).ok()?.len() == 3).then_some(())
        })
        .await
        .map_err(|error| cluster.explain(&error))?;

        // Whoever is off may still have a certificate of the old one.
        cluster.stop(2).await?;
        let refused = cluster.shopctl(0, &["authority", "retire", &old])?.ended(1)?;
        ensure!(refused.stderr.contains("do not say whose certificate they have: 3"), "{refused:?}");
        cluster.start_again(2)?;
        cluster.ready(2).await?;
        ensure!(holding(&cluster, &old)?.is_empty(), "{:?}", authorities(&cluster)?);
        let retired = cluster.shopctl(0, &["authority", "retire", &old, "-o", "json"])?.json()?;
        ensure!(retired["state"] == "retired", "{retired}");
        let last = cluster.shopctl(0, &["authority", "retire", &new])?.ended(1)?;
        ensure!(last.stderr.contains("authority_in_use"), "{last:?}");

        for place in 0..3 {
            cluster.stop(place).await?;
        }
        for place in 0..3 {
            cluster.start_again(place)?;
        }
        for place in 0..3 {
            cluster.ready(place).await?;
        }
        // A token from before pins an authority that nobody has a certificate of.
        let address = format!("{}:7080", cluster.members[0].machine.address);
        let refused = cluster.try_to_join(&address, &stale)?.ended(1)?;
        ensure!(refused.stderr.contains("join_pin_mismatch"), "{refused:?}");
        let place = cluster.join().await?;
        let order = orders::order("TEA-1", 1, "manual", "");
        cluster.admin(place).post("/store/v1/orders", &order).await?.expect(201)?;
        cluster.converged().await
    })
}
