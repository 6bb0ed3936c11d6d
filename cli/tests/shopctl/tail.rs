//! Following the feed: from its end or from a place, event by event, until Ctrl-C.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Canned, FakeShop, User, finish, json, problem};

fn event(seq: u64) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"evt_06fzz5q2ks5j8v1mcd0p8qf1w2","source":"/stores/1","type":"shopnode.order.placed.v1","subject":"ord_1","time":"2026-01-31T12:00:00.000Z","datacontenttype":"application/json","data":{{"z":1,"a":2}},"seq":{seq},"index":9,"topic":"orders"}}"#
    )
}

fn page(seqs: &[u64], next_after: u64, more: bool) -> Canned {
    let events: Vec<String> = seqs.iter().map(|seq| event(*seq)).collect();
    let events = events.join(", ");
    json(200, &format!(r#"{{"data":[{events}],"next_after":{next_after},"more":{more},"last_seq":77}}"#))
}

#[test]
fn json_is_one_event_a_line_as_it_came() {
    let shop = FakeShop::start(vec![page(&[1, 4], 5, true), page(&[], 60, true), page(&[70], 77, false)]);
    let ran = User::new().run(&[
        "--server",
        &shop.url(),
        "topic",
        "tail",
        "orders",
        "--after",
        "0",
        "--no-follow",
        "-o",
        "json",
    ]);
    assert_eq!((ran.code, ran.stdout), (0, [event(1), event(4), event(70)].map(|line| line + "\n").concat()));
    let targets: Vec<String> = shop.received().into_iter().map(|request| request.target).collect();
    assert!(
        targets.iter().all(|target| target.starts_with("/admin/v1/topics/orders/events?")),
        "{targets:?}"
    );
    for (target, after) in targets.iter().zip(["after=0", "after=5", "after=60"]) {
        assert!(target.split(['?', '&']).any(|part| part == after), "{after} in {target}");
    }
}

#[test]
fn without_a_place_it_begins_at_the_end_and_ctrl_c_is_a_clean_end() {
    let shop = FakeShop::start(vec![
        page(&[1], 1, true),
        page(&[], 77, false),
        Canned::Drop,
        problem(503, "not_ready"),
        page(&[78], 78, false),
    ]);
    let user = User::new();
    let child = user.start(&["--server", &shop.url(), "topic", "tail"]);
    let started = Instant::now();
    while shop.received().len() < 6 && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = finish(child);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("      78  2026-01-31 12:00:00Z  order.placed.v1 "), "{ran:?}");
    let received = shop.received();
    assert!(received[0].target.starts_with("/admin/v1/events?"), "{:?}", received[0]);
    assert!(received[1].target.contains("after=77"), "{:?}", received[1]);
    assert!(received[5].target.contains("after=78"), "{:?}", received[5]);
}
