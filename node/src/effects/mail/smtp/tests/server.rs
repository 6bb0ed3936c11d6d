//! An SMTP server that says what a test wants it to, in the clear or encrypted.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    None,
    StartTls,
    Tls,
}

/// Commands and the replies to them that differ from the usual ones. `connect` is the greeting, `.` the end of the
/// mail; the reply `hang up` is none.
type Script = Vec<(&'static str, &'static str)>;

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    encrypted_mails: usize,
}

pub(super) struct Scripted {
    pub port: u16,
    pub ca_pem: String,
    heard: Arc<Mutex<Heard>>,
}

impl Scripted {
    pub(super) async fn start(protection: Protection, script: Script) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, ca_pem) = identity();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let server = Arc::new(Server { acceptor, protection, script, heard: heard.clone() });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                // Clients hang up in the middle of things here, on purpose.
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        Scripted { port, ca_pem, heard }
    }

    pub(super) fn encrypted_mails(&self) -> usize {
        self.heard.lock().unwrap().encrypted_mails
    }

    pub(super) fn said(&self) -> Vec<String> {
        self.heard.lock().unwrap().lines.clone()
    }
}

/// A certificate for 127.0.0.1 and the authority that vouches for it.
fn identity() -> (TlsAcceptor, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

struct Server {
    acceptor: TlsAcceptor,
    protection: Protection,
    script: Script,
    heard: Arc<Mutex<Heard>>,
}

impl Server {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        match self.protection {
            Protection::None => self.converse(stream, true, false).await.map(drop),
            Protection::Tls => self.converse(self.acceptor.accept(stream).await?, true, true).await.map(drop),
            Protection::StartTls => {
                let Some(stream) = self.converse(stream, true, false).await? else { return Ok(()) };
                self.converse(self.acceptor.accept(stream).await?, false, true).await.map(drop)
            }
        }
    }

    /// Talks until the client leaves; gives the stream back when the client wants to encrypt.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        greet: bool,
        encrypted: bool,
    ) -> std::io::Result<Option<S>> {
        let mut stream = BufReader::new(stream);
        if greet && !self.say(&mut stream, "connect", "220 scripted ESMTP").await? {
            return Ok(None);
        }
        let mut in_mail = false;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            let text = line.trim_end();
            self.heard.lock().unwrap().lines.push(text.to_owned());
            if in_mail && text != "." {
                continue;
            }
            let verb = text.split(' ').next().unwrap_or("").to_ascii_uppercase();
            let usual = match verb.as_str() {
                "EHLO" if self.protection == Protection::StartTls && !encrypted => {
                    "250-scripted\r\n250 STARTTLS"
                }
                "EHLO" => "250-scripted\r\n250 AUTH PLAIN",
                "AUTH" => "235 welcome",
                "DATA" => "354 go on",
                "STARTTLS" => "220 go on",
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            in_mail = verb == "DATA" && self.reply(&verb, usual).starts_with("354");
            if verb == "." && encrypted {
                self.heard.lock().unwrap().encrypted_mails += 1;
            }
            if !self.say(&mut stream, &verb, usual).await? {
                return Ok(None);
            }
            if verb == "STARTTLS" {
                return Ok(Some(stream.into_inner()));
            }
        }
    }

    fn reply<'a>(&'a self, command: &str, usual: &'a str) -> &'a str {
        let scripted = self.script.iter().find(|(scripted, _)| *scripted == command);
        scripted.map_or(usual, |(_, reply)| reply)
    }

    async fn say<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        command: &str,
        usual: &str,
    ) -> std::io::Result<bool> {
        let reply = self.reply(command, usual);
        if reply == "hang up" {
            return Ok(false);
        }
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(true)
    }
}
