//! A network of a test's own: a bridge, and machines that are network namespaces on it. Nothing of it can be seen from
//! outside, and it is gone with the test, however that ends: namespaces without a name live as long as a process in them.

use std::future::Future;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, ensure};

/// Runs a test within a network of its own. Needs root, and Debian's `iproute2` and `nftables`.
///
/// # Errors
/// What the test says, or what keeps the network from being made.
pub fn with_network<F: Future<Output = Result<()>>>(test: impl FnOnce(Network) -> F) -> Result<()> {
    leave_the_machines_network().context("a network of its own needs root")?;
    let network = Network::new()?;
    // Its threads are made by this one, so they are in the same network.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(test(network))
}

/// The bridge; the test itself is on it with address 10.77.0.1. Clones are the same.
#[derive(Clone)]
pub struct Network {
    next: Arc<AtomicU8>,
}

impl Network {
    fn new() -> Result<Network> {
        ip(&["link", "set", "lo", "up"])?;
        // With snooping the bridge itself speaks IGMP (RFC 4286: it joins the group of all snoopers), at moments of its own.
        ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["address", "add", "10.77.0.1/24", "dev", "br0"])?;
        ip(&["link", "set", "br0", "up"])?;
        Ok(Network { next: Arc::new(AtomicU8::new(11)) })
    }

    /// Connects one more machine.
    ///
    /// # Errors
    /// When the namespace or its link cannot be made.
    pub fn machine(&mut self) -> Result<Machine> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        ensure!(number < 255, "too many machines");
        let machine = Machine { keeper: keep_a_namespace()?, address: Ipv4Addr::new(10, 77, 0, number) };
        let (link, pid) = (format!("m{number}"), machine.keeper.id().to_string());
        ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["link", "set", &link, "master", "br0", "up"])?;
        let address = format!("{}/24", machine.address);
        machine.run(&["ip", "link", "set", "lo", "up"])?;
        machine.run(&["ip", "address", "add", &address, "dev", "eth0"])?;
        machine.run(&["ip", "link", "set", "eth0", "up"])?;
        // What is cut lands here; the chains are there from the start, so that cutting is one rule.
        machine.run(&["nft", "add table ip cut"])?;
        machine.run(&["nft", "add chain ip cut in { type filter hook input priority 0; }"])?;
        Ok(machine)
    }
}

/// One machine: a network namespace with one address.
pub struct Machine {
    /// A process that does nothing but be in the namespace.
    keeper: Child,
    pub address: Ipv4Addr,
}

impl Machine {
    /// A program to be started on this machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.keeper.id().to_string(), "--net", "--"]).arg(program);
        command
    }

    /// From now on nothing that `from` sends arrives here; what this machine sends still arrives there.
    ///
    /// # Errors
    /// When the rule cannot be set.
    pub fn refuse_from(&self, from: &Machine) -> Result<()> {
        self.run(&["nft", &format!("add rule ip cut in ip saddr {} drop", from.address)])
    }

    /// Everything arrives again.
    ///
    /// # Errors
    /// When the rules cannot be removed.
    pub fn heal(&self) -> Result<()> {
        self.run(&["nft", "flush chain ip cut in"])
    }

    fn run(&self, command: &[&str]) -> Result<()> {
        let (program, arguments) = command.split_first().context("a command")?;
        run(self.command(program).args(arguments))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[allow(unsafe_code, reason = "unshare(2) has no safe wrapper in std")]
fn leave_the_machines_network() -> std::io::Result<()> {
    // SAFETY: unshare(2) takes an integer; with CLONE_NEWNET it changes the network of this thread only.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[allow(unsafe_code, reason = "a namespace for a child is made between fork and exec")]
fn keep_a_namespace() -> Result<Child> {
    let mut keeper = Command::new("sleep");
    keeper.arg("3600").stdin(Stdio::null()).stdout(Stdio::null());
    let before_exec = || {
        // SAFETY: both take integers and are async-signal-safe; the keeper ends with the thread that made it.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        leave_the_machines_network()
    };
    // SAFETY: the closure allocates nothing and takes no lock in the forked child.
    unsafe { keeper.pre_exec(before_exec) };
    let child = keeper.spawn().context("sleep does not start")?;
    // `spawn` returns after the exec, so the namespace is there.
    Ok(child)
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;
    use std::process::Command;

    use super::{Machine, with_network};

    fn reaches(from: &Machine, to: &Machine) -> bool {
        let script = format!(
            "exec 3<>/dev/udp/{0}/9 && echo x >&3 && sleep 0.05 && ! (echo x >&3) 2>/dev/null",
            to.address
        );
        // A closed UDP port answers with ICMP, which the second write reports: only if the first one arrived.
        from.command("bash").args(["-c", &script]).status().is_ok_and(|status| status.success())
    }

    #[test]
    fn machines_reach_each_other_until_they_are_cut_off() -> anyhow::Result<()> {
        with_network(|mut network| async move {
            let (a, b) = (network.machine()?, network.machine()?);
            ensure!(reaches(&a, &b) && reaches(&b, &a), "the machines do not reach each other");
            b.refuse_from(&a)?;
            ensure!(!reaches(&a, &b), "what was cut arrives");
            b.heal()?;
            ensure!(reaches(&a, &b), "healing does not heal");
            let outside = Command::new("ip").args(["-o", "link"]).output()?;
            ensure!(
                !String::from_utf8_lossy(&outside.stdout).contains("ens"),
                "this is the machine's own network"
            );
            Ok(())
        })
    }
}
