//! Starts and ends the built binary. Ports are the system's choice; every wait is bounded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// How a process ended.
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// `shopnode` with these arguments, and nothing of this process' settings.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shopnode"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SHOPNODE_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs to the end, which has to come.
pub fn output(mut command: Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, (tell, told)) = (child.id(), channel());
    std::thread::spawn(move || tell.send(child.wait_with_output()));
    let done = told.recv_timeout(2 * LIMIT).unwrap_or_else(|_| {
        send(pid, libc::SIGKILL);
        panic!("it does not end: {command:?}")
    });
    let done = done.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: done.status.code(), stdout: text(done.stdout), stderr: text(done.stderr) }
}

/// Makes a node that listens on a port of the system's choice.
pub fn init(data: &Path) -> String {
    let here = "127.0.0.1:0";
    let done =
        output(command(&["init", "--data", data.to_str().unwrap(), "--http", here, "--cluster", here]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    done.stdout
}

/// A node that serves. Ended, at the latest, when dropped.
pub struct Running {
    child: Child,
    pub http: SocketAddr,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Running {
    pub fn start(data: &Path) -> Running {
        Running::spawn(command(&["run", "--data", data.to_str().unwrap()]))
    }

    /// Starts `command` and waits until it says where it serves.
    pub fn spawn(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (line_sender, lines) = channel();
        let mut out = child.stdout.take().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        });
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            for line in err.lines() {
                let line = line.unwrap();
                text.push_str(&line);
                text.push('\n');
                let _ = line_sender.send(line);
            }
            text
        });
        let http = address(&lines);
        Running { child, http, stdout, stderr }
    }

    /// Waits until it says that it can serve.
    pub fn until_ready(&self) {
        until("the node to be ready", || (get(self.http, "/readyz").0 == 200).then_some(()));
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub fn signal(&self, signal: i32) {
        send(self.child.id(), signal);
    }

    /// Sends `signal` (0 for none) and waits for the end.
    pub fn end(mut self, signal: i32) -> Ended {
        if self.has_ended().is_none() {
            send(self.child.id(), signal);
        }
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    self.child.kill().unwrap();
                    panic!("it does not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Ended {
            code: status.code(),
            stdout: self.stdout.join().unwrap(),
            stderr: self.stderr.join().unwrap(),
        }
    }
}

/// Looks until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where the node says that it serves.
fn address(lines: &Receiver<String>) -> SocketAddr {
    let deadline = Instant::now() + LIMIT;
    let mut seen = String::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        seen.push_str(&line);
        seen.push('\n');
        let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        if line["message"] == "serving" {
            return line["http"].as_str().unwrap().parse().unwrap();
        }
    }
    panic!("it does not serve: {seen}");
}

#[allow(unsafe_code, reason = "kill(2) has no safe wrapper in std; the pid is a child of this test")]
pub fn send(pid: u32, signal: i32) {
    // SAFETY: kill(2) takes two integers and touches no memory of ours.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

/// Lets no file grow above `bytes`: writing further fails as on a full disk.
#[allow(unsafe_code, reason = "setrlimit(2) and signal(2) between fork and exec have no safe form in std")]
pub fn limit_files(command: &mut Command, bytes: u64) {
    let before_exec = move || {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: both are async-signal-safe; `limit` outlives the call. Ignored, the signal becomes an error of write(2).
        let done = unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit)
        };
        if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure allocates nothing and takes no lock in the forked child.
    unsafe { command.pre_exec(before_exec) };
}

/// Posts JSON as the holder of `token`; the status, or 0 if there was no answer.
pub fn post(address: SocketAddr, path: &str, token: &str, body: &str) -> u16 {
    request(address, "POST", path, token, body).0
}

/// One request of the holder of `token`, with a body of JSON: the status (0 if there was no answer) and the body.
pub fn request(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().unwrap_or_default();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// One request of HTTP/1.1: status and body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
