//! What commands see as now never decreases along the log, though the nodes' clocks differ by seconds.

use raft::Host;

use crate::journal::lines;

pub fn check(host: &Host) {
    let mut last = 0;
    for (index, line) in lines(host) {
        assert!(line.now_ms >= last, "at index {index}");
        last = line.now_ms;
    }
}
