//! The built binary, as a supervisor and an operator meet it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod certificates;
mod cluster;
mod dev;
mod rejoin;
mod shopnode;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use shopnode::{Running, command, get, init, limit_files, output, post, until};

/// A client that has sent half a body and sends nothing more; the node is answering it.
fn half_a_request(node: &Running) -> TcpStream {
    let mut client = TcpStream::connect(node.http).unwrap();
    client.write_all(HALF_A_REQUEST).unwrap();
    // The one that asks is the other.
    let both = |metrics: String| metrics.contains("shopnode_http_requests_in_flight 2\n");
    until("the request to be under way", || both(get(node.http, "/metrics").1).then_some(()));
    client
}

const HALF_A_REQUEST: &[u8] = b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=";

/// The command must fail with `code` and say each of `expect` on standard error, and nothing on standard output.
fn refused(arguments: &[&str], code: i32, expect: &[&str]) {
    let done = output(command(arguments));
    assert_eq!(done.code, Some(code), "{arguments:?}: {}", done.stderr);
    assert_eq!(done.stdout, "", "{arguments:?}");
    for part in expect {
        assert!(done.stderr.contains(part), "{part:?} is not in: {}", done.stderr);
    }
}

#[test]
fn version_is_data_on_standard_output() {
    let done = output(command(&["version"]));
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(done.stdout, format!("shopnode {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    refused(&["rnu"], 2, &["rnu"]);
    refused(&["run"], 2, &["--data"]);
    refused(&["init", "--data", "x", "--http", "everywhere"], 2, &["everywhere"]);
}

#[test]
fn a_directory_without_a_node_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    refused(&["run", "--data", path], 1, &["not a data directory", "shopnode init --data"]);
    init(home.path());
    refused(&["init", "--data", path], 1, &["holds a node already"]);
}

#[test]
fn it_serves_and_ends_cleanly() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let node = Running::start(home.path());
        assert_eq!(get(node.http, "/livez").0, 200);
        node.until_ready();
        let (status, metrics) = get(node.http, "/metrics");
        assert_eq!(status, 200);
        assert!(metrics.contains("\nshopnode_raft_role{role=\"leader\"} 1\n"), "{metrics}");
        let ended = node.end(signal);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
        // Standard error is no terminal here, so each line is one JSON object.
        for line in ended.stderr.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["message"].is_string() && line["timestamp"].is_string(), "{line}");
            assert_eq!(line["level"], "INFO", "{line}");
        }
    }
}

#[test]
fn balancers_hear_of_the_end_before_it_comes() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let mut run = command(&["run", "--data", home.path().to_str().unwrap()]);
    run.env("SHOPNODE_HTTP__STOP_DELAY_MS", "4000");
    let node = Running::spawn(run);
    node.until_ready();
    node.signal(libc::SIGTERM);
    let refusal = until("the node to say no", || {
        let (status, answer) = get(node.http, "/readyz");
        (status == 503).then_some(answer)
    });
    assert!(refusal.contains("shutting down"), "{refusal}");
    assert_eq!(get(node.http, "/store/v1/products").0, 200, "it still answers");
    assert_eq!(node.end(0).code, Some(0));
}

#[test]
fn a_signal_that_comes_twice_is_one() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let node = Running::start(home.path());
    node.until_ready();
    // A client in the middle of a request keeps it from ending before the second one comes.
    let slow = half_a_request(&node);
    node.signal(libc::SIGTERM);
    // Signals that are pending together are one anyway; these are to be two.
    std::thread::sleep(Duration::from_millis(50));
    node.signal(libc::SIGTERM);
    std::thread::sleep(Duration::from_millis(50));
    drop(slow);
    let ended = node.end(0);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("ending at once"), "{}", ended.stderr);
}

#[test]
fn it_starts_again_after_being_killed() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    for _ in 0..3 {
        let node = Running::start(home.path());
        node.until_ready();
        assert_eq!(node.end(libc::SIGKILL).code, None);
    }
    assert_eq!(Running::start(home.path()).end(libc::SIGTERM).code, Some(0));
}

#[test]
fn a_second_process_on_the_directory_is_refused() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let node = Running::start(home.path());
    refused(&["run", "--data", home.path().to_str().unwrap()], 1, &["another process uses"]);
    node.until_ready();
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
}

#[test]
fn a_taken_port_is_told() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut run = command(&["run", "--data", home.path().to_str().unwrap()]);
    run.env("SHOPNODE_HTTP__LISTEN", taken.local_addr().unwrap().to_string());
    let done = output(run);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("http.listen"), "{}", done.stderr);
}

#[test]
fn a_wrong_configuration_is_told_with_line_and_nearest_name() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let file = home.path().join("config.toml");
    let path = home.path().to_str().unwrap();
    std::fs::write(&file, "[http]\nlissten = \"127.0.0.1:0\"\n").unwrap();
    refused(&["run", "--data", path], 1, &["config.toml:2", "did you mean `http.listen`?"]);

    let other = home.path().join("other.toml");
    std::fs::write(&other, format!("[node]\ndata = \"{path}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[cluster]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    let node = Running::spawn(command(&["run", "--config", other.to_str().unwrap()]));
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
}

#[test]
fn an_operators_configuration_is_kept_by_init() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    let path = home.path().to_str().unwrap();
    let own = "# ours\n[http]\nlisten = \"127.0.0.1:0\"\n[cluster]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, own).unwrap();
    refused(&["init", "--data", path, "--zone", "a"], 1, &["node.zone"]);
    assert_eq!(output(command(&["init", "--data", path])).code, Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), own);
    assert_eq!(Running::start(home.path()).end(libc::SIGTERM).code, Some(0));
}

#[test]
fn a_lost_seal_key_is_told_before_anything_is_served() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    std::fs::remove_file(home.path().join("secrets/seal.key")).unwrap();
    refused(&["run", "--data", home.path().to_str().unwrap()], 1, &["seal.key"]);
}

#[test]
fn the_seal_key_may_be_a_credential_of_the_service() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let credentials = tempfile::tempdir().unwrap();
    let (key, credential) = (home.path().join("secrets/seal.key"), credentials.path().join("seal"));
    std::fs::copy(&key, &credential).unwrap();
    std::fs::remove_file(&key).unwrap();
    let run = || {
        let mut run = command(&["run", "--data", home.path().to_str().unwrap()]);
        run.env("SHOPNODE_NODE__SEAL_KEY_FILE", "credential:seal");
        run.env_remove("CREDENTIALS_DIRECTORY");
        run
    };
    let done = output(run());
    assert!(done.code == Some(1) && done.stderr.contains("LoadCredential="), "{}", done.stderr);
    let mut run = run();
    run.env("CREDENTIALS_DIRECTORY", credentials.path());
    assert_eq!(Running::spawn(run).end(libc::SIGTERM).code, Some(0));
}

#[test]
fn a_full_disk_ends_the_node_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let token = init(home.path()).trim().to_owned();
    let mut run = command(&["run", "--data", home.path().to_str().unwrap()]);
    limit_files(&mut run, 2 * 1024 * 1024);
    let mut node = Running::spawn(run);
    node.until_ready();
    // Descriptions of 30 KiB fill the log within a hundred products.
    let description = "x".repeat(30_000);
    let mut acknowledged = 0;
    let mut number = 0;
    let status = until("the node to end", || {
        number += 1;
        let body = format!(
            r#"{{"title": "T", "slug": "t-{number}", "status": "published", "description": "{description}",
                "variants": [{{"sku": "T-{number}", "prices": [{{"amount": 1, "currency": "EUR"}}]}}]}}"#
        );
        if post(node.http, "/admin/v1/products", &token, &body) == 201 {
            acknowledged = number;
        }
        node.has_ended()
    });
    assert_eq!(status.code(), Some(1));
    let stderr = node.end(0).stderr;
    assert!(stderr.contains("storage failed and this node stops"), "{stderr}");

    // With room again, it goes on from what was acknowledged.
    let node = Running::start(home.path());
    node.until_ready();
    assert!(acknowledged > 10, "{acknowledged}");
    assert_eq!(get(node.http, &format!("/store/v1/products/t-{acknowledged}")).0, 200);
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
}

#[test]
fn everything_in_the_directory_is_private() {
    use std::os::unix::fs::PermissionsExt;
    fn walk(directory: &std::path::Path) {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
            if path.is_dir() {
                walk(&path);
            }
        }
    }
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let node = Running::start(home.path());
    walk(home.path());
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
    walk(home.path());
}

#[test]
fn a_request_under_way_is_not_waited_for_forever() {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let mut run = command(&["run", "--data", home.path().to_str().unwrap()]);
    run.env("SHOPNODE_HTTP__DRAIN_TIMEOUT_MS", "200");
    let node = Running::spawn(run);
    let slow = half_a_request(&node);
    let ended = node.end(libc::SIGTERM);
    drop(slow);
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("at the end of the drain time"), "{}", ended.stderr);
}
