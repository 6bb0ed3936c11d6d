//! All nodes hold the same commands at the same indices, with the same time and randomness.

use raft::Host;

use crate::journal::lines;

pub fn check(hosts: &[Host]) {
    let expect = lines(&hosts[0]);
    for host in &hosts[1..] {
        let found = lines(host);
        let first_difference = found.iter().zip(&expect).find(|(a, b)| a != b);
        assert_eq!(first_difference, None);
        assert_eq!(found.len(), expect.len());
    }
}
