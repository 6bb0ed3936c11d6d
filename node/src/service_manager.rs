//! Tells systemd how the service is: ready, alive, stopping. The protocol of sd_notify(3): datagrams of `NAME=VALUE`
//! lines to the socket that `NOTIFY_SOCKET` names. Without that variable nobody asks, and nothing is sent.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    /// How often it wants a sign of life; it restarts a service that is silent for longer.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager that started this process, if it wants to hear of it.
    pub fn of_process() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        let address = variable("NOTIFY_SOCKET")?;
        let watchdog = watchdog(
            variable("WATCHDOG_USEC").as_deref(),
            variable("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        match Self::at(&address, watchdog) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!(%error, address, "the service manager cannot be told how this node is");
                None
            }
        }
    }

    /// # Errors
    /// When nothing listens there.
    fn at(address: &str, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A name that begins with @ is in the abstract namespace.
        let address = match address.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        socket.connect_addr(&address)?;
        // A manager that does not read must not stop a shop.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, watchdog })
    }

    /// The service answers requests from now on.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The service ends, as it was asked to or by itself.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what is under way");
    }

    /// Gives signs of life, twice in the time that the manager waits, for as long as the node is `healthy`. Returns
    /// only if none are wanted.
    pub async fn live(&self, healthy: impl Fn() -> bool) {
        let Some(within) = self.watchdog else { return };
        let mut tick = tokio::time::interval(within / 2);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if healthy() {
                self.tell("WATCHDOG=1");
            }
        }
    }

    fn tell(&self, message: &str) {
        if let Err(error) = self.socket.send(message.as_bytes()) {
            tracing::debug!(%error, message, "the service manager was not told");
        }
    }
}

/// How often signs of life are wanted: microseconds, meant for the process `wanted_of` if one is named
/// (sd_watchdog_enabled(3)).
fn watchdog(usec: Option<&str>, wanted_of: Option<&str>, own: u32) -> Option<Duration> {
    let usec = usec?.parse().ok().filter(|usec| *usec > 0)?;
    let ours = wanted_of.is_none_or(|pid| pid.parse() == Ok(own));
    ours.then(|| Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::{ServiceManager, watchdog};

    #[test]
    fn signs_of_life_are_for_the_process_that_is_asked() {
        let check = |usec, pid, expect: Option<u64>| {
            assert_eq!(watchdog(usec, pid, 7), expect.map(Duration::from_micros), "{usec:?} {pid:?}");
        };
        check(Some("30000000"), None, Some(30_000_000));
        check(Some("30000000"), Some("7"), Some(30_000_000));
        check(Some("30000000"), Some("8"), None);
        check(Some("30000000"), Some("x"), None);
        for wrong in ["0", "", "-1", "soon"] {
            check(Some(wrong), None, None);
        }
        check(None, Some("7"), None);
    }

    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 256];
        match socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                None
            }
        }
    }

    #[tokio::test]
    async fn a_manager_hears_of_the_service_for_as_long_as_it_is_healthy() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = path.to_str().unwrap();
        let manager = ServiceManager::at(address, Some(Duration::from_millis(20))).unwrap();
        manager.ready("serving");
        assert_eq!(heard(&socket).as_deref(), Some("READY=1\nSTATUS=serving"));

        let (healthy, asked) = (Cell::new(true), Cell::new(0));
        let live = || {
            asked.set(asked.get() + 1);
            healthy.get()
        };
        let wait = || async {
            asked.set(0);
            let enough = async {
                while asked.get() < 3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                () = manager.live(live) => panic!("it goes on for as long as the node does"),
                () = enough => {}
            }
        };
        wait().await;
        for sign in 1..=3 {
            assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"), "sign {sign}");
        }
        while heard(&socket).is_some() {}
        healthy.set(false);
        wait().await;
        assert_eq!(heard(&socket), None, "no sign of life of a node that is not healthy");

        manager.stopping();
        assert!(heard(&socket).unwrap().starts_with("STOPPING=1\n"));
        drop(socket);
        manager.ready("nobody listens");
    }

    #[tokio::test]
    async fn abstract_names_are_names_and_nobody_need_ask() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;
        let name = format!("shopnode-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::at(&format!("@{name}"), None).unwrap();
        manager.ready("x");
        assert!(heard(&socket).is_some());
        manager.live(|| true).await;
        assert!(ServiceManager::at("/nonexistent/socket", None).is_err());
    }
}
