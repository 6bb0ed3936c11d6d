use super::*;

const NOW_MS: u64 = 1_800_000_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn cluster(byte: u8) -> ClusterId {
    ClusterId([byte; 16])
}

fn authority(byte: u8) -> Authority {
    Authority::generate(cluster(byte), Validity::starting(NOW_MS, DAY)).unwrap()
}

#[test]
fn a_certificate_names_its_node_and_cluster() {
    let validity = Validity::starting(NOW_MS, DAY);
    let authority = authority(1);
    let stored =
        Authority::from_der(cluster(1), authority.certificate().to_vec(), &authority.key_der()).unwrap();
    assert_eq!(stored.key_sha256(), key_sha256(authority.certificate()).unwrap());
    let identity = stored.issue(7, validity).unwrap();
    assert_eq!(node_in(cluster(1), identity.certificate()), Some(7));
    assert_eq!(node_in(cluster(2), identity.certificate()), None);
    assert_eq!(node_in(cluster(1), authority.certificate()), None);
    assert_eq!(node_in(cluster(1), b"no certificate"), None);
    assert_eq!(cluster_of_authority(authority.certificate()), Some(cluster(1)));
    assert_eq!(cluster_of_authority(identity.certificate()), None);
    let again = Identity::from_der(
        cluster(1),
        vec![authority.certificate().to_vec()],
        identity.certificate().to_vec(),
        identity.key_der().to_vec(),
    );
    assert_eq!(again.unwrap().node(), 7);
}

#[test]
fn a_request_is_signed_by_who_has_the_key() {
    let (authority, key) = (authority(1), NodeKey::generate().unwrap());
    let request = key.request().unwrap();
    let read = CertificateRequest::from_der(&request).unwrap();
    assert_eq!(read.key_sha256(), key.sha256());
    let certificate = authority.certify(7, &read, Validity::starting(NOW_MS, DAY)).unwrap();
    assert_eq!(key_sha256(&certificate).unwrap(), key.sha256());
    assert_eq!(node_in(cluster(1), &certificate), Some(7));
    assert_eq!(NodeKey::from_der(&key.der()).unwrap().sha256(), key.sha256());
    for at in 0..request.len() {
        let mut changed = request.clone();
        changed[at] ^= 1;
        // A few bits around the signature say nothing; the key itself cannot be another.
        let read = CertificateRequest::from_der(&changed);
        assert!(read.map_or(true, |read| read.key_sha256() == key.sha256()), "byte {at} may be changed");
    }
    assert!(CertificateRequest::from_der(&vec![0x30; 5_000]).is_err());
}

#[test]
fn validity_is_read_back() {
    let validity = Validity::starting(NOW_MS, DAY);
    let identity = authority(1).issue(7, validity).unwrap();
    assert_eq!(validity_of(identity.certificate()), Ok(validity));
    assert_eq!(validity.half_life_ms(), NOW_MS + (24 - 1) * 3_600_000 / 2);
}

#[test]
fn two_authorities_of_a_cluster_are_told_apart() {
    let (one, two) = (authority(1), authority(1));
    let identity = two.issue(7, Validity::starting(NOW_MS, DAY)).unwrap();
    assert!(is_issued_by(identity.certificate(), two.certificate()));
    assert!(!is_issued_by(identity.certificate(), one.certificate()));
    let both = vec![one.certificate().to_vec(), two.certificate().to_vec()];
    let (certificate, key) = (identity.certificate().to_vec(), identity.key_der().to_vec());
    let identity = Identity::from_der(cluster(1), both, certificate, key).unwrap();
    assert_eq!(identity.chain()[1], *two.certificate());
}

#[test]
fn cluster_ids_have_one_text_form() {
    assert_eq!(cluster(0xab).to_string().parse(), Ok(cluster(0xab)));
    for wrong in ["", "AB", &"AB".repeat(16), &"0".repeat(31), &format!("+{}", "0".repeat(31))] {
        assert!(wrong.parse::<ClusterId>().is_err(), "{wrong}");
    }
}

#[test]
fn keys_stay_out_of_debug_output() {
    let identity = authority(1).issue(7, Validity::starting(NOW_MS, DAY)).unwrap();
    assert_eq!(format!("{identity:?}"), format!("Identity(node 7 of {})", "01".repeat(16)));
}
