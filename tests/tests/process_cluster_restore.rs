//! A backup made while the shop sells becomes another shop: the same to the last record, open to new nodes and closed to the old ones.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use shopnode_tests::network::with_network;
use shopnode_tests::{Buyers, Cluster, Shopping, api, orders};

const SKUS: [&str; 2] = ["TEA-1", "TEA-2"];
const IMAGE: &str = "GIF89a\u{1}\0\u{1}\0\0\0\0;";
const STOCKED: u32 = 1_000_000;
/// Many times what a dial takes.
const STRANGERS: Duration = Duration::from_secs(5);

/// The one backup in a directory.
fn only_backup(directory: &Path) -> Result<PathBuf> {
    let mut files = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    ensure!(files.len() == 1, "{files:?}");
    Ok(files.remove(0).path())
}

/// The manifest at the head of a backup: JSON behind a few bytes of its own.
fn promised(backup: &[u8]) -> Result<Value> {
    let begin = backup.iter().position(|byte| *byte == b'{').context("no manifest")?;
    let mut texts = serde_json::Deserializer::from_slice(&backup[begin..]).into_iter();
    Ok(texts.next().context("no manifest")??)
}

/// The digests of the tables in which a shop without traffic changes nothing: users, catalogue, stock, orders, payments.
fn settled(tables: &Value) -> Result<BTreeMap<String, String>> {
    let tables: BTreeMap<String, String> = serde_json::from_value(tables.clone())?;
    Ok(tables.into_iter().filter(|(prefix, _)| ("30".."73").contains(&prefix.as_str())).collect())
}

#[test]
fn a_backup_of_a_selling_shop_becomes_another_shop() -> Result<()> {
    with_network(|network| async move {
        let files = tempfile::tempdir()?;
        let (shelf, passphrase) = (files.path().join("backups"), files.path().join("passphrase"));
        std::fs::create_dir(&shelf)?;
        std::fs::write(&passphrase, "correct horse battery staple\n")?;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600))?;
        let (shelf_text, passphrase_text) = (shelf.to_string_lossy(), passphrase.to_string_lossy());
        let settings = [
            ("SHOPNODE_BACKUP__DIRECTORY", shelf_text.as_ref()),
            ("SHOPNODE_BACKUP__PASSPHRASE_FILE", passphrase_text.as_ref()),
        ];
        let others = network.clone();
        let mut old = Cluster::start(network, 3, &settings).await?;
        let admin = old.admin(0);
        orders::enable_manual(&admin).await?;
        for sku in SKUS {
            orders::sell(&admin, sku, STOCKED).await?;
        }
        let shopping = Shopping { think: Duration::from_millis(20), ..Shopping::patient(&SKUS) };
        let buyers = Buyers::start((0..3).map(|place| old.admin(place)).collect(), 4, shopping);
        buyers.more(50).await?;
        let before = buyers.acknowledged_orders();
        // Not every node has it by the time that one of them writes the backup.
        let image = admin.request(Method::POST, "/admin/v1/images").header("Content-Type", "image/gif");
        let image = api::answer(image.body(IMAGE)).await?.expect(201)?;
        let image = image["url"].as_str().context("a URL")?;
        old.shopctl(1, &["backup", "create"])?.ended(0)?;
        buyers.more(20).await?;
        let listed = old.shopctl(1, &["backup", "list", "-o", "json"])?.json()?;
        let shelved = listed["data"].get(0).or_else(|| listed.get(0)).cloned().unwrap_or(Value::Null);
        let manifest = &shelved["manifest"];
        let index = manifest["index"].as_u64().with_context(|| format!("no index: {listed:#}"))?;
        let memory = buyers.stop().await?;
        ensure!(memory.failed.is_empty(), "{:?}", memory.failed);

        let token_of_old = old.token().await?;
        let mut new = old.restored(others, &only_backup(&shelf)?, &passphrase).await?;
        // What was acknowledged before the backup began is there, and nothing that nobody bought.
        let restored = new.admin(0);
        for id in &before {
            restored.get(&format!("/admin/v1/orders/{id}")).await?.expect(200)?;
        }
        let shown = restored.get(image).await?;
        ensure!((shown.status, shown.text.as_str()) == (200, IMAGE), "{shown:?}");
        let (mut found, mut cursor) = (0, String::new());
        loop {
            let page = restored.get(&format!("/admin/v1/orders?limit=100{cursor}")).await?.expect(200)?;
            for order in page["data"].as_array().context("a list")? {
                found += 1;
                ensure!(
                    memory.acknowledged.values().any(|id| order["id"] == id.as_str()),
                    "nobody bought {order}"
                );
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        ensure!(found >= before.len() && found < memory.acknowledged.len(), "{found} orders");
        let mut taken = 0;
        for sku in SKUS {
            let row = orders::stock(&restored, sku).await?;
            taken += i64::from(STOCKED) - row["available"].as_i64().context("available")?;
        }
        ensure!(taken == found as i64, "{taken} pieces are taken by {found} orders");
        let status = restored.get("/admin/v1/cluster").await?.expect(200)?;
        ensure!(
            status["commit_index"].as_u64() > Some(index),
            "its log does not go on behind {index}: {status:#}"
        );
        ensure!(status["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1), "{status:#}");
        let wanted = settled(&promised(&std::fs::read(only_backup(&shelf)?)?)?["tables"])?;
        let has = settled(&status["nodes"][0]["digest"]["tables"])?;
        ensure!(wanted.len() > 10 && has == wanted, "backed up: {wanted:#?}, restored: {has:#?}");

        // The old nodes are strangers, their tokens worthless, and their addresses tell them nothing of the new shop.
        let new_address = format!("{}:7080", new.members[0].machine.address);
        let refused = old.try_to_join(&new_address, &token_of_old)?.ended(1)?;
        ensure!(refused.stderr.contains("join_wrong_cluster"), "{refused:?}");
        let id = old.members[2].id.to_string();
        old.stop(2).await?;
        let peers = format!("[peers]\n1 = \"{new_address}\"\n");
        let data = old.members[2].data.clone();
        std::fs::write(data.join("peers.toml"), peers)?;
        let logged = old.members[2].log().len();
        old.start_again(2)?;
        tokio::time::sleep(STRANGERS).await;
        let status = restored.get("/admin/v1/cluster").await?.expect(200)?;
        ensure!(
            status["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1),
            "node {id} got in: {status:#}"
        );
        let told = old.members[2].log().split_off(logged);
        let in_touch = format!("\"address\":\"{new_address}\",\"level\":\"INFO\",\"message\":\"connected\"");
        ensure!(!told.contains(&in_touch), "an old node talks to the new shop:\n{}", old.logs());

        // It grows like any other.
        for _ in 0..2 {
            new.join().await?;
        }
        new.voters(3).await?;
        let order = orders::order("TEA-1", 1, "manual", "");
        new.admin(2).post("/store/v1/orders", &order).await?.expect(201)?;
        new.converged().await
    })
}
