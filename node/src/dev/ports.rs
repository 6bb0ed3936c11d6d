//! Ports of this machine.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result};

/// One address for each node, the port counting up from the first. Refuses one that another server has: asked first,
/// because that server may be a shop too, and would answer for the one that cannot start.
pub fn one_after_the_other(first: SocketAddr, count: u8) -> Result<Vec<SocketAddr>> {
    let address = |number: u8| {
        let port = first.port().checked_add(u16::from(number));
        let port = port.with_context(|| format!("{count} nodes do not fit above {first}"))?;
        let http = SocketAddr::new(first.ip(), port);
        TcpListener::bind(http)
            .map(|_| http)
            .with_context(|| format!("cannot listen on {http}: choose another with --http"))
    };
    (0..count).map(address).collect()
}

/// A UDP address of this machine that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_udp() -> io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}
