//! A role for tests, and a server in the test's process whose files stand in a folder of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use semper_base::cert::{Authority, Roots};
use semper_base::{Certificate, Mend, Role as CertifiedRole, SigningKey, Timestamp};
use semper_keeper::{Bell, Ending, Keeper, Spawn as _, Turn};
use semper_net::{Ask, Client, Method};
use semper_roles::config::{ConfigError, ServerConfig};
use semper_roles::role::{Role, RoleKind, Section, Wrong};
use semper_roles::server::Server;
use semper_roles::surroundings::{Desk, Surroundings};
use semper_roles::web;
use serde::Deserialize;
use tempfile::TempDir;

/// Longer than anything here takes; only a hang gets this far.
pub const HANG: Duration = Duration::from_secs(60);
const MOST: usize = 64 * 1024;

/// What the tests' servers know: two roles of the same kind, and one that is never configured.
pub const KNOWN: &[Section] =
    &[Section::of::<Clerk<0>>(), Section::of::<Clerk<1>>(), Section::of::<Clerk<2>>()];

/// A role that does what its folder says: while there is a file `ill` its thread does not get on,
/// while there is a file `busy` its work hangs.
pub struct Clerk<const NUMBER: usize> {
    folder: PathBuf,
    requests: Ending,
    /// Requests that are held.
    held: AtomicUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClerkConfig {
    folder: PathBuf,
}

#[derive(Debug, thiserror::Error, Mend)]
#[error("there is no folder {}", .0.display())]
#[mend(input, "make the folder")]
pub struct ClerkError(PathBuf);

impl<const NUMBER: usize> RoleKind for Clerk<NUMBER> {
    const SECTION: &'static str = ["first-clerk", "second-clerk", "third-clerk"][NUMBER];
    type Config = ClerkConfig;
    type Error = ClerkError;

    fn place(config: &mut ClerkConfig, base: &Path) {
        config.folder = base.join(&config.folder);
    }

    fn check(config: &ClerkConfig, wrong: &mut Wrong<ClerkError>) {
        wrong.take(there(config));
    }

    fn open(config: &ClerkConfig, around: &Surroundings) -> Result<Arc<dyn Role>, ClerkError> {
        there(config)?;
        let folder = config.folder.clone();
        std::fs::write(folder.join("opened"), "").unwrap();
        let ill = folder.join("ill");
        let turn = move |post: &semper_keeper::Post| {
            if ill.exists() {
                post.ill("the ink is dry")
            } else {
                post.well()
            }
            Turn::Wait(Duration::from_millis(5))
        };
        around.keeper.keep("scribe", &Bell::new(), Box::new(turn));
        let requests = around.requests.clone();
        Ok(Arc::new(Self { folder, requests, held: AtomicUsize::new(0) }))
    }
}

fn there(config: &ClerkConfig) -> Result<(), ClerkError> {
    if config.folder.is_dir() { Ok(()) } else { Err(ClerkError(config.folder.clone())) }
}

impl<const NUMBER: usize> Role for Clerk<NUMBER> {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let path = |it: &str| format!("/{}/{it}", Self::SECTION);
        Router::new()
            .route(&path("hold"), get(hold))
            .route(&path("held"), get(held))
            .route(&path("work"), get(work))
            .route(&path("finish"), get(finish))
            .route(&path("panic"), get(panic_at_once))
            .route(&path("panic-at-work"), get(panic_at_work))
            .with_state(around.desk(self))
    }
}

type Desks<const NUMBER: usize> = State<Desk<Clerk<NUMBER>>>;

/// Holds a request for an hour, or until the server ends.
async fn hold<const NUMBER: usize>(State(desk): Desks<NUMBER>) -> Response {
    desk.held.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        () = desk.requests.over() => StatusCode::NO_CONTENT.into_response(),
        () = tokio::time::sleep(Duration::from_secs(3_600)) => "an hour is over".into_response(),
    }
}

async fn held<const NUMBER: usize>(State(desk): Desks<NUMBER>) -> String {
    desk.held.load(Ordering::SeqCst).to_string()
}

async fn work<const NUMBER: usize>(State(desk): Desks<NUMBER>) -> Response {
    let work = |clerk: &Clerk<NUMBER>| {
        let begun = Instant::now();
        while clerk.folder.join("busy").exists() && begun.elapsed() < HANG {
            std::thread::sleep(Duration::from_millis(5));
        }
        web::bytes("text/plain", b"done".to_vec())
    };
    desk.answer("work", work).await
}

/// Takes a second, and does not listen to the server's end.
async fn finish<const NUMBER: usize>(State(desk): Desks<NUMBER>) -> Response {
    desk.held.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    "finished".into_response()
}

async fn panic_at_once<const NUMBER: usize>(_: Desks<NUMBER>) -> Response {
    panic!("a clerk has fallen off the chair")
}

async fn panic_at_work<const NUMBER: usize>(State(desk): Desks<NUMBER>) -> Response {
    desk.answer("panic", |_| panic!("a clerk has fallen into the inkwell")).await
}

/// A folder with a server's configuration: `[tls]` and whatever is given.
pub struct Place {
    pub folder: TempDir,
    pub authority: Authority,
    pub roots: Roots,
}

impl Place {
    pub fn new(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = Authority::new("Test CA", SigningKey::generate(), now).unwrap();
        let key = SigningKey::generate();
        let until = now.after(Duration::from_secs(86_400));
        let names = ["localhost".to_owned()];
        let certificate = authority
            .issue("server", &key.public(), CertifiedRole::Server, &names, now, until)
            .unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        };
        write("tls.pem", &certificate.to_pem());
        write("tls.key", &key.to_pem());
        let head =
            "listen = \"127.0.0.1:0\"\n[tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\n";
        write("server.toml", &format!("{head}{sections}"));
        for clerk in ["first", "second"] {
            std::fs::create_dir(folder.path().join(clerk)).unwrap();
        }
        let roots = Roots::new(vec![authority.certificate.clone()]);
        Self { folder, authority, roots }
    }

    /// A key, and a certificate of the authority for it.
    pub fn certified(&self, name: &str, role: CertifiedRole) -> (SigningKey, Certificate) {
        let (key, now) = (SigningKey::generate(), Timestamp::now());
        let until = now.after(Duration::from_secs(86_400));
        let issued = self.authority.issue(name, &key.public(), role, &[], now, until);
        (key, issued.unwrap())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything that a check says is wrong.
    pub fn mistakes(&self) -> Vec<ConfigError> {
        ServerConfig::mistakes_with(&self.file("server.toml"), KNOWN)
    }

    pub fn config(&self) -> ServerConfig {
        ServerConfig::read_with(&self.file("server.toml"), KNOWN).unwrap()
    }
}

/// A server that runs.
pub struct Running {
    pub place: Place,
    pub keeper: Keeper,
    net: Client,
    port: u16,
    url: String,
    thread: JoinHandle<()>,
}

impl Running {
    /// One with two clerks.
    pub fn start() -> Self {
        let sections = "[first-clerk]\nfolder = \"first\"\n[second-clerk]\nfolder = \"second\"\n";
        let place = Place::new(sections);
        let config = place.config();
        Self::of(place, config)
    }

    /// One with these roles.
    pub fn of(place: Place, config: ServerConfig) -> Self {
        let keeper = Keeper::new("office");
        let server = Server::open(&config, &keeper).unwrap();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            let ready = |address: SocketAddr| tell.send(address.port()).unwrap();
            server.serve(&config, ready).unwrap();
        });
        let port = told.recv_timeout(HANG).unwrap();
        let url = format!("https://localhost:{port}");
        let net = Client::new(&place.roots).within(HANG);
        Self { place, keeper, net, port, url, thread }
    }

    /// Posts a body; status and text of the answer.
    pub fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
        let answer = self.net.post(&format!("{}{path}", self.url), kind, body, MOST).unwrap();
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Status and text of an answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        get_from(&self.net, &format!("{}{path}", self.url))
    }

    /// As [`Running::get`], by somebody who accepts JSON alone.
    pub fn get_json(&self, path: &str) -> (u16, String) {
        let ask = Ask {
            method: Method::Get,
            url: format!("{}{path}", self.url),
            headers: vec![("accept".into(), "application/json".into())],
            body: Vec::new(),
        };
        let mut body = Vec::new();
        let reply = self.net.ask(&ask, MOST, &mut |_, bytes| body.extend_from_slice(bytes));
        (reply.unwrap().status, String::from_utf8(body).unwrap())
    }

    /// As [`Running::get`], in a thread of its own.
    pub fn ask(&self, path: &str) -> JoinHandle<(u16, String)> {
        let (net, url) = (self.net.clone(), format!("{}{path}", self.url));
        std::thread::spawn(move || get_from(&net, &url))
    }

    /// Waits until an answer is as wanted.
    pub fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let (status, text) = self.get(path);
            if wanted(status, &text) {
                return text;
            }
            assert!(begun.elapsed() < HANG, "{status} {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it, as SIGTERM does; how long that took.
    pub fn end(self) -> Duration {
        self.end_of().1
    }

    /// Ends it, as SIGTERM does; its place, and how long that took.
    pub fn end_of(self) -> (Place, Duration) {
        let begun = Instant::now();
        self.keeper.end();
        self.thread.join().unwrap();
        (self.place, begun.elapsed())
    }
}

fn get_from(net: &Client, url: &str) -> (u16, String) {
    let answer = net.get(url, MOST).unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}
