//! Join tokens that are expired, used, revoked, tampered with or of another cluster: nobody gets in, and the error says which it is.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shopnode_tests::network::with_network;
use shopnode_tests::shopctl::Ran;
use shopnode_tests::{Cluster, wait};

/// A refusal with this code, which `shopctl explain` knows.
fn refused(cluster: &Cluster, ran: Ran, code: &str) -> Result<()> {
    let ran = ran.ended(1)?;
    ensure!(ran.stderr.contains(&format!("[{code}]")), "expected {code}: {}", ran.stderr);
    let page = cluster.shopctl(0, &["explain", code])?.done()?;
    ensure!(page.starts_with(code) && page.contains("What to do: "), "{page}");
    Ok(())
}

/// The token with another character at a place.
fn with_another(token: &str, at: usize) -> String {
    let mut text: Vec<char> = token.chars().collect();
    text[at] = if text[at] == 'A' { 'B' } else { 'A' };
    text.into_iter().collect()
}

async fn nodes(cluster: &Cluster) -> Result<usize> {
    Ok(cluster.view().await?["nodes"].as_array().context("nodes")?.len())
}

#[test]
fn a_bad_token_lets_nobody_in_and_says_why() -> Result<()> {
    with_network(|network| async move {
        let mut cluster = Cluster::start(network.clone(), 1, &[]).await?;
        let other = Cluster::start(network, 1, &[]).await?;
        let address = format!("{}:7080", cluster.members[0].machine.address);

        // The shortest life there is, begun first so that the rest happens meanwhile.
        let made = cluster.shopctl(0, &["token", "create", "--expires-in", "1m", "-o", "json"])?.json()?;
        let expiring = made["token"].as_str().context("token")?.to_owned();

        let good = cluster.token().await?;
        // Its last characters are the check, the pin is in the middle: whatever was changed on the way is noticed.
        for at in [good.len() - 1, good.len() - 40, good.len() - 60] {
            let ran = cluster.try_to_join(&address, &with_another(&good, at))?;
            refused(&cluster, ran, "token_malformed")?;
        }
        let ran = cluster.try_to_join(&address, &good[..good.len() - 9])?;
        refused(&cluster, ran, "token_malformed")?;

        // A whole token of another cluster.
        let ran = cluster.try_to_join(&address, &other.token().await?)?;
        refused(&cluster, ran, "join_wrong_cluster")?;

        let revoked = cluster.shopctl(0, &["token", "create", "-o", "json"])?.json()?;
        cluster.shopctl(0, &["token", "revoke", revoked["id"].as_str().context("id")?])?.done()?;
        let ran = cluster.try_to_join(&address, revoked["token"].as_str().context("token")?)?;
        refused(&cluster, ran, "token_revoked")?;

        // One machine per token.
        cluster.try_to_join(&address, &good)?.ended(0)?;
        let ran = cluster.try_to_join(&address, &good)?;
        refused(&cluster, ran, "token_used")?;

        wait::until("the token to expire", Duration::from_secs(90), || async {
            let listed = cluster.shopctl(0, &["token", "list", "-o", "json"]).ok()?.json().ok()?;
            let tokens = listed["data"].as_array().or(listed.as_array())?.clone();
            tokens.iter().any(|token| token["id"] == made["id"] && token["state"] == "expired").then_some(())
        })
        .await?;
        let ran = cluster.try_to_join(&address, &expiring)?;
        refused(&cluster, ran, "token_expired")?;
        // The first, and the one that a good token made.
        ensure!(nodes(&cluster).await? == 2, "{:#}", cluster.view().await?);
        Ok(())
    })
}
