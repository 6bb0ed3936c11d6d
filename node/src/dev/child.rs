//! A real `shopnode run`, started by `dev`.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fmt, io};

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::time::timeout;

/// More than a node takes to drain and flush.
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub struct Child {
    process: tokio::process::Child,
    pid: u32,
    data: PathBuf,
}

impl Child {
    /// Starts this very program on a data directory. It ends when this process ends, however that happens. Its log goes
    /// where this process' log goes.
    ///
    /// To be called on the main thread, because the kernel tells a child of the death of the thread that started it.
    pub fn run(data: &Path) -> Result<Child> {
        let program = std::env::current_exe().context("cannot find this program's file")?;
        let mut command = Command::new(program);
        command.arg("run").arg("--data").arg(data).stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own: Ctrl-C in a terminal is for the parent, which then ends the children in order.
        command.process_group(0);
        end_with_this_process(&mut command);
        let process = command.spawn().context("cannot start a node")?;
        let pid = process.id().context("the node ended at once")?;
        Ok(Child { process, pid, data: data.to_path_buf() })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<String> {
        self.process.try_wait().transpose().map(describe)
    }

    /// Ends it cleanly, or by force if that takes too long.
    pub async fn stop(&mut self) {
        if self.has_ended().is_some() {
            return;
        }
        terminate(self.pid);
        if timeout(STOP_WITHIN, self.process.wait()).await.is_err() {
            eprintln!("shopnode dev: {self} does not end and is killed");
            let _ = self.process.kill().await;
        }
    }
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.data.file_name().unwrap_or(self.data.as_os_str());
        f.write_str(&name.to_string_lossy())
    }
}

fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended ({status})"),
        Err(error) => format!("is lost ({error})"),
    }
}

#[allow(unsafe_code, reason = "prctl(2) between fork and exec has no safe form in std")]
fn end_with_this_process(command: &mut Command) {
    let parent = std::process::id();
    let before_exec = move || {
        // SAFETY: prctl(2) with PR_SET_PDEATHSIG and getppid(2) take integers and are async-signal-safe.
        let (set, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM), libc::getppid()) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have died before the request was in place.
        if now as u32 == parent { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
    };
    // SAFETY: the closure allocates nothing and takes no lock in the forked child.
    unsafe { command.pre_exec(before_exec) };
}

#[allow(
    unsafe_code,
    reason = "kill(2) has no safe wrapper in std; the pid is a child that was not waited for"
)]
fn terminate(pid: u32) {
    // SAFETY: kill(2) takes two integers and touches no memory of ours.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGTERM) };
}
