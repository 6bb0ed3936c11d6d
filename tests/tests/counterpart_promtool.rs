//! The metrics pass Prometheus' own linter.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use shopnode_tests::{Dev, orders};

#[tokio::test]
async fn promtool_finds_nothing_to_mend() -> Result<()> {
    let dev = Dev::empty().await?;
    let admin = dev.admin();
    orders::sell(&admin, "TEA-1", 5).await?;
    let placed = admin
        .post("/store/v1/orders", &orders::order("TEA-1", 1, "sandbox", "card_ok"))
        .await?
        .expect(201)?;
    orders::settled(&admin, placed["id"].as_str().context("id")?, "open", "paid").await?;

    let metrics = dev.guest().get("/metrics").await?;
    assert_eq!(metrics.status, 200);
    for name in [
        "shopnode_http_requests_total",
        "shopnode_commands_total",
        "shopnode_apply_duration_seconds",
        "shopnode_wal_fsync_duration_seconds",
        "shopnode_queue_lag_events",
        "shopnode_stock_holds",
        "shopnode_payment_attempts",
        "shopnode_raft_applied_index",
        "shopnode_state_size_bytes",
        "shopnode_wal_size_bytes",
    ] {
        assert!(metrics.text.contains(name), "no {name} in:\n{}", metrics.text);
    }
    passes_the_linter(&metrics.text)
}

#[tokio::test]
async fn promtool_finds_nothing_to_mend_in_a_cluster() -> Result<()> {
    let dev = Dev::cluster(3, &[]).await?;
    let metrics = dev.admin_at(0).get("/metrics").await?;
    for name in [
        r#"shopnode_net_peer_connected{peer="2"} 1"#,
        r#"shopnode_net_peer_connected{peer="3"} 1"#,
        r#"shopnode_net_peer_round_trip_seconds{peer="2"}"#,
        r#"shopnode_net_peer_sent_bytes_total{peer="3"}"#,
        r#"shopnode_net_peer_received_bytes_total{peer="3"}"#,
        r#"shopnode_net_peer_calls_in_flight{peer="2"}"#,
        r#"shopnode_net_peer_failures_total{peer="2"}"#,
        r#"shopnode_net_peer_reconnects_total{peer="2"}"#,
        "shopnode_peers_set_aside 0",
        "shopnode_clock_offset_seconds",
    ] {
        assert!(metrics.text.contains(name), "no {name} in:\n{}", metrics.text);
    }
    assert!(!metrics.text.contains(r#"{peer="1"}"#), "a node is no peer of itself");
    passes_the_linter(&metrics.text)
}

fn passes_the_linter(text: &str) -> Result<()> {
    let mut linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool: run `./tests/run counterpart`")?;
    linter.stdin.take().context("stdin")?.write_all(text.as_bytes())?;
    let verdict = linter.wait_with_output()?;
    let told = [verdict.stdout, verdict.stderr].concat();
    assert!(verdict.status.success() && told.is_empty(), "{}", String::from_utf8_lossy(&told));
    Ok(())
}
