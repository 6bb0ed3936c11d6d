//! `shopnode dev`, as a newcomer and a script meet it.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::shopnode::{Running, command, get, output, send, until};

/// A development shop, and where it says what.
struct Dev {
    parent: Child,
    data: PathBuf,
    output: PathBuf,
    http: SocketAddr,
}

impl Dev {
    /// Starts in `home`, which also has its output.
    fn start(home: &Path, more: &[&str]) -> Dev {
        let data = home.join("dev");
        let mut dev = command(&["dev", "--data", data.to_str().unwrap()]);
        dev.args(more);
        Dev::spawn(dev, home, data)
    }

    fn spawn(mut dev: Command, home: &Path, data: PathBuf) -> Dev {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let output = home.join("output.log");
        let log = std::fs::File::create(&output).unwrap();
        let streams = (Stdio::from(log.try_clone().unwrap()), Stdio::from(log));
        let parent = dev.args(["--http", &port.to_string()]).stdout(streams.0).stderr(streams.1).spawn();
        Dev { parent: parent.unwrap(), data, output, http: port }
    }

    /// What dev.json says, once it is there.
    fn file(&self) -> Value {
        until("dev.json", || {
            std::fs::read(self.data.join("dev.json")).ok().and_then(|t| serde_json::from_slice(&t).ok())
        })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    fn end(mut self, signal: i32) -> Option<i32> {
        send(self.parent.id(), signal);
        until("the end of dev", || self.parent.try_wait().unwrap()).code()
    }

    /// The last entry of the log that the node has applied.
    fn applied_index(&self) -> u64 {
        let text = get(self.http, "/metrics").1;
        let line = text.lines().find_map(|line| line.strip_prefix("shopnode_raft_applied_index "));
        line.unwrap().parse().unwrap()
    }
}

fn pid(file: &Value) -> u32 {
    u32::try_from(file["nodes"][0]["pid"].as_u64().unwrap()).unwrap()
}

/// Whether a process runs. One that ended and that nobody has waited for (state Z) does not.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z')))
}

#[test]
fn a_number_of_nodes_that_cannot_be_is_refused() {
    for number in ["0", "10", "three"] {
        let done = output(command(&["dev", "--nodes", number]));
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
        assert!(done.stderr.contains("--nodes"), "{}", done.stderr);
    }
}

#[test]
fn the_file_says_all_that_scripts_need() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path(), &["--no-demo"]);
    let file = dev.file();
    let mode = dev.data.join("dev.json").metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(file["admin_token"].as_str().unwrap().starts_with("sk_"));
    let node = &file["nodes"][0];
    assert_eq!(
        (node["id"].as_u64(), node["http"].as_str()),
        (Some(1), Some(&*format!("http://{}", dev.http)))
    );
    assert!(Path::new(node["data"].as_str().unwrap()).join("FORMAT").exists());
    assert!(node["cluster"].as_str().unwrap().parse::<SocketAddr>().is_ok());
    assert!(is_alive(pid(&file)));
    // It is written when all is ready, not before.
    assert_eq!(get(dev.http, "/readyz").0, 200);
    for (name, path) in [("sandbox", "/sandbox/ledger"), ("mail", "/mail"), ("sms", "/texts")] {
        let address = file[name].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        assert_eq!(get(address, path).0, 200, "{name}");
    }
    until("the welcome", || dev.said().contains("curl").then_some(()));
    let (data, child) = (dev.data.clone(), pid(&file));
    assert_eq!(dev.end(libc::SIGINT), Some(0));
    assert!(!is_alive(child) && data.join("node-1").exists() && !data.join("dev.json").exists());
}

#[test]
fn a_shop_that_is_kept_is_not_seeded_again() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path(), &[]);
    let (first, seeded) = (dev.file(), dev.applied_index());
    assert!(seeded > 500, "{seeded}");
    assert_eq!(dev.end(libc::SIGTERM), Some(0));

    let dev = Dev::start(home.path(), &[]);
    let second = dev.file();
    assert_eq!(first["admin_token"], second["admin_token"]);
    // A node that starts says a few things of its own (who leads, who holds which lease); the demo is hundreds.
    assert!(dev.applied_index() < seeded + 100, "{} after {seeded}", dev.applied_index());
    assert_eq!(dev.end(libc::SIGTERM), Some(0));
}

#[test]
fn a_killed_node_stays_dead_until_somebody_runs_it() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path(), &["--no-demo"]);
    let file = dev.file();
    send(pid(&file), libc::SIGKILL);
    until("the parent to say so", || dev.said().contains("bring it back with: shopnode run").then_some(()));
    assert!(!is_alive(pid(&file)));

    let node = Running::start(Path::new(file["nodes"][0]["data"].as_str().unwrap()));
    assert_eq!(node.http, dev.http);
    node.until_ready();
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
    assert_eq!(dev.end(libc::SIGINT), Some(0));
}

#[test]
fn nodes_die_with_their_parent() {
    let home = tempfile::tempdir().unwrap();
    let dev = Dev::start(home.path(), &["--no-demo"]);
    let child = pid(&dev.file());
    assert_eq!(dev.end(libc::SIGKILL), None);
    until("the end of the node", || (!is_alive(child)).then_some(()));
}

#[test]
fn a_temporary_shop_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let mut dev = command(&["dev", "--no-demo"]);
    dev.env("TMPDIR", home.path().join("tmp"));
    std::fs::create_dir(home.path().join("tmp")).unwrap();
    let entries = || home.path().join("tmp").read_dir().unwrap();
    let dev = Dev::spawn(dev, home.path(), PathBuf::new());
    until("the welcome", || dev.said().contains("Ctrl-C").then_some(()));
    assert_eq!(entries().count(), 1);
    assert_eq!(dev.end(libc::SIGINT), Some(0));
    assert_eq!(entries().count(), 0);
}

#[test]
fn a_shop_that_cannot_start_says_why_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut dev = command(&["dev", "--no-demo", "--http", &taken.local_addr().unwrap().to_string()]);
    dev.env("TMPDIR", home.path());
    let done = output(dev);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("--http"), "{}", done.stderr);
    assert_eq!(home.path().read_dir().unwrap().count(), 0);
}
