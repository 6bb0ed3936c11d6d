//! A node's certificate ends, and the node does not: it signs another with the authority in its state, in time or later. Only who never
//! had that state has to join again, and is told so.

use std::path::{Path, PathBuf};

use net::{Validity, validity_of};
use shopnode::clock::SystemClock;
use shopnode::enrolment::{Credentials, signing_authority};
use shopnode::identity::Identity;
use shopnode::secrets::SealKey;
use storage::{Scope, Store};

use crate::cluster::{Founder, peers_connected};
use crate::shopnode::{Running, command, get, output, post, request, until};

/// How long before it is signed a certificate begins to hold, for clocks that are behind.
const BACKDATED_MS: u64 = 3_600_000;

/// A cluster whose second node has the state and has ended.
fn two_nodes() -> (Founder, PathBuf) {
    let first = Founder::start();
    assert_eq!(first.join("2", &first.token).code, Some(0));
    let data = first.directory("2");
    let second = Running::start(&data);
    second.until_ready();
    stop(second);
    (first, data)
}

fn stop(node: Running) {
    let ended = node.end(libc::SIGTERM);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

fn again(node: &mut Option<Running>, data: &Path) {
    stop(node.take().unwrap());
    let running = node.insert(Running::start(data));
    running.until_ready();
}

/// Gives the node in `data` another certificate of its key, signed with the state in `signer`. The nodes of both have ended.
fn certify(data: &Path, signer: &Path, validity: Validity) {
    let seal = SealKey::load(None, &signer.join("secrets")).unwrap();
    let store = Store::open_dir(&signer.join("state"), 8 << 20).unwrap();
    let (_, authority) = signing_authority(&store.view().in_scope(Scope(1)), &seal).unwrap().unwrap();
    let credentials = Credentials::within(&data.join("secrets"));
    let node = Identity::load(data).unwrap().node;
    credentials.keep(&authority.identify(node, &credentials.key().unwrap(), validity).unwrap()).unwrap();
}

/// Until when the certificate in `data` holds, and from when.
fn validity(data: &Path) -> Validity {
    let identity = Identity::load(data).unwrap();
    let proof = Credentials::within(&data.join("secrets")).load(identity.cluster.unwrap(), identity.node);
    validity_of(proof.unwrap().certificate()).unwrap()
}

fn key(data: &Path) -> Vec<u8> {
    std::fs::read(data.join("secrets/node.key")).unwrap()
}

fn now_ms() -> u64 {
    SystemClock::start().now_ms()
}

fn until_later_than(moment_ms: u64) {
    until("time to pass", || (now_ms() > moment_ms).then_some(()));
}

/// A command that this node, which does not lead, has to forward.
fn takes_a_command(node: &Running, admin: &str, slug: &str) {
    let body = format!(
        r#"{{"title": "T", "slug": "{slug}", "status": "published",
            "variants": [{{"sku": "{slug}", "prices": [{{"amount": 1, "currency": "EUR"}}]}}]}}"#
    );
    assert_eq!(post(node.http, "/admin/v1/products", admin, &body), 201, "{slug}");
}

#[test]
fn half_of_its_time_is_over_and_the_node_goes_on_with_another() {
    let (mut first, data) = two_nodes();
    let key_before = key(&data);
    let now_ms = now_ms();
    let short = Validity { from_ms: now_ms - 4_000, until_ms: now_ms + 12_000 };
    certify(&data, &data, short);
    let old = validity(&data);
    let second = Running::start(&data);
    second.until_ready();
    peers_connected(&second, 1);

    let fresh = until("another certificate", || Some(validity(&data)).filter(|found| *found != old));
    // To the second, as certificates tell it.
    let signed_ms = fresh.from_ms + BACKDATED_MS + 1_000;
    assert!(signed_ms > old.half_life_ms(), "{fresh:?} was signed before half of {old:?} was over");
    assert!(fresh.until_ms > signed_ms + 29 * 24 * 3_600_000, "{fresh:?}");
    assert_eq!(key(&data), key_before);
    until_later_than(old.until_ms);
    takes_a_command(&second, &first.admin, "same-connection");
    let metrics = get(second.http, "/metrics").1;
    assert!(metrics.contains("shopnode_net_peer_reconnects_total{peer=\"1\"} 0\n"), "{metrics}");

    // Connections keep what they were made with. One that is new proves that the peer takes the new certificate.
    let founder = first.directory("1");
    again(&mut first.node, &founder);
    peers_connected(first.node.as_ref().unwrap(), 1);
    second.until_ready();
    takes_a_command(&second, &first.admin, "new-connection");
    stop(second);
}

#[test]
fn a_node_that_was_off_for_longer_than_its_certificate_signs_another() {
    let (first, data) = two_nodes();
    let key_before = key(&data);
    certify(&data, &data, long_ago());
    let second = Running::start(&data);
    second.until_ready();
    takes_a_command(&second, &first.admin, "back");
    assert!(validity(&data).until_ms > now_ms());
    assert_eq!(key(&data), key_before);
    stop(second);
}

#[test]
fn one_that_cannot_sign_another_is_told_to_join_again() {
    let (mut first, data) = two_nodes();
    // Its state is put aside: it would have to be let in for the copy.
    certify(&data, &data, long_ago());
    let path = data.to_str().unwrap();
    assert_eq!(output(command(&["rejoin", "--data", path])).code, Some(0));
    is_told(&data, 2);

    // And one that has never served.
    let (_, token) = first.new_token();
    assert_eq!(first.join("3", &token).code, Some(0));
    let (founder, data) = (first.directory("1"), first.directory("3"));
    stop(first.node.take().unwrap());
    certify(&data, &founder, long_ago());
    let running = first.node.insert(Running::start(&founder));
    running.until_ready();
    is_told(&data, 3);

    let removed = request(first.http(), "DELETE", "/admin/v1/cluster/nodes/3", &first.admin, "");
    assert_eq!(removed.0, 204, "{}", removed.1);
    let (_, token) = first.new_token();
    assert_eq!(first.join("4", &token).code, Some(0));
    let node = Running::start(&first.directory("4"));
    node.until_ready();
    stop(node);
}

fn long_ago() -> Validity {
    const DAY_MS: u64 = 24 * 3_600_000;
    Validity { from_ms: now_ms() - 40 * DAY_MS, until_ms: now_ms() - 10 * DAY_MS }
}

fn is_told(data: &Path, node: u64) {
    let ended = output(command(&["run", "--data", data.to_str().unwrap()]));
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for part in ["[certificate_expired]", &format!("shopctl member remove {node}"), "shopnode join"] {
        assert!(ended.stderr.contains(part), "{part} is not in: {}", ended.stderr);
    }
}
