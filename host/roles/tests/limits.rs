//! What strangers can take of a server, seen by them: files that are streamed, certificates that are
//! renewed, a listener for operators, requests that are too large.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::{HANG, Place, Running};
use semper_base::{Role, SigningKey, Timestamp};
use semper_net::{Ask, Client, Method};
use semper_roles::config::ServerConfig;

const CLERK: &str = "[first-clerk]\nfolder = \"first\"\n";

/// A server's file with something at its head.
fn place(head: &str, sections: &str) -> Place {
    let place = Place::new(sections);
    let file = place.file("server.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{head}{text}")).unwrap();
    place
}

fn start(place: Place) -> Running {
    let config = place.config();
    Running::of(place, config)
}

#[test]
fn limits_are_checked_with_the_rest_of_the_file() {
    let wrong = |limits: &str| {
        let place = Place::new(&format!("[limits]\n{limits}\n{CLERK}"));
        let wrong: Vec<String> = place.mistakes().iter().map(ToString::to_string).collect();
        wrong
    };

    assert_eq!(wrong("connections = 50\nidle-seconds = 30"), Vec::<String>::new());
    let unknown = wrong("conections = 50");
    assert!(unknown[0].contains("unknown field `conections`"), "{unknown:?}");
    assert!(unknown[0].contains("line 6"), "{unknown:?}");
    let senseless = wrong("header-bytes = 10");
    assert!(senseless[0].contains("[limits] header-bytes = 10: from 8192"), "{senseless:?}");
}

#[test]
fn health_and_metrics_have_a_listener_of_their_own_if_they_are_given_one() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = start(place(&format!("metrics = \"{free}\"\n"), CLERK));

    assert_eq!(server.get("/healthz").0, 404);
    assert_eq!(server.get("/metrics").0, 404);
    assert_eq!(server.get("/first-clerk/work"), (200, "done".into()));
    let net = Client::new(&server.place.roots).within(HANG);
    let shown = |path: &str| {
        let answer =
            net.get(&format!("https://localhost:{}{path}", free.port()), 64 * 1024).unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(shown("/healthz"), (200, "ok\n".into()));
    assert!(shown("/metrics").1.contains("semper_requests_total"));
    assert_eq!(shown("/first-clerk/work").0, 404);
    server.end();
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let server = start(Place::new(CLERK));
    let write = |name: &str, text: &str| {
        std::fs::write(server.place.file(name), text).unwrap();
        let private = PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(server.place.file(name), private).unwrap();
    };
    let certified = || {
        let (key, now) = (SigningKey::generate(), Timestamp::now());
        let until = now.after(Duration::from_secs(86_400));
        let names = ["localhost".to_owned()];
        let issued =
            server.place.authority.issue("server", &key.public(), Role::Server, &names, now, until);
        (key, issued.unwrap())
    };
    let (_, other) = certified();

    // A certificate without its key: nothing changes but health.
    write("tls.pem", &other.to_pem());
    let text = server.until("/healthz", |status, _| status == 503);
    assert!(text.contains("tls: the new certificate and key cannot be used"), "{text}");
    assert_ne!(shown(&server), other.der());

    // A pair: whoever connects from now on sees it.
    let (key, new) = certified();
    write("tls.key", &key.to_pem());
    write("tls.pem", &new.to_pem());
    server.until("/healthz", |status, _| status == 200);
    assert_eq!(shown(&server), new.der());
    server.end();
}

/// The certificate that a new connection is shown.
fn shown(server: &Running) -> Vec<u8> {
    let address = format!("127.0.0.1:{}", server.port());
    let out = std::process::Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "localhost", "-showcerts"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let pem = text.split_once(begin).and_then(|it| it.1.split_once(end));
    let pem = pem.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&out.stderr))).0;
    let certificate = semper_base::Certificate::from_pem(&format!("{begin}{pem}{end}\n"));
    certificate.unwrap().der().to_vec()
}

#[test]
fn a_file_is_handed_over_as_it_is_read_and_so_many_at_a_time() {
    let limits = "[limits]\ndownloads-per-address = 2\n";
    let place = Place::new(&format!("{limits}[files]\nfolder = \"first\"\n"));
    let bytes: Vec<u8> = (0..9_000_000_u32).map(|it| it.to_le_bytes()[1]).collect();
    std::fs::write(place.file("first/large"), &bytes).unwrap();
    std::fs::write(place.file("first/small"), "small").unwrap();
    let config = ServerConfig::read(&place.file("server.toml")).unwrap();
    let server = Running::of(place, config);
    let net = Client::new(&server.place.roots).within(HANG);
    let url = |name: &str| format!("https://localhost:{}/files/{name}", server.port());
    let whole = net.get(&url("large"), 10_000_000).unwrap();
    assert!((whole.status, whole.body) == (200, bytes));

    // Two who do not read on have the places of their address; what is small needs none.
    let (tell, told) = channel();
    let (go, goes) = channel::<()>();
    let goes = std::sync::Mutex::new(goes);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (ask, tell) = (Ask::new(Method::Get, &url("large")), tell.clone());
            let (net, goes) = (Client::new(&server.place.roots).within(HANG), &goes);
            scope.spawn(move || {
                let mut first = true;
                net.ask(&ask, 10_000_000, &mut |_, _| {
                    if std::mem::take(&mut first) {
                        tell.send(()).unwrap();
                        let _ = goes.lock().unwrap().recv_timeout(HANG);
                    }
                })
                .unwrap();
            });
        }
        told.recv_timeout(HANG).unwrap();
        told.recv_timeout(HANG).unwrap();
        assert_eq!(net.get(&url("large"), 10_000_000).unwrap().status, 503);
        assert_eq!(net.get(&url("small"), 100).unwrap().body, b"small");
        let (_, metrics) = server.get("/metrics");
        assert!(metrics.contains("semper_refusals_total{reason=\"downloads\"} 1"), "{metrics}");
        drop(go);
    });
    assert_eq!(net.get(&url("large"), 10_000_000).unwrap().status, 200);
    server.end();
}

#[test]
fn what_is_too_large_or_comes_too_slowly_is_refused_with_the_reason() {
    let limits = "[limits]\nbody-seconds = 1\n";
    let server = start(Place::new(&format!("{limits}{CLERK}")));
    let net = Client::new(&server.place.roots).within(HANG);
    let url = format!("https://localhost:{}/first-clerk/work", server.port());
    let ask = Ask { body: vec![0; 3_000_000], ..Ask::new(Method::Post, &url) };
    let reply = net.ask(&ask, 1_000, &mut |_, _| {});
    // Refused by its announced length, before anything of it is read.
    assert!(reply.is_ok_and(|it| it.status == 413));
    let begun = Instant::now();
    server.until("/metrics", |_, text| text.contains("{reason=\"body-size\"} 1"));
    assert!(begun.elapsed() < HANG);
    server.end();
}
