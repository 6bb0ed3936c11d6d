use std::os::unix::fs::PermissionsExt;

use zeroize::Zeroizing;

use super::{Purpose, SealError, SealKey, SealKeyError};
use crate::config::SecretFile;

fn key(byte: u8) -> SealKey {
    SealKey::from_bytes(Zeroizing::new([byte; 32]))
}

#[test]
fn what_was_sealed_is_opened_at_its_place_only() {
    let seal = key(1);
    let sealed = seal.seal("signing-key/1", b"a private key").unwrap();
    assert_eq!(seal.open("signing-key/1", &sealed).unwrap().as_slice(), b"a private key");
    assert_eq!(seal.open("signing-key/2", &sealed).unwrap_err(), SealError::Damaged);
    assert_eq!(seal.seal("p", b"").and_then(|sealed| seal.open("p", &sealed)).unwrap().len(), 0);
    // The same bytes never look the same twice.
    assert_ne!(seal.seal("signing-key/1", b"a private key").unwrap(), sealed);
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let seal = key(1);
    let sealed = seal.seal("place", b"content").unwrap();
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(seal.open("place", &damaged).is_err(), "byte {at}");
        assert!(seal.open("place", &sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn another_key_and_a_newer_form_are_told_apart() {
    let sealed = key(1).seal("place", b"content").unwrap();
    let error = key(2).open("place", &sealed).unwrap_err();
    assert_eq!(error, SealError::OtherKey { sealed_with: key(1).id(), present: key(2).id() });
    let mut newer = sealed;
    newer[0] = 2;
    assert_eq!(key(1).open("place", &newer).unwrap_err(), SealError::NewerForm(2));
}

/// Bytes that an earlier binary wrote must stay readable. These were made by another implementation of AES-GCM.
#[test]
fn the_first_form_stays_readable() {
    let golden = [
        &[1][..],
        &key(7).id().0,
        b"twelve bytes",
        &[
            0xef, 0xb8, 0xdd, 0x5e, 0x7b, 0x66, 0x13, 0xcf, 0x4a, 0x35, 0xe6, 0xb7, 0x51, 0xa8, 0x52, 0x3b,
            0x90, 0xd3, 0x9c, 0x72, 0xbc, 0x0d,
        ],
    ]
    .concat();
    assert_eq!(key(7).open("golden", &golden).unwrap().as_slice(), b"golden");
    assert_eq!(key(7).id().to_string(), "e13de870");
}

#[test]
fn each_purpose_has_its_own_key_on_every_node_the_same() {
    let tag = key(1).derive(Purpose::OrderToken).unwrap().sign(b"ord_1");
    assert!(key(1).derive(Purpose::OrderToken).unwrap().verify(b"ord_1", &tag));
    assert!(!key(1).derive(Purpose::CartToken).unwrap().verify(b"ord_1", &tag));
    assert!(!key(2).derive(Purpose::OrderToken).unwrap().verify(b"ord_1", &tag));
    assert!(!key(1).derive(Purpose::OrderToken).unwrap().verify(b"ord_2", &tag));
    assert!(!key(1).derive(Purpose::OrderToken).unwrap().verify(b"ord_1", &tag[..31]));
}

#[test]
fn the_file_is_private_and_read_back() {
    let home = tempfile::tempdir().unwrap();
    let made = SealKey::create(home.path()).unwrap();
    let file = home.path().join("seal.key");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SealKey::load(None, home.path()).unwrap().id(), made.id());
    let named = SecretFile::new(file.to_str().unwrap());
    assert_eq!(SealKey::load(Some(&named), "/nowhere".as_ref()).unwrap().id(), made.id());

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(matches!(SealKey::load(None, home.path()), Err(SealKeyError::File(_))));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, [0; 31]).unwrap();
    assert!(matches!(SealKey::load(None, home.path()), Err(SealKeyError::Length { found: 31, .. })));
}

#[test]
fn no_format_shows_a_key() {
    let shown = format!("{:?} {:?}", key(0xab), key(0xab).derive(Purpose::CartToken).unwrap());
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
}
