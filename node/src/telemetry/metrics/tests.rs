use std::collections::BTreeMap;
use std::time::Duration;

use net::PeerTally;

use super::{CommandOutcome, Metrics, RaftSample, Spilled};
use crate::workers::Census;

fn peer(peer: u64, sent_bytes: u64) -> PeerTally {
    PeerTally {
        peer,
        connected: true,
        connections: 7,
        protocol: Some(1),
        round_trip: Some(Duration::from_millis(2)),
        sent_bytes,
        received_bytes: 3,
        in_flight: 4,
        failures: 5,
        reconnects: 6,
    }
}

/// Every family with a value in it.
fn filled() -> Metrics {
    let metrics = Metrics::new().unwrap();
    let took = Duration::from_millis(3);
    metrics.http.answered("/livez", &http::Method::GET, http::StatusCode::OK, took);
    metrics.http.in_flight.set(1);
    metrics.net.sample(&[peer(2, 1_000), peer(3, 0)]);
    metrics.net.sample(&[peer(2, 1_500)]);
    metrics.clock.compared(3, Some(-250));
    metrics.balance.spilled(Spilled::Answered);
    metrics.balance.for_peer(true);
    metrics.balance.set_aside.set(1);
    metrics.commands.ended("order.place", CommandOutcome::Done, took);
    metrics.commands.applied("order.place", took);
    metrics.raft.sample(RaftSample {
        term: 2,
        role: "leader",
        commit_index: 9,
        applied_index: 8,
        active_version: 1,
    });
    metrics.raft.applied_run(3, took);
    metrics.raft.durable(500, took);
    metrics.storage.flushed(took);
    metrics.storage.scrubbed(1_800_000_000_500, 2);
    metrics.raft.snapshot_frame(700);
    metrics.raft.snapshot_resumed();
    metrics.raft.lead_transferred();
    metrics.http.problem("out_of_stock");
    metrics.shop.queue_lag("payments", 4);
    metrics.shop.queue_lag("sms", 9);
    metrics.shop.forget_queue_lag("sms");
    let lag = |group: &str| BTreeMap::from([(group.to_owned(), 7)]);
    let census = |group: &str| Census {
        group_lag: lag(group),
        payments: BTreeMap::from([("sending", 6)]),
        payments_due: 2,
        active_holds: 5,
    };
    metrics.shop.sample(&census("gone"));
    metrics.shop.sample(&census("billing"));
    metrics.shop.effect("mail", "ok");
    metrics.storage.sizes(1000, 2000);
    metrics
}

#[test]
fn every_family_is_told_with_help_and_type() {
    let text = filled().render().unwrap();
    for line in [
        r#"shopnode_http_requests_total{method="GET",route="/livez",status="2xx"} 1"#,
        r#"shopnode_http_request_duration_seconds_count{method="GET",route="/livez"} 1"#,
        r#"shopnode_reads_spilled_total{outcome="answered"} 1"#,
        r#"shopnode_reads_for_peers_total{outcome="answered"} 1"#,
        "shopnode_peers_set_aside 1",
        "shopnode_net_connected_peers 1",
        r#"shopnode_net_peer_connected{peer="2"} 1"#,
        r#"shopnode_net_peer_connections{peer="2"} 7"#,
        r#"shopnode_net_peer_round_trip_seconds{peer="2"} 0.002"#,
        r#"shopnode_net_peer_sent_bytes_total{peer="2"} 1500"#,
        r#"shopnode_net_peer_received_bytes_total{peer="2"} 3"#,
        r#"shopnode_net_peer_calls_in_flight{peer="2"} 4"#,
        r#"shopnode_net_peer_failures_total{peer="2"} 5"#,
        r#"shopnode_net_peer_reconnects_total{peer="2"} 6"#,
        r#"shopnode_net_peer_protocol{peer="2"} 1"#,
        "shopnode_clocks_compared 3",
        "shopnode_clock_offset_seconds -0.25",
        r#"shopnode_commands_total{command="order.place",outcome="done"} 1"#,
        r#"shopnode_apply_duration_seconds_bucket{command="order.place",le="0.005"} 1"#,
        r#"shopnode_raft_role{role="leader"} 1"#,
        r#"shopnode_raft_role{role="follower"} 0"#,
        "shopnode_raft_applied_index 8",
        "shopnode_raft_leader_transfers_total 1",
        "shopnode_wal_fsync_duration_seconds_count 1",
        "shopnode_wal_written_bytes_total 500",
        "shopnode_applied_entries_total 3",
        "shopnode_snapshot_received_bytes_total 700",
        "shopnode_snapshot_transfers_resumed_total 1",
        "shopnode_scrub_last_end_timestamp_seconds 1800000000",
        "shopnode_scrub_damaged_tables 2",
        "shopnode_state_flush_duration_seconds_count 1",
        r#"shopnode_http_problems_total{code="out_of_stock"} 1"#,
        r#"shopnode_queue_lag_events{group="payments"} 4"#,
        r#"shopnode_consumer_group_lag_events{group="billing"} 7"#,
        "shopnode_payment_orders_due 2",
        r#"shopnode_stock_holds{state="active"} 5"#,
        r#"shopnode_payment_attempts{state="sending"} 6"#,
        "shopnode_state_size_bytes 1000",
        "shopnode_wal_size_bytes 2000",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(r#"peer="3""#), "a peer that is gone is told no more");
    for gone in [r#"group="gone""#, r#"group="sms""#] {
        assert!(!text.contains(gone), "{gone} is told no more");
    }
    assert!(text.contains("shopnode_build_info{rust="));
}

/// Prometheus' naming rules, as `promtool check metrics` has them.
#[test]
fn names_follow_the_rules() {
    let text = filled().render().unwrap();
    let families: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(families.len() > 20);
    for (name, kind) in families {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        for word in ["_ms", "_milliseconds", "_minutes", "_kb", "_mb", "gauge", "counter", "histogram"] {
            assert!(!name.contains(word), "{name} has {word}");
        }
        assert_eq!(kind == "histogram", name.ends_with("_duration_seconds"), "{name} is a {kind}");
    }
}

#[test]
fn callers_cannot_make_time_series() {
    let metrics = Metrics::new().unwrap();
    for method in ["BREW", "WHEN", "PROPFIND"] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        metrics.http.answered("none", &method, http::StatusCode::NOT_FOUND, Duration::ZERO);
    }
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_http_requests_total{method="other",route="none",status="4xx"} 3"#));
}
