//! Strangers who attack the servers of a marketplace: they hoard connections, send half of what
//! they announce, do not read what they ask for, and have as much stored as they are let.
//!
//! Connections come from several addresses of the loopback network, as those of a botnet do. The
//! honest buyer's come from 127.0.0.1. A botnet works on processors of its own; here it has what
//! the marketplace leaves over, by the lowest priority.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use semper_bank_protocol::Claim as ClaimRequest;
use semper_base::cert::Roots;
use semper_base::{Certificate, Digest, SealSecret, SigningKey, Timestamp, cbor, keys};
use semper_exchange::bank::{Claim, Fence};
use semper_exchange::crypto::Signed;
use semper_exchange::item::{Item, Leaf};
use semper_exchange::message::{Promise, Token};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{Abort, REQUESTS, Request, Wish};
use semper_exchange::{Agreed, Exchange, Fairness, Party, Protocol, Role, ThirdParty};
use semper_items::{Attributes, DealKeys, Hello};
use semper_net::Client;

use crate::market::Market;

/// Addresses that hoarders come from.
const ADDRESSES: u8 = 8;
/// Connections that hoarders hold: more than a server has places.
const HOARD: usize = 1_200;
/// Readers who do not read.
const READERS: usize = 200;
/// How long one of them waits at most for what a server says.
const PATIENCE: Duration = Duration::from_secs(20);
const MOST: usize = 1024 * 1024;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// What is attacked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// Connections of which nothing comes, at the merchant.
    HalfHandshakes,
    /// TLS connections on which nothing is asked, at the merchant.
    Idle,
    /// Half of a request's headers, at the merchant.
    HalfHeads,
    /// A body that lacks its last byte, at the merchant.
    HalfBodies,
    /// A large file is asked for and not read, at a server of files.
    SlowReaders,
    /// The authority's list, again and again.
    Lists,
    /// Fences of third parties that were made up, at the bank.
    Fences,
    /// Cases between parties that were made up, at the third party.
    Cases,
    /// Openings by buyers that were made up, at the merchant.
    Openings,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::HalfHandshakes,
        Self::Idle,
        Self::HalfHeads,
        Self::HalfBodies,
        Self::SlowReaders,
        Self::Lists,
        Self::Fences,
        Self::Cases,
        Self::Openings,
    ];

    /// What it is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfHandshakes => "half handshakes",
            Self::Idle => "idle connections",
            Self::HalfHeads => "half headers",
            Self::HalfBodies => "half bodies",
            Self::SlowReaders => "readers who do not read",
            Self::Lists => "the authority's list",
            Self::Fences => "fences made up",
            Self::Cases => "cases made up",
            Self::Openings => "openings made up",
        }
    }
}

/// Where things are in the marketplace.
#[derive(Clone, Debug)]
pub struct Target {
    ca: u16,
    bank: u16,
    merchant: u16,
    third: u16,
    files: u16,
    file: String,
    root: PathBuf,
    terms: Digest,
    named: ThirdParty<Standard>,
}

impl Target {
    /// The servers of a marketplace, and one that shows this file below `/files/`.
    ///
    /// # Errors
    /// When something does not answer.
    pub fn of(market: &Market, files: u16, file: &str) -> Result<Self, String> {
        let root = market.folder.join("ca/root.pem");
        let url = format!("https://localhost:{}/semper/v1/third-party", market.third_port);
        let answer = client(&root)?.get(&url, MOST).map_err(|error| error.to_string())?;
        let named = cbor::decode(&answer.body, MOST).map_err(|error| error.to_string())?;
        let inspected = market.sign(&["inspect", "--bundle", "bundle", "--json"])?.json();
        let terms = inspected["terms"]["digest"].as_str().unwrap_or_default();
        let [ca, bank, merchant] = market.ports;
        let (third, file) = (market.third_port, file.to_owned());
        let terms = terms.parse().map_err(|_| "the terms' digest cannot be read")?;
        Ok(Self { ca, bank, merchant, third, files, file, root, terms, named })
    }
}

fn client(root: &Path) -> Result<Client, String> {
    let text = std::fs::read_to_string(root).map_err(|error| error.to_string())?;
    let root = Certificate::from_pem(&text).map_err(|error| error.to_string())?;
    Ok(Client::new(&Roots::new(vec![root])))
}

/// An attack under way; it is over when this is dropped.
#[derive(Debug)]
pub struct Held {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Held {
    /// Connections that were made, or requests that were answered.
    pub fn count(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so much has been done; false if that takes very long.
    pub fn reach(&self, count: u64, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.count() < count {
            if begun.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that has failed has attacked until then.
            let _ = thread.join();
        }
    }
}

/// How far away attackers are.
const AWAY: Duration = Duration::from_millis(2);

/// One of those who attack together.
struct Stranger {
    target: Target,
    number: u8,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Attack {
    /// Begins it, and goes on until what comes back is dropped.
    pub fn hold(self, target: &Target) -> Held {
        more_files();
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..ADDRESSES)
            .map(|number| {
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                let stranger = Stranger { target: target.clone(), number, stop, done };
                std::thread::spawn(move || {
                    let own = rustix::thread::gettid();
                    let _ = rustix::process::setpriority_process(Some(own), 19);
                    stranger.attack(self);
                })
            })
            .collect();
        Held { stop, done, threads }
    }
}

impl Stranger {
    fn attack(&self, attack: Attack) {
        let Target { ca, bank, merchant, third, files, .. } = self.target;
        let half = "POST /semper/v1/deals HTTP/1.1\r\nHost: localhost\r\n";
        let body = format!("{half}Content-Length: 12000\r\n\r\n{}", "x".repeat(11_999));
        let get = format!("GET /files/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", self.target.file);
        match attack {
            Attack::HalfHandshakes => self.hoard(HOARD, || {
                let mut stream = self.tcp(merchant)?;
                stream.write_all(&[0x16, 3, 1])?;
                Ok(stream)
            }),
            Attack::Idle => self.hoard(HOARD, || self.tls(merchant, "")),
            Attack::HalfHeads => self.hoard(HOARD, || self.tls(merchant, &format!("{half}X-A: "))),
            Attack::HalfBodies => self.hoard(HOARD, || self.tls(merchant, &body)),
            Attack::SlowReaders => {
                self.hoard(READERS, || Ok(Unread(self.tls(files, &get)?)));
            }
            Attack::Lists => self.repeat(|| Some((ca, "GET", "/semper/v1/crl", Vec::new()))),
            Attack::Fences => self.repeat(|| Some((bank, "POST", "/semper/v1/claims", fence()?))),
            Attack::Cases => {
                self.repeat(|| Some((third, "POST", REQUESTS, case(&self.target.named)?)))
            }
            Attack::Openings => self
                .repeat(|| Some((merchant, "POST", "/semper/v1/deals", hello(self.target.terms)))),
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Holds its share of so many connections, and makes those again that were cut off.
    fn hoard<T: Open>(&self, count: usize, make: impl Fn() -> io::Result<T>) {
        let mut held: Vec<T> = Vec::new();
        while self.goes_on() {
            held.retain_mut(Open::is_open);
            if held.len() < count / usize::from(ADDRESSES) {
                if let Ok(one) = make() {
                    held.push(one);
                    self.done.fetch_add(1, Ordering::Relaxed);
                }
                // A way through a network takes longer than one through this machine, and whoever
                // attacks through one does not take the server's processors.
                std::thread::sleep(AWAY);
            } else {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Asks one thing after the other.
    fn repeat(&self, make: impl Fn() -> Option<(u16, &'static str, &'static str, Vec<u8>)>) {
        while self.goes_on() {
            let Some((port, method, path, body)) = make() else { return };
            let length = body.len();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            let asked = self.tls(port, &head).and_then(|mut tls| {
                tls.write_all(&body)?;
                tls.read_to_end(&mut Vec::new())
            });
            if asked.is_ok() {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A connection from this stranger's address.
    fn tcp(&self, port: u16) -> io::Result<TcpStream> {
        let own = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&own, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, 1 + self.number), 0))?;
        connect(&own, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        let stream = TcpStream::from(own);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// The same with TLS, and with this said on it.
    fn tls(&self, port: u16, said: &str) -> io::Result<Tls> {
        let mut stream = self.tcp(port)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut session =
            ClientConnection::new(config(&self.target.root)?, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        let mut tls = StreamOwned::new(session, stream);
        tls.write_all(said.as_bytes())?;
        tls.flush()?;
        Ok(tls)
    }
}

/// A connection that the other side may have closed.
trait Open {
    fn is_open(&mut self) -> bool;
}

impl Open for TcpStream {
    fn is_open(&mut self) -> bool {
        let _ = self.set_nonblocking(true);
        let open = match self.peek(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        let _ = self.set_nonblocking(false);
        open
    }
}

impl Open for Tls {
    fn is_open(&mut self) -> bool {
        let _ = self.sock.set_nonblocking(true);
        let open = loop {
            match self.conn.read_tls(&mut self.sock) {
                Ok(0) => break false,
                Ok(_) if self.conn.process_new_packets().is_err() => break false,
                // The server's last words are no reason to stay.
                Ok(_) => drop(self.conn.reader().read(&mut [0; 16 * 1024])),
                Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
            }
        };
        let _ = self.sock.set_nonblocking(false);
        open
    }
}

/// A connection of which nothing is read.
struct Unread(Tls);

impl Open for Unread {
    fn is_open(&mut self) -> bool {
        self.0.sock.is_open()
    }
}

fn config(root: &Path) -> io::Result<Arc<ClientConfig>> {
    let text = std::fs::read_to_string(root)?;
    let root = Certificate::from_pem(&text).map_err(io::Error::other)?;
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from(root.der().to_vec())).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(store).with_no_client_auth()))
}

/// Whoever holds many connections needs many files.
fn more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    });
}

fn digest() -> Digest {
    Digest::from_bytes(keys::random())
}

fn party() -> Keys {
    Keys::new(SigningKey::generate(), NoGoods)
}

/// A fence of a third party that nobody knows.
fn fence() -> Option<Vec<u8>> {
    let (third, exchange, leaf) = (party(), digest(), digest());
    let key = third.public();
    let fence = Signed::new(&third, exchange, Fence { leaf }).ok()?;
    let claim = Claim::Fence(fence, key);
    Some(cbor::encode(&ClaimRequest { exchange, leaf, third_party: key, claim }))
}

/// A wish to abort an exchange between two who are nobody.
fn case(third: &ThirdParty<Standard>) -> Option<Vec<u8>> {
    let (one, other) = (party(), party());
    let side = |keys: &Keys| Party { sign: keys.public(), seal: keys.seal_public() };
    let leaf = |path: &str, keys: &Keys| Leaf {
        path: path.to_owned(),
        item: Item::Statement { statement: digest(), signer: keys.public(), affidavit: true },
    };
    let day = Duration::from_secs(86_400);
    let now = Timestamp::now();
    let agreed = Agreed::new(Exchange {
        version: semper_exchange::agreement::VERSION,
        protocol: Protocol::Gg,
        fairness: Fairness::Strong,
        deal: digest(),
        originator: side(&one),
        responder: side(&other),
        third_party: third.clone(),
        from_originator: vec![leaf("a", &one)],
        from_responder: vec![leaf("b", &other)],
        nonces: [digest(), digest()],
        accept_by: now.after(day / 24),
        close_by: now.after(day),
        dispute_ms: 0,
        lock_until: now.after(day * 3),
        clauses: digest(),
        transcript: digest(),
        fee: None,
    });
    let agreement = agreed.ok()?;
    let subject = agreement.subject();
    let promise = Promise { agreement, tokens: vec![Token::Nothing] };
    let promise = Signed::new(&one, subject, promise).ok()?;
    let wish = Abort { promise: promise.digest(), role: Role::Originator };
    let wish = Wish::Abort(Signed::new(&one, subject, wish).ok()?);
    Some(cbor::encode(&Request::<Standard> { wish, promise, accept: None }))
}

/// The HELLO of a buyer who is nobody.
fn hello(terms: Digest) -> Vec<u8> {
    cbor::encode(&Hello {
        nonce: digest(),
        terms,
        merchant: "Otto Versand".into(),
        buyer: "Mallory".into(),
        keys: DealKeys {
            sign: SigningKey::generate().public(),
            seal: SealSecret::from_seed(&keys::random()).public(),
        },
        attributes: Attributes::default(),
        payment: vec!["purse".into()],
        made: Timestamp::now(),
    })
}
