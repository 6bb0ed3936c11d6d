mod alone;
pub(crate) mod cluster;
mod failover;
mod fence;
mod forwarding;
mod membership;
mod reads;
mod timekeeping;

/// Whoever finds a fault's code in a log can ask what to do about it.
#[test]
fn every_fault_has_a_page() {
    let pages: Vec<&str> = shop::cluster::FAULT_CODES.iter().map(|page| page.code).collect();
    let own = ["certificate_expired"];
    let codes: Vec<&str> =
        storage::Fault::CODES.iter().chain(raft::Fault::CODES).copied().chain(own).collect();
    assert_eq!(pages, codes, "one page each, in their order");
}
