//! `upgrade node --after-drain`: the command runs once, between draining and coming back, and when it fails the node stays out.

use crate::support::{Canned, FakeShop, Ran, User, json, problem};

const UPGRADE: &str = "GET /admin/v1/cluster/upgrade";
const DRAIN: &str = "POST /admin/v1/cluster/nodes/2/drain";
const UNDRAIN: &str = "POST /admin/v1/cluster/nodes/2/undrain";

/// Node 2 at one moment, as the cluster tells.
struct Moment {
    standing: &'static str,
    state: &'static str,
    /// The highest version that its program supports; `None` when it does not answer.
    most: Option<u32>,
    applied: u64,
}

const BEFORE: Moment = Moment { standing: "active", state: "alive", most: Some(1), applied: 5 };
const DRAINING: Moment = Moment { standing: "draining", state: "draining", most: Some(1), applied: 5 };
const NEW: Moment = Moment { standing: "draining", state: "draining", most: Some(2), applied: 5 };
const BACK: Moment = Moment { standing: "active", state: "alive", most: Some(2), applied: 9 };

/// The log ends at 9.
fn node(id: u64, leads: bool, moment: &Moment) -> String {
    let Moment { standing, state, most, applied } = moment;
    let levels = most.map_or_else(|| "null".to_owned(), |most| format!(r#"{{"least":1,"most":{most}}}"#));
    let (started, lag) = (most.unwrap_or(0), 9 - applied);
    format!(
        r#"{{"id":{id},"name":"n{id}","version":"0.{started}.0","levels":{levels},"started_at":"2027-01-0{started}T00:00:00Z","standing":"{standing}","state":"{state}","leads":{leads},"applied_index":{applied},"lag":{lag}}}"#
    )
}

fn told(first: &Moment, second: &Moment) -> Canned {
    led_by(1, first, second)
}

fn led_by(leader: u64, first: &Moment, second: &Moment) -> Canned {
    let nodes = format!("{},{}", node(1, leader == 1, first), node(2, leader == 2, second));
    json(
        200,
        &format!(
            r#"{{"active_version":1,"newest_version":2,"raised":null,"step":"upgrade_nodes","advice":"more","nodes":[{nodes}]}}"#
        ),
    )
}

fn view(second: &Moment) -> Canned {
    told(&BACK, second)
}

fn done() -> Canned {
    json(200, "{}")
}

/// Upgrades node 2 with a command that leaves a line each time it runs. How it ended, and what it left.
fn upgrade(shop: &FakeShop, then: &str) -> (Ran, String) {
    upgrade_by(shop, &["node", "2"], &format!("echo ran; {then}"))
}

fn upgrade_by(shop: &FakeShop, what: &[&str], left_by: &str) -> (Ran, String) {
    let user = User::new().with("PATH", "/usr/bin:/bin");
    let left = user.home.path().join("left");
    let command = format!("echo installing; {{ {left_by}; }} >> '{}'", left.display());
    let server = shop.url();
    let first = ["--server", server.as_str(), "upgrade"];
    let last = ["--wait", "20", "--after-drain", command.as_str()];
    let ran = user.run(&[first.as_slice(), what, last.as_slice()].concat());
    (ran, std::fs::read_to_string(left).unwrap_or_default())
}

fn asked(shop: &FakeShop) -> Vec<String> {
    shop.received().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
}

#[test]
fn the_command_runs_once_between_draining_and_coming_back() {
    let caught_up = Moment { applied: 9, ..NEW };
    let shop = FakeShop::start(vec![
        view(&BEFORE),
        done(),
        view(&DRAINING),
        // The node that is asked may be the one that restarts.
        problem(503, "not_ready"),
        view(&NEW),
        view(&caught_up),
        done(),
        view(&BACK),
    ]);
    let (ran, left) = upgrade(&shop, "true");
    assert_eq!((ran.code, left.as_str()), (0, "ran\n"), "{ran:?}");
    let expect = [UPGRADE, DRAIN, UPGRADE, UPGRADE, UPGRADE, UPGRADE, UNDRAIN, UPGRADE, UPGRADE];
    assert_eq!(asked(&shop), expect, "{ran:?}");
    // stdout is for the table.
    assert!(ran.stdout.contains("NODE") && !ran.stdout.contains("installing"), "{ran:?}");
    assert!(ran.stderr.contains("installing") && ran.stderr.contains("back in service"), "{ran:?}");
}

#[test]
fn a_command_that_fails_leaves_the_node_out_of_service() {
    let shop = FakeShop::start(vec![view(&BEFORE), done(), view(&DRAINING)]);
    let (ran, left) = upgrade(&shop, "exit 3");
    assert_eq!((ran.code, left.as_str(), ran.stdout.as_str()), (1, "ran\n", ""), "{ran:?}");
    assert!(ran.stderr.contains("exit status: 3") && ran.stderr.contains("out of service"), "{ran:?}");
    assert_eq!(asked(&shop), [UPGRADE, DRAIN, UPGRADE], "{ran:?}");
}

#[test]
fn nothing_is_installed_twice_or_while_another_node_is_away() {
    // Cut off after the installation, and repeated.
    let caught_up = Moment { applied: 9, ..NEW };
    let shop = FakeShop::start(vec![
        view(&NEW),
        done(),
        view(&NEW),
        view(&NEW),
        view(&caught_up),
        done(),
        view(&BACK),
    ]);
    let (ran, left) = upgrade(&shop, "true");
    assert_eq!((ran.code, left.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stderr.contains("runs the new program already"), "{ran:?}");

    let away = Moment { standing: "active", state: "down", most: None, applied: 5 };
    let shop = FakeShop::start(vec![told(&away, &BEFORE)]);
    let (ran, left) = upgrade(&shop, "true");
    assert_eq!((ran.code, left.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("node 1 is down"), "{ran:?}");
    // It looks again for a moment, and changes nothing.
    assert!(asked(&shop).iter().all(|request| request == UPGRADE), "{:?}", asked(&shop));
}

#[test]
fn all_are_upgraded_one_after_the_other_the_leader_last() {
    const NAMES: &str = r#"echo "$SHOPNODE_NODE $SHOPNODE_NAME""#;
    let caught_up = Moment { applied: 9, ..NEW };
    let shop = FakeShop::start(vec![
        told(&BEFORE, &BEFORE),
        // Node 2, which follows.
        told(&BEFORE, &BEFORE),
        done(),
        told(&BEFORE, &DRAINING),
        told(&BEFORE, &caught_up),
        told(&BEFORE, &caught_up),
        done(),
        told(&BEFORE, &BACK),
        told(&BEFORE, &BACK),
        // Node 1 hands over to it.
        told(&BEFORE, &BACK),
        done(),
        led_by(2, &DRAINING, &BACK),
        led_by(2, &caught_up, &BACK),
        led_by(2, &caught_up, &BACK),
        done(),
        led_by(2, &BACK, &BACK),
        led_by(2, &BACK, &BACK),
        led_by(2, &BACK, &BACK),
    ]);
    let (ran, left) = upgrade_by(&shop, &["all", "--to", "0.2.0"], NAMES);
    assert_eq!((ran.code, left.as_str()), (0, "2 n2\n1 n1\n"), "{ran:?}");
    let of_node = |id: u64, verb: &str| format!("POST /admin/v1/cluster/nodes/{id}/{verb}");
    let orders: Vec<String> =
        asked(&shop).into_iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(
        orders,
        [of_node(2, "drain"), of_node(2, "undrain"), of_node(1, "drain"), of_node(1, "undrain")]
    );

    // Repeated: who has the program is passed over.
    let shop = FakeShop::start(vec![led_by(2, &BACK, &BACK), led_by(2, &BACK, &BACK)]);
    let (ran, left) = upgrade_by(&shop, &["all", "--to", "0.2.0"], NAMES);
    assert_eq!((ran.code, left.as_str()), (0, ""), "{ran:?}");
    assert_eq!(asked(&shop), [UPGRADE, UPGRADE], "{ran:?}");
}

#[test]
fn the_others_stay_as_they_are_when_one_does_not_get_the_wanted_program() {
    let caught_up = Moment { applied: 9, ..NEW };
    let shop = FakeShop::start(vec![
        told(&BEFORE, &BEFORE),
        told(&BEFORE, &BEFORE),
        done(),
        told(&BEFORE, &DRAINING),
        told(&BEFORE, &caught_up),
        told(&BEFORE, &caught_up),
        done(),
        told(&BEFORE, &BACK),
        told(&BEFORE, &BACK),
    ]);
    let (ran, left) = upgrade_by(&shop, &["all", "--to", "0.3.0"], "echo ran");
    assert_eq!((ran.code, left.as_str()), (1, "ran\n"), "{ran:?}");
    assert!(ran.stderr.contains("node 2 runs shopnode 0.2.0 now, not 0.3.0"), "{ran:?}");
}

#[test]
fn a_node_that_was_left_in_the_middle_is_brought_back() {
    let caught_up = Moment { applied: 9, ..NEW };
    // Cut off after the installation: it drains, with the new program.
    let shop = FakeShop::start(vec![
        told(&BACK, &NEW),
        told(&BACK, &NEW),
        done(),
        told(&BACK, &NEW),
        told(&BACK, &NEW),
        told(&BACK, &caught_up),
        done(),
        told(&BACK, &BACK),
        told(&BACK, &BACK),
        told(&BACK, &BACK),
    ]);
    let (ran, left) = upgrade_by(&shop, &["all", "--to", "0.2.0"], "echo ran");
    assert_eq!((ran.code, left.as_str()), (0, ""), "{ran:?}");
    let orders: Vec<String> =
        asked(&shop).into_iter().filter(|request| request.starts_with("POST")).collect();
    assert_eq!(orders, [DRAIN, UNDRAIN]);
}
