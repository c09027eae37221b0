//! Signatures, sealing and certificates: vectors of the RFCs, tampering, openssl's opinion.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;
use semper_base::cert::{Authority, Bounds, CertError, Request, Revocation, Roots};
use semper_base::cose::{self, CoseError, Signatory};
use semper_base::digest::unhex;
use semper_base::keys::KeyError;
use semper_base::{Certificate, PublicKey, Role, SealSecret, SigningKey, Timestamp};

fn bytes32(hex: &str) -> [u8; 32] {
    unhex(hex).unwrap().try_into().unwrap()
}

#[test]
fn ed25519_agrees_with_rfc_8032_section_7_1_test_1() {
    let key = SigningKey::from_seed(&bytes32(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    ));

    let signature = key.sign(b"");

    assert_eq!(
        semper_base::digest::hex(key.public().as_bytes()),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
    assert_eq!(
        semper_base::digest::hex(&signature),
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970\
         1cf9b46bd25bf5f0595bbe24655141438e7a100b"
    );
}

#[test]
fn a_key_is_written_as_every_openssl_reads_it() {
    let key = SigningKey::from_seed(&[7; 32]);
    let pem = key.to_pem();
    // PKCS#8 version 1 (RFC 5958): 48 bytes of DER, whose header and version are these.
    assert_eq!(pem.lines().nth(1).map(str::len), Some(64));
    assert!(pem.contains("\nMC4CAQAwBQYDK2VwBCIEI"), "{}", *pem);
    assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key.public());
    let file = std::env::temp_dir().join(format!("semper-key-{}.pem", std::process::id()));
    std::fs::write(&file, pem.as_bytes()).unwrap();
    let arguments = ["pkey", "-noout", "-text", "-in"];
    let shown = Command::new("openssl").args(arguments).arg(&file).output().unwrap();
    let _ = std::fs::remove_file(&file);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
}

#[test]
fn hpke_opens_the_vector_of_rfc_9180_appendix_a_2_1() {
    let secret = SealSecret::from_seed(&bytes32(
        "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
    ));
    let info = unhex("4f6465206f6e2061204772656369616e2055726e").unwrap();
    let aad = unhex("436f756e742d30").unwrap();
    let sealed = unhex(concat!(
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    ))
    .unwrap();

    let plain = secret.open(&info, &aad, &sealed).unwrap();

    assert_eq!(plain, b"Beauty is truth, truth beauty");
}

#[test]
fn small_order_keys_are_no_keys() {
    for hex in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        assert_eq!(PublicKey::from_bytes(bytes32(hex)), Err(KeyError::Public), "{hex}");
    }
}

#[test]
fn a_sealed_message_opens_only_for_its_key_purpose_and_binding() {
    let secret = SealSecret::from_seed(&[7; 32]);
    let other = SealSecret::from_seed(&[8; 32]);
    let sealed = secret.public().seal(b"purpose", b"deal", b"hello").unwrap();

    assert_eq!(secret.open(b"purpose", b"deal", &sealed).unwrap(), b"hello");
    assert_eq!(other.open(b"purpose", b"deal", &sealed), Err(KeyError::Sealed));
    assert_eq!(secret.open(b"other", b"deal", &sealed), Err(KeyError::Sealed));
    assert_eq!(secret.open(b"purpose", b"other", &sealed), Err(KeyError::Sealed));
    assert_eq!(secret.open(b"purpose", b"deal", &sealed[..20]), Err(KeyError::Sealed));
}

/// An authority and somebody it has certified.
fn market(role: Role) -> (Authority, SigningKey, Certificate, Timestamp) {
    let now = Timestamp::now();
    let authority = Authority::new("Market CA", SigningKey::generate(), now).unwrap();
    let key = SigningKey::generate();
    let until = now.after(Duration::from_secs(86_400));
    let certificate =
        authority.issue("Anna Berg, \"Müller\"", &key.public(), role, &[], now, until).unwrap();
    (authority, key, certificate, now)
}

#[test]
fn a_signature_is_believed_from_the_certified_role_and_no_other() {
    let (authority, key, certificate, now) = market(Role::Buyer);
    let roots = Roots::new(vec![authority.certificate.clone()]).asking(Revocation::STAGE);
    let stranger = Authority::new("Market CA", SigningKey::generate(), now).unwrap();
    let signed = cose::sign(&key, &Signatory::Chain(vec![certificate]), "statement", b"I buy");
    let parse = |domain| cose::parse(&signed, domain, 10_000).unwrap();

    let (payload, identity) = parse("statement").verify_identity(&roots, Role::Buyer, now).unwrap();
    assert_eq!(
        (payload.as_slice(), identity.name.as_str()),
        (&b"I buy"[..], "Anna Berg, \"Müller\"")
    );

    let role = parse("statement").verify_identity(&roots, Role::Merchant, now);
    assert!(matches!(role, Err(CoseError::Certificate(CertError::NotRole { .. }))), "{role:?}");
    let domain = parse("message").verify_identity(&roots, Role::Buyer, now);
    assert!(matches!(domain, Err(CoseError::Key(KeyError::Signature(_)))), "{domain:?}");
    let late = now.after(Duration::from_secs(2 * 86_400));
    let time = parse("statement").verify_identity(&roots, Role::Buyer, late);
    assert!(matches!(time, Err(CoseError::Certificate(CertError::Time { .. }))), "{time:?}");
    let others = Roots::new(vec![stranger.certificate]).asking(Revocation::STAGE);
    let root = parse("statement").verify_identity(&others, Role::Buyer, now);
    assert!(matches!(root, Err(CoseError::Certificate(CertError::Path { .. }))), "{root:?}");
    let with_key = parse("statement").verify_key(&key.public());
    assert!(matches!(with_key, Err(CoseError::Form(_))), "{with_key:?}");
}

proptest! {
    #[test]
    fn no_flipped_bit_of_a_signed_structure_is_accepted(at in 0_usize..2000, bit in 0_u8..8) {
        let key = SigningKey::from_seed(&[3; 32]);
        let signatory = Signatory::Key(key.public().id());
        let mut signed = cose::sign(&key, &signatory, "message", b"seven scarves");
        let at = at % signed.len();
        signed[at] ^= 1 << bit;
        let accepted = cose::parse(&signed, "message", 10_000)
            .and_then(|parsed| parsed.verify_key(&key.public()));
        prop_assert!(accepted.is_err());
    }
}

#[test]
fn a_request_proves_possession() {
    let key = SigningKey::generate();
    let request = Request::new("Anna Berg", &key).unwrap();

    assert_eq!(Request::from_pem(request.pem()).unwrap().key, key.public());

    // A request whose signature was made by another key.
    let other = Request::new("Anna Berg", &SigningKey::generate()).unwrap();
    let mixed = splice(request.pem(), other.pem());
    assert!(Request::from_pem(&mixed).is_err());
    assert!(Request::new("", &key).is_err());
    assert!(Request::new("a\nb", &key).is_err());
}

/// The first request with the second's signature: the last 64 bytes of the DER.
fn splice(first: &str, second: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    let der = |pem: &str| {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        BASE64_STANDARD.decode(body).unwrap()
    };
    let (mut first, second) = (der(first), der(second));
    let (a, b) = (first.len() - 64, second.len() - 64);
    first[a..].copy_from_slice(&second[b..]);
    let body = BASE64_STANDARD.encode(first);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        lines.join("\n")
    )
}

#[test]
fn openssl_accepts_what_we_issue_and_we_accept_what_openssl_asks() {
    let folder = std::env::temp_dir().join(format!("semper-openssl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (authority, key, certificate, now) = market(Role::Buyer);
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("root.pem", &authority.certificate.to_pem());
    write("leaf.pem", &certificate.to_pem());
    write("request.pem", Request::new("Anna Berg", &key).unwrap().pem());
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(&folder).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.success(), text(&done.stdout) + &text(&done.stderr))
    };

    let (verified, text) = openssl(&["verify", "-x509_strict", "-CAfile", "root.pem", "leaf.pem"]);
    assert!(verified, "{text}");
    let (_, text) = openssl(&["x509", "-in", "leaf.pem", "-noout", "-text"]);
    for part in ["ED25519", "Digital Signature", "CA:FALSE", "1.3.6.1.4.1.32473.1996.1.1"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (verified, text) = openssl(&["req", "-in", "request.pem", "-verify", "-noout"]);
    assert!(verified, "{text}");

    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.key"]);
    openssl(&["req", "-new", "-key", "theirs.key", "-subj", "/CN=Otto", "-out", "theirs.csr"]);
    let theirs = std::fs::read_to_string(folder.join("theirs.csr")).unwrap();
    let request = Request::from_pem(&theirs).unwrap();
    assert_eq!(request.name, "Otto");
    let until = now.after(Duration::from_secs(60));
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = authority.issue("Otto", &request.key, Role::Server, &names, now, until).unwrap();
    write("server.pem", &server.to_pem());
    let (verified, text) = openssl(&[
        "verify",
        "-CAfile",
        "root.pem",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        "localhost",
        "server.pem",
    ]);
    assert!(verified, "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_revocation_list_is_of_a_name_and_a_key_by_whatever_certificate() {
    let now = Timestamp::now();
    let later = now.after(Duration::from_secs(86_400));
    let root = Authority::new("Market Root", SigningKey::generate(), now).unwrap();
    let key = SigningKey::generate();
    let certified =
        || root.subordinate("Market CA", &key.public(), Bounds::default(), now, later).unwrap();
    let (old, new) = (certified(), certified());
    let below = Authority::from_parts(old.clone(), SigningKey::from_seed(&key.seed())).unwrap();
    let list = |number| below.crl(number, &[], now, later).unwrap();
    let roots = Roots::new(vec![root.certificate.clone()]);

    let first = list(1);

    // Nobody knows it without what leads to the root.
    assert!(!first.is_believed(&roots, &[]));
    assert!(first.is_believed(&roots, std::slice::from_ref(&new)));
    assert!(first.is_by(&old) && first.is_by(&new));
    assert!(list(2).follows(&first));
    // A namesake's list is another's.
    let other = SigningKey::generate();
    let namesake =
        root.subordinate("Market CA", &other.public(), Bounds::default(), now, later).unwrap();
    let namesake = Authority::from_parts(namesake, other).unwrap();
    let theirs = namesake.crl(1, &[], now, later).unwrap();
    assert!(theirs.is_believed(&roots, std::slice::from_ref(&namesake.certificate)));
    assert!(!theirs.follows(&first) && !theirs.is_by(&old));
    // Whoever is no authority has no list.
    let leaf = root.issue("Otto", &key.public(), Role::Merchant, &[], now, later).unwrap();
    assert!(!first.is_believed(&roots, &[leaf]));
}
