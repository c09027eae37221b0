//! Proxies that the environment names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use semper_trust_tests::World;
use semper_trust_tests::misbehaving::{Manners, Misbehaving, lock};
use semper_trust_tests::server::ELSEWHERE;

use crate::{sign, write};

/// A proxy that leads every tunnel to one port of this machine, and keeps what it was told.
struct Proxy {
    port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(port: u16, refuses: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || tunnel(stream.unwrap(), port, refuses, &log));
            }
        });
        Self { port: own, told }
    }
}

fn tunnel(client: TcpStream, port: u16, refuses: bool, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lock(log).push(line.to_owned()),
        }
    }
    let mut client = client;
    if refuses {
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        return;
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    // What the reader has read ahead belongs to the tunnel.
    server.write_all(reader.buffer()).unwrap();
    std::thread::spawn(move || std::io::copy(&mut up, &mut server));
    let _ = std::io::copy(&mut down, &mut client);
}

#[test]
fn registries_are_reached_through_the_proxy_of_the_environment() {
    let registry = Misbehaving::good(Manners { api: true, ..Manners::default() });
    registry.push(&World::new().bundle(), "current").unwrap();
    let port = registry.host().rsplit(':').next().unwrap().parse().unwrap();
    let (proxy, refusing) = (Proxy::to(port, false), Proxy::to(port, true));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "ca.pem", registry.roots().certificates()[0].to_pem());
    let elsewhere = format!("registry://{ELSEWHERE}:{port}/otto/terms:current");
    let pull = |place: &str, env: &[(&str, &str)]| {
        sign(folder.path(), env, &["pull", place, "--out", "b", "--root", "ca.pem"])
    };

    let address = format!("http://otto:secret@127.0.0.1:{}", proxy.port);
    let pulled = pull(&elsewhere, &[("HTTPS_PROXY", &address)]);
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    let told = lock(&proxy.told).clone();
    assert!(told[0].starts_with(&format!("CONNECT {ELSEWHERE}:{port} ")), "{told:?}");
    let login =
        told.iter().any(|it| it.to_lowercase() == "proxy-authorization: basic b3r0bzpzzwnyzxq=");
    assert!(login, "{told:?}");

    // Small letters, and a list of those that are reached without it.
    let pulled = pull(&elsewhere, &[("https_proxy", &address)]);
    assert_eq!(pulled.code, 0, "{}", pulled.err);
    let before = lock(&proxy.told).len();
    let straight =
        pull(&elsewhere, &[("HTTPS_PROXY", &address), ("NO_PROXY", "a.example,.example")]);
    assert!(straight.err.contains("cannot be reached"), "{}", straight.err);
    // This machine itself needs no proxy.
    let here = pull(&registry.place("current").to_string(), &[("HTTPS_PROXY", &address)]);
    assert_eq!(here.code, 0, "{}", here.err);
    assert_eq!(lock(&proxy.told).len(), before);

    // One that refuses, one that is not there, one of another kind: named.
    let refusing = format!("http://127.0.0.1:{}", refusing.port);
    for (address, why) in [
        (refusing.as_str(), "proxy auth"),
        ("http://127.0.0.1:9", "refused"),
        ("socks5://127.0.0.1:9", "only http"),
    ] {
        let failed = pull(&elsewhere, &[("HTTPS_PROXY", address)]);
        assert_eq!(failed.code, 1, "{}", failed.out);
        let named =
            failed.err.contains("by the proxy 127.0.0.1") && failed.err.contains("HTTPS_PROXY");
        assert!(named && failed.err.contains(why), "{address}: {}", failed.err);
    }
}
