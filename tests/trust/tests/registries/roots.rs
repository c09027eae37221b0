//! Whom a server's certificate is believed: roots of any kind of key that the operator names, the
//! operating system's for places of bundles, and nobody but the trust file's for semper's own roles.

use std::path::Path;
use std::time::Duration;

use semper_base::Timestamp;
use semper_distribution::Options;
use semper_testkit::process::{self, Running};
use semper_trust_tests::registry::{USER, Yard};
use semper_trust_tests::server::{reply, serve_from};
use semper_trust_tests::{DAY, World, ago};

use crate::{says, sign, write};

/// The kinds of keys that authorities of the world have.
const KINDS: [&[&str]; 3] = [
    &["rsa:2048"],
    &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
];

fn with_password<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--user", USER, "--password-file", "password"]].concat()
}

#[test]
fn roots_of_rsa_and_ecdsa_are_believed_where_they_are_named_or_the_systems() {
    let layout = World::new().bundle();
    for kind in KINDS {
        let yard = Yard::new();
        yard.certify_by_openssl(kind);
        let registry = yard.registry("one");
        write(yard.path(), "empty.pem", "");
        semper_distribution::push(
            &layout,
            &yard.path().join("bundle").display().to_string().parse().unwrap(),
            &semper_distribution::Fetcher::new(semper_net::Believed::nobody(), Options::default()),
            &(),
        )
        .unwrap();
        let place = format!("registry://{}/otto/terms:current", registry.host);
        let store = yard.path().join("certs/ca.crt").display().to_string();
        let empty = yard.path().join("empty.pem").display().to_string();
        let named =
            with_password(&["push", "--bundle", "bundle", &place, "--root", "certs/ca.crt"]);
        let pushed = sign(yard.path(), &[("SSL_CERT_FILE", &empty)], &named);
        assert_eq!(pushed.code, 0, "{kind:?}: {}", pushed.err);
        let pull = with_password(&["pull", &place, "--out", "pulled"]);
        let pulled = sign(yard.path(), &[("SSL_CERT_FILE", &store)], &pull);
        assert_eq!(pulled.code, 0, "{kind:?}: {}", pulled.err);

        let refused = sign(yard.path(), &[("SSL_CERT_FILE", &empty)], &pull);
        assert_eq!(refused.code, 1, "{}", refused.out);
        let words = refused.err.contains("nobody who is believed vouches for it");
        assert!(words && refused.err.contains("--root"), "{}", refused.err);
        assert!(
            !refused.err.contains("http://") && !refused.err.contains("docs.rs"),
            "{}",
            refused.err
        );

        // A log is a role of semper's own: the system vouches for none.
        let key = World::new().log.vkey().to_string();
        let url = format!("https://{}", registry.host);
        let watch = ["log", "monitor", "--url", &url, "--log-key", &key, "--state", "state"];
        let refused = sign(yard.path(), &[("SSL_CERT_FILE", &store)], &watch);
        assert!(refused.err.contains("nobody who is believed"), "{}", refused.err);
        let named = [&watch[..], &["--root", "certs/ca.crt"]].concat();
        let asked = sign(yard.path(), &[("SSL_CERT_FILE", &store)], &named);
        assert!(asked.err.contains("status 4"), "{}", asked.err);
    }
    // What is no certificate is named.
    let yard = Yard::new();
    let pull = ["pull", "registry://localhost:9/a/b", "--out", "x", "--root"];
    let wrong = sign(yard.path(), &[], &[&pull[..], &["password"]].concat());
    assert!(wrong.code == 2 && wrong.err.contains("no PEM certificate"), "{}", wrong.err);
}

#[test]
fn a_home_believes_the_system_for_registries_and_for_roles_only_if_its_trust_file_says_so() {
    let yard = Yard::new();
    yard.certify_by_openssl(&["rsa:2048"]);
    let registry = yard.registry("one");
    let world = World::new();
    write(yard.path(), "root.pem", world.authority.certificate.to_pem());
    write(yard.path(), "empty.pem", "");
    write(yard.path(), "phrase", "a pass-phrase of anna's\n");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(yard.path().join("phrase"), mode).unwrap();
    let store = yard.path().join("certs/ca.crt").display().to_string();
    let empty = yard.path().join("empty.pem").display().to_string();
    let program = semper_testkit::Binaries::beside().unwrap().semper;
    let semper = |roots: &str, arguments: &[&str]| {
        crate::of_own(yard.path(), &program, &[("SSL_CERT_FILE", roots)], arguments)
    };
    let init = ["init", "--home", "anna", "--user", "Anna", "--phrase", "two owls"];
    let made = semper(
        &empty,
        &[&init[..], &["--authority", "root.pem", "--pass-phrase-file", "phrase"]].concat(),
    );
    assert_eq!(made.code, 0, "{}", made.err);
    let merchant = format!("https://{}", registry.host);
    let place = format!("registry://{}/otto/terms:current", registry.host);
    let explain = |roots: &str, place: &str| {
        semper(roots, &["trust", "explain", "--home", "anna", place]).err
    };
    let stranger = "nobody who is believed vouches for it";

    assert!(explain(&empty, &place).contains(stranger));
    // The registry is believed, and asks for a password.
    assert!(explain(&store, &place).contains("wants a name and a password"));
    assert!(explain(&store, &merchant).contains(stranger));
    let trust = yard.path().join("anna/trust.toml");
    let text = std::fs::read_to_string(&trust).unwrap();
    std::fs::copy(yard.path().join("certs/ca.crt"), yard.path().join("anna/registries.pem"))
        .unwrap();
    std::fs::write(&trust, format!("{text}\n[tls]\nplaces = [\"registries.pem\"]\n")).unwrap();
    assert!(explain(&empty, &place).contains("wants a name and a password"));
    assert!(explain(&empty, &merchant).contains(stranger));
    std::fs::write(&trust, format!("{text}\n[tls]\nsystem = true\n")).unwrap();
    let answered = explain(&store, &merchant);
    assert!(answered.contains("no bundle") || answered.contains("status"), "{answered}");
    std::fs::write(&trust, format!("{text}\n[tls]\nplaces = [\"root.key\"]\n")).unwrap();
    assert!(explain(&store, &place).contains("root.key"));
}

#[test]
fn certificates_as_openssl_makes_them_by_default_are_named_as_what_they_are() {
    let yard = Yard::new();
    let names = ["-addext", "subjectAltName=DNS:localhost"];
    let own =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
    let files = ["-keyout", "tls.key", "-out", "tls.pem"];
    let pull = |name: &str, roots: &str| {
        let registry = yard.registry(name);
        let place = format!("registry://{}/otto/terms:current", registry.host);
        let arguments = with_password(&["pull", &place, "--out", "pulled", "--root", roots]);
        sign(yard.path(), &[("SSL_CERT_FILE", "/dev/null")], &arguments).err
    };
    // An authority's own, for a name.
    yard.openssl(&[&own[..], &files[..], &names[..]].concat());
    let said = pull("authority", "tls.pem");
    assert!(said.contains("an authority's own certificate (CA:TRUE)"), "{said}");
    assert!(said.contains("basicConstraints=critical,CA:FALSE"), "{said}");
    // That mend mends it.
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    yard.openssl(&[&own[..], &files[..], &names[..], &leaf[..]].concat());
    let said = pull("leaf", "tls.pem");
    assert!(said.contains("there is no bundle at"), "{said}");
    // Without a name, and for another.
    yard.certify_by_openssl(&["rsa:2048"]);
    for (names, what) in [
        ("basicConstraints=CA:FALSE", "names no server"),
        ("subjectAltName=DNS:other.example", "other.example"),
    ] {
        write(yard.path(), "names", names);
        let issue = ["x509", "-req", "-in", "tls.csr", "-CA", "certs/ca.crt", "-CAkey", "ca.key"];
        yard.openssl(
            &[&issue[..], &["-days", "1", "-out", "tls.pem", "-extfile", "names"]].concat(),
        );
        let said = pull(what, "certs/ca.crt");
        assert!(said.contains(what) && said.contains("subjectAltName"), "{said}");
    }
}

#[test]
fn a_server_that_knows_no_tls_1_3_is_named_as_such() {
    let yard = Yard::new();
    yard.certify_by_openssl(&["rsa:2048"]);
    let port = process::free_port().unwrap();
    let accept = port.to_string();
    let serve = ["s_server", "-quiet", "-tls1_2", "-cert", "tls.pem", "-key", "tls.key"];
    let serve = [&serve[..], &["-accept", &accept]].concat();
    let openssl = Path::new("openssl");
    let mut server = Running::start(yard.path(), "openssl", openssl, &serve, &[]).unwrap();
    server.ready(|| process::answers(port)).unwrap();
    let place = format!("registry://localhost:{port}/otto/terms:current");
    let pull = ["pull", &place, "--out", "pulled", "--root", "certs/ca.crt"];
    let said = sign(yard.path(), &[], &pull).err;
    server.kill();
    assert!(said.contains("does not speak TLS 1.3"), "{said}");
    assert!(said.contains("switch TLS 1.3 on"), "{said}");
}

#[test]
fn clocks_that_are_minutes_apart_are_no_fault_and_others_are_named() {
    let now = Timestamp::now();
    let minutes = |it: u64| Duration::from_secs(it * 60);
    let layout = World::new().bundle();
    let place = |host: &str| format!("https://{host}/terms").parse().unwrap();
    for (from, until, fault) in [
        (now.after(minutes(1)), now.after(DAY), None),
        (now.after(minutes(4)), now.after(DAY), None),
        (ago(now, DAY / 2), ago(now, minutes(1)), None),
        (now.after(minutes(20)), now.after(DAY), Some("it is valid from")),
        (ago(now, DAY / 2), ago(now, minutes(20)), Some("it was valid until")),
    ] {
        let copy = layout.clone();
        let server = serve_from(from, until, move |_, asked| {
            match copy.file(asked.path.trim_start_matches("/terms/")) {
                Some(bytes) => reply(200, &[], bytes),
                None => reply(404, &[], ""),
            }
        });
        let fetcher = semper_distribution::Fetcher::new(&server.roots, Options::default());
        let pulled = semper_distribution::pull(&place(&server.host), &fetcher, &());
        match fault {
            None => assert_eq!(pulled.unwrap(), layout),
            Some(what) => {
                let error = pulled.unwrap_err();
                says(&error, what, "clock");
                // To the second, both times.
                assert_eq!(error.to_string().matches("Z").count(), 2, "{error}");
            }
        }
    }
}
