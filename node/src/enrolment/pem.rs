//! PEM (RFC 7468), so that an operator's tools can read what is in `secrets/`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// Characters in a line (RFC 7468, section 2).
const LINE: usize = 64;

/// Certificates, one after the other.
pub fn certificates<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates.into_iter().map(|der| block("CERTIFICATE", der).to_string()).collect()
}

/// A private key (PKCS #8).
pub fn private_key(der: &[u8]) -> Zeroizing<String> {
    block("PRIVATE KEY", der)
}

/// The certificates in a text.
///
/// # Errors
/// When a block is damaged.
pub fn read_certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    CertificateDer::pem_slice_iter(text).map(|der| der.map(|der| der.to_vec())).collect()
}

/// The private key in a text.
///
/// # Errors
/// When there is none, or it is damaged.
pub fn read_private_key(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    PrivatePkcs8KeyDer::from_pem_slice(text).map(|key| Zeroizing::new(key.secret_pkcs8_der().to_vec()))
}

fn block(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::{certificates, private_key, read_certificates, read_private_key};

    #[test]
    fn what_is_written_is_read_back() {
        let (one, two) = (vec![1; 48], vec![2; 49]);
        let text = certificates([one.as_slice(), two.as_slice()]);
        assert_eq!(text.lines().count(), 3 + 4);
        assert_eq!(read_certificates(text.as_bytes()).unwrap(), [one.clone(), two]);
        assert_eq!(*read_private_key(private_key(&one).as_bytes()).unwrap(), one);
        assert!(read_private_key(text.as_bytes()).is_err());
        assert!(read_certificates(b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n").is_err());
    }
}
