//! A way between processes that is not to be relied on: it drops, delays, repeats, reorders, cuts and
//! falsifies requests and answers, by path and count.
//!
//! TLS ends here, with a certificate of the marketplace's own authority, so that a rule can say
//! which request it means. Both ends behave as they do towards each other: what they can prove, they
//! prove by signatures.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use semper_base::Certificate;
use semper_base::cert::Roots;
use semper_net::client::Method;
use semper_net::{Ask, Client};

/// Bytes of a request or an answer at most.
const MOST: usize = 8 << 20;
/// How long a connection may be silent. Long polls are shorter.
const SILENCE: Duration = Duration::from_secs(120);

/// What happens to a request or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The request never arrives; the connection ends.
    Drop,
    /// The request arrives, its answer doesn't.
    Lose,
    /// Nothing is heard for so long; then the connection ends.
    Hang(u64),
    /// The request arrives so many milliseconds later.
    Delay(u64),
    /// Its answer does.
    Late(u64),
    /// The request arrives twice; the second answer counts.
    Repeat,
    /// The connection ends; the request arrives so much later, after others.
    Reorder(u64),
    /// Half of the answer arrives.
    Cut,
    /// The answer to an earlier request of this kind arrives instead.
    Stale,
    /// “Not now.”
    Busy,
    /// One bit of the request is another.
    BendRequest(usize),
    /// One bit of the answer is.
    BendAnswer(usize),
    /// Whoever watches is told before the request arrives: a strike of this number is due.
    StrikeBefore(usize),
    /// As before, once it has been answered, and before the answer arrives.
    StrikeAfter(usize),
}

/// What happens to which requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The way and the kind of request: `anna-bank:holds`.
    pub at: &'static str,
    /// The first of them that it happens to, from 1, counted since the rules were made.
    pub first: u64,
    /// To how many it happens.
    pub count: u64,
    /// What happens.
    pub deed: Deed,
}

/// A way from one party to one server.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Its name: `anna-bank`.
    pub name: &'static str,
    /// Where it listens.
    pub port: u16,
    /// Where it leads.
    to: u16,
}

/// Hears when a strike is due.
pub type Watcher = Box<dyn Fn(usize) + Send + Sync>;

/// Gives an answer of its own to a request of this kind with this body, in the server's place.
pub type Forger = Box<dyn Fn(&str, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// Ways between processes, all with the same rules.
pub struct Proxy {
    ways: Vec<Way>,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Client,
    identity: Arc<ServerConfig>,
    state: Mutex<State>,
    watcher: Mutex<Option<Watcher>>,
    forger: Mutex<Option<Forger>>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    counts: HashMap<String, u64>,
    earlier: HashMap<String, Answer>,
    /// What has passed, in words.
    seen: Vec<String>,
    begun: Option<Instant>,
    /// Goes up with every new set of rules: whoever hangs by old ones hangs no more.
    round: u64,
}

#[derive(Clone)]
struct Asked {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    media: String,
    body: Vec<u8>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kind of a request: the last part of its path, or what a deal's address asks for.
fn kind(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let of_deal = path.contains("/deals/") && !["exchange", "messages"].contains(&last);
    match (last, method) {
        ("messages", "GET") => "poll".into(),
        _ if of_deal => "agreed".into(),
        _ => last.to_owned(),
    }
}

impl Proxy {
    /// Ways with these names to these ports. `folder` has the authority, and the certificate
    /// `NAME.pem` with its key `NAME.key` that the ways show.
    ///
    /// # Errors
    /// When a file or a port cannot be had.
    pub fn new(folder: &Path, name: &str, ways: &[(&'static str, u16)]) -> Result<Self, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let read = |file: String| {
            std::fs::read_to_string(folder.join(&file)).map_err(|error| format!("{file}: {error}"))
        };
        let root = Certificate::from_pem(&read("ca/root.pem".into())?).map_err(|it| words(&it))?;
        let own = read(format!("{name}.pem"))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(own.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(read(format!("{name}.key"))?.as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut identity = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|it| words(&it))?
            .with_no_client_auth()
            .with_single_cert(chain.map_err(|it| words(&it))?, key.map_err(|it| words(&it))?)
            .map_err(|it| words(&it))?;
        identity.alpn_protocols = vec![b"http/1.1".to_vec()];
        let shared = Arc::new(Shared {
            upstream: Client::new(&Roots::new(vec![root])),
            identity: Arc::new(identity),
            state: Mutex::default(),
            watcher: Mutex::new(None),
            forger: Mutex::new(None),
        });
        let mut made = Vec::new();
        for (name, to) in ways {
            let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|it| words(&it))?;
            let port = listener.local_addr().map_err(|it| words(&it))?.port();
            let way = Way { name, port, to: *to };
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.listen(way, &listener));
            made.push(way);
        }
        Ok(Self { ways: made, shared })
    }

    /// The port where a way begins.
    ///
    /// # Panics
    /// If there is no such way.
    pub fn port(&self, name: &str) -> u16 {
        self.ways.iter().find(|it| it.name == name).expect("a way of this name").port
    }

    /// From now on these rules hold, and counting begins anew. Whoever hangs by earlier rules
    /// hangs no more.
    pub fn rules(&self, rules: Vec<Rule>) {
        let mut state = locked(&self.shared.state);
        state.rules = rules;
        state.counts.clear();
        state.earlier.clear();
        state.round += 1;
    }

    /// Who is told of strikes.
    pub fn watch(&self, watcher: Watcher) {
        *locked(&self.shared.watcher) = Some(watcher);
    }

    /// Who answers in the servers' place.
    pub fn forge(&self, forger: Forger) {
        *locked(&self.shared.forger) = Some(forger);
    }

    /// What has passed since this was last asked, in words.
    pub fn seen(&self) -> Vec<String> {
        let mut state = locked(&self.shared.state);
        state.begun = None;
        std::mem::take(&mut state.seen)
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, way: Way, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(self);
            // A connection that fails is one that a network has cut.
            std::thread::spawn(move || shared.serve(way, stream).ok());
        }
    }

    fn serve(self: &Arc<Self>, way: Way, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(&self.identity));
        let tls = tls.map_err(std::io::Error::other)?;
        let mut stream = BufReader::new(StreamOwned::new(tls, stream));
        while let Some(asked) = read(&mut stream)? {
            let Some((answer, whole)) = self.happens(way, asked) else { break };
            let head = format!(
                "HTTP/1.1 {} OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
                answer.status,
                answer.media,
                answer.body.len()
            );
            let empty = format!("HTTP/1.1 {} OK\r\n\r\n", answer.status);
            let mut bytes = if answer.status == 204 { empty } else { head }.into_bytes();
            if answer.status != 204 {
                bytes.extend(&answer.body);
            }
            if !whole {
                bytes.truncate(bytes.len() - answer.body.len() / 2 - 1);
            }
            let stream = stream.get_mut();
            stream.write_all(&bytes)?;
            stream.flush()?;
            if !whole {
                break;
            }
        }
        Ok(())
    }

    /// What comes of a request: an answer, whole or cut; `None`: the connection ends.
    fn happens(self: &Arc<Self>, way: Way, mut asked: Asked) -> Option<(Answer, bool)> {
        let at = format!("{}:{}", way.name, kind(&asked.method, &asked.path));
        let (deeds, round) = self.due(&at);
        let wait = |ms: u64| self.wait(ms, round);
        for deed in &deeds {
            match deed {
                Deed::StrikeBefore(number) => self.strike(*number),
                Deed::Drop => return None,
                Deed::Hang(ms) => {
                    wait(*ms);
                    return None;
                }
                Deed::Delay(ms) => wait(*ms),
                Deed::Busy => {
                    let body = br#"{"error":"busy","mend":"try again"}"#.to_vec();
                    return Some((Answer { status: 503, media: JSON.into(), body }, true));
                }
                Deed::Reorder(ms) => {
                    let (shared, ms) = (Arc::clone(self), *ms);
                    std::thread::spawn(move || {
                        shared.wait(ms, round);
                        shared.forward(way, &asked);
                    });
                    return None;
                }
                Deed::BendRequest(place) => bend(&mut asked.body, *place),
                _ => {}
            }
        }
        let forged = locked(&self.forger).as_ref().and_then(|it| it(&at, &asked.body));
        if let Some(body) = forged {
            let media = "application/cbor".to_owned();
            return Some((Answer { status: 200, media, body }, true));
        }
        let mut answer = self.forward(way, &asked)?;
        let mut whole = true;
        for deed in &deeds {
            match deed {
                Deed::StrikeAfter(number) => self.strike(*number),
                Deed::Repeat => answer = self.forward(way, &asked)?,
                Deed::Lose => return None,
                Deed::Late(ms) => wait(*ms),
                Deed::Cut => whole = false,
                Deed::BendAnswer(place) => bend(&mut answer.body, *place),
                Deed::Stale => {
                    let earlier = locked(&self.state).earlier.get(&at).cloned();
                    answer = earlier.unwrap_or(answer);
                }
                _ => {}
            }
        }
        locked(&self.state).earlier.insert(at, answer.clone());
        Some((answer, whole))
    }

    /// What is to happen to this request, and by which round of rules.
    fn due(&self, at: &str) -> (Vec<Deed>, u64) {
        let mut state = locked(&self.state);
        let count = state.counts.entry(at.to_owned()).or_default();
        *count += 1;
        let count = *count;
        let is_due =
            |rule: &&Rule| rule.at == at && (rule.first..rule.first + rule.count).contains(&count);
        let deeds: Vec<Deed> =
            state.rules.iter().filter(is_due).map(|it| it.deed.clone()).collect();
        let since = state.begun.get_or_insert_with(Instant::now).elapsed().as_secs_f32();
        state.seen.push(format!("{since:6.2} {at} {count} {deeds:?}"));
        (deeds, state.round)
    }

    /// Waits so long, or until other rules hold.
    fn wait(&self, ms: u64, round: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < until && locked(&self.state).round == round {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn strike(&self, number: usize) {
        if let Some(watcher) = &*locked(&self.watcher) {
            watcher(number);
        }
    }

    fn forward(&self, way: Way, asked: &Asked) -> Option<Answer> {
        let method = if asked.method == "POST" { Method::Post } else { Method::Get };
        let mut ask = Ask::new(method, &format!("https://localhost:{}{}", way.to, asked.path));
        let passes = |it: &&(String, String)| ["content-type", "accept"].contains(&it.0.as_str());
        ask.headers = asked.headers.iter().filter(passes).cloned().collect();
        ask.body.clone_from(&asked.body);
        let mut body = Vec::new();
        let reply = self.upstream.ask(&ask, MOST, &mut |_, bytes| body.extend_from_slice(bytes));
        let reply = reply.ok()?;
        let media = reply.headers.get("content-type").cloned().unwrap_or_else(|| JSON.into());
        Some(Answer { status: reply.status, media, body })
    }
}

const JSON: &str = "application/json";

/// Turns one bit; `place` counts bits from the beginning, round and round.
fn bend(bytes: &mut [u8], place: usize) {
    let length = bytes.len();
    if length > 0 {
        bytes[place / 8 % length] ^= 1 << (place % 8);
    }
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// One request; `None` at the connection's end.
fn read(stream: &mut Stream) -> std::io::Result<Option<Asked>> {
    let bad = |what: &str| std::io::Error::other(what.to_owned());
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().ok_or_else(|| bad("no method"))?.to_owned();
    let path = words.next().ok_or_else(|| bad("no path"))?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|it| it.0 == "content-length");
    let length = length.map_or(Ok(0), |it| it.1.parse::<usize>());
    let length = length.ok().filter(|it| *it <= MOST).ok_or_else(|| bad("its length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Asked { method, path, headers, body }))
}
