//! Requests over HTTPS: bounded, redirected only to where the caller agreed, patient with servers
//! that are busy; and blobs, which are hashed while they stream and resumed after a break.
//!
//! Who we are is shown to the host that it is for ([`Logins`]), and to nobody else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::Digest;
use semper_net::{Ask, Believed, Client, Method, Reply};
use semper_trust::LayoutError;

use crate::address::{host, host_of, whither, with};
use crate::logins::{Login, Logins};
use crate::part::Part;
use crate::patience::{Patience, after, is_busy};
use crate::{MoveError, Said, challenge};

/// Most redirects that are followed, where they are agreed to.
const REDIRECTS: usize = 3;
/// How often a broken stream is taken up again while nothing comes.
const ATTEMPTS: u32 = 5;
/// How long it is waited before a broken stream is taken up again; longer each time.
const BREATH: Duration = Duration::from_millis(200);
/// Bytes of a refusal's or redirect's body that are read at most.
const REFUSAL: usize = 16 * 1024;
/// Bytes of a refusal's text that are shown.
const SAID: usize = 400;
/// Bytes of a token server's answer.
const MAX_TOKEN: usize = 64 * 1024;

/// How to reach others.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Names and passwords for registries and servers that ask, each for its host.
    pub logins: Logins,
    /// Hosts (with port) that may be redirected to.
    pub redirects: Vec<String>,
    /// Hosts that are asked first instead of a registry's: registry's host to mirror's.
    pub mirrors: BTreeMap<String, String>,
    /// A folder for blobs: what is there is not fetched again, and what breaks off is resumed.
    pub cache: Option<PathBuf>,
}

/// Hears how a transfer goes on.
pub trait Progress {
    /// Of a file so many bytes of so many are here.
    fn at(&self, name: &str, done: u64, total: u64);

    /// Something that the person may want to know: a server is busy, a mirror is passed over.
    fn told(&self, what: &str) {
        self.at(what, 0, 0);
    }
}

/// Nobody listens.
impl Progress for () {
    fn at(&self, _name: &str, _done: u64, _total: u64) {}
}

impl<F: Fn(&str, u64, u64)> Progress for F {
    fn at(&self, name: &str, done: u64, total: u64) {
        self(name, done, total);
    }
}

/// What fetches; one for one command.
#[derive(Debug)]
pub struct Fetcher {
    net: Client,
    options: Options,
    /// What is shown, by host and scope.
    tokens: RefCell<BTreeMap<(String, String), String>>,
    /// What the logins say, asked once.
    logins: RefCell<BTreeMap<(String, String), Option<Login>>>,
    /// Token servers to which a password was not shown, by the registry that points to them.
    withheld: RefCell<BTreeMap<String, String>>,
}

/// A small request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// What a registry would want a token for: `repository:NAME:ACTIONS`.
    pub scope: &'a str,
    /// Bytes of the answer.
    pub most: usize,
}

/// A small answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer as an error: nobody knows what to do with its status.
    pub(crate) fn unexpected(&self, url: String) -> MoveError {
        MoveError::Status { url, status: self.status, said: said(&self.body) }
    }
}

/// A blob on its way to us.
struct Source<'a> {
    url: &'a str,
    scope: &'a str,
    name: &'a str,
    size: u64,
    progress: &'a dyn Progress,
}

impl Fetcher {
    /// A fetcher that believes servers for which these vouch.
    pub fn new(believed: impl Into<Believed>, options: Options) -> Self {
        Self::with(Client::new(believed), options)
    }

    /// A fetcher over a client that is there already.
    pub fn with(net: Client, mut options: Options) -> Self {
        options.redirects = options.redirects.iter().map(|it| host(it)).collect();
        let all = std::mem::take(&mut options.mirrors);
        options.mirrors = all.into_iter().map(|(own, mirror)| (host(&own), mirror)).collect();
        Self {
            net,
            options,
            tokens: RefCell::default(),
            logins: RefCell::default(),
            withheld: RefCell::default(),
        }
    }

    /// The host that stands in for a registry's, if one is named.
    pub fn mirror(&self, of: &str) -> Option<&str> {
        self.options.mirrors.get(&host(of)).map(String::as_str)
    }

    /// Whether the caller has agreed to go there.
    pub(crate) fn agreed(&self, host: &str) -> bool {
        self.options.redirects.iter().any(|it| it == host)
    }

    /// Asks, and takes an answer of at most `most` bytes.
    pub(crate) fn ask(&self, wish: Wish<'_>, progress: &dyn Progress) -> Result<Answer, MoveError> {
        let mut bytes = Vec::new();
        // Refusals too: their text says why.
        let mut sink = |_: u16, chunk: &[u8]| bytes.extend_from_slice(chunk);
        let headers = wish.headers.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
        let (method, url) = (wish.method, wish.url.to_owned());
        let ask = Ask { method, url, headers, body: wish.body.to_vec() };
        let reply = self.send(ask, wish.scope, wish.most, progress, &mut sink)?;
        Ok(Answer { status: reply.status, headers: reply.headers, body: bytes })
    }

    /// Sends, answering a demand for authorisation once, and following agreed redirects.
    fn send(
        &self,
        mut ask: Ask,
        scope: &str,
        most: usize,
        progress: &dyn Progress,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, MoveError> {
        let origin = host_of(&ask.url);
        let key = (origin.clone(), scope.to_owned());
        let (mut authorised, mut hops) = (false, 0);
        loop {
            let mut this = ask.clone();
            // What is for the registry does not go to where it points.
            let own = host_of(&ask.url) == origin;
            if own && let Some(token) = self.tokens.borrow().get(&key) {
                this.headers.push(("authorization".into(), token.clone()));
            }
            let method = ask.method;
            // A redirect of a look says that there is something.
            let follows = |status: u16| match status {
                301..=303 => method == Method::Get,
                307 | 308 => method != Method::Head,
                _ => false,
            };
            // What is asked again leaves nothing behind.
            let reply = self.patient(&this, most, progress, &mut |status, chunk| {
                if status != 401 && !follows(status) {
                    sink(status, chunk);
                }
            })?;
            match reply.status {
                401 if own && !authorised => {
                    authorised = true;
                    let token = self.authorise(&ask.url, &reply, scope, progress)?;
                    self.tokens.borrow_mut().insert(key.clone(), token);
                }
                401 => return Err(self.refused(&host_of(&ask.url), scope)),
                status if follows(status) && hops == REDIRECTS => {
                    let (url, to) = (ask.url, "ever more places".to_owned());
                    return Err(MoveError::Redirect { host: host_of(&url), url, to });
                }
                status if follows(status) => {
                    hops += 1;
                    let to = reply.headers.get("location").cloned().unwrap_or_default();
                    ask.url = whither(&ask.url, &to, |host| self.agreed(host))?;
                }
                _ => return Ok(reply),
            }
        }
    }

    /// One request, repeated while the server says that it is busy.
    fn patient(
        &self,
        ask: &Ask,
        most: usize,
        progress: &dyn Progress,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, MoveError> {
        let mut patience = Patience::default();
        loop {
            let mut said = Vec::new();
            // A refusal may say more than what was asked for weighs.
            let reply = self.net.ask(ask, most.max(REFUSAL), &mut |status, chunk| {
                if is_busy(status) {
                    said.extend_from_slice(chunk);
                } else {
                    sink(status, chunk);
                }
            })?;
            if !is_busy(reply.status) {
                return Ok(reply);
            }
            let (host, status) = (host_of(&ask.url), reply.status);
            let Some(pause) = patience.next(&reply) else {
                let (url, tries) = (ask.url.clone(), patience.tries);
                let after = after(&reply).map(|it| it.as_secs());
                return Err(MoveError::Busy { url, status, tries, after, said: self::said(&said) });
            };
            let seconds = pause.as_millis().div_ceil(1000);
            progress.told(&format!("{host} is busy ({status}); asked again in {seconds} s"));
            std::thread::sleep(pause);
        }
    }

    /// Why a host has refused us although it was shown what there is for it.
    fn refused(&self, host: &str, scope: &str) -> MoveError {
        if let Some(realm) = self.withheld.borrow().get(host) {
            return MoveError::Realm { host: host.to_owned(), realm: realm.clone() };
        }
        match self.login(host, scope) {
            Err(error) => error,
            Ok(None) => MoveError::Unauthorised(host.to_owned()),
            Ok(Some(_)) => MoveError::Denied(host.to_owned()),
        }
    }

    /// What there is to show to a host.
    fn login(&self, host: &str, scope: &str) -> Result<Option<Login>, MoveError> {
        let repository = scope.split(':').nth(1).unwrap_or_default();
        let key = (host.to_owned(), repository.to_owned());
        if let Some(known) = self.logins.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = self.options.logins.find(host, repository)?;
        self.logins.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    /// The `Authorization` for a server that asks for one (RFC 9110; the registries' tokens).
    fn authorise(
        &self,
        url: &str,
        reply: &Reply,
        scope: &str,
        progress: &dyn Progress,
    ) -> Result<String, MoveError> {
        let host = host_of(url);
        let login = self.login(&host, scope)?;
        if let Some(Login::Token(token)) = &login {
            return Ok(format!("Bearer {token}"));
        }
        let asked = reply.headers.get("www-authenticate").map_or("", String::as_str);
        let all = challenge::parse(asked);
        let bearer = all.iter().find_map(|it| {
            let realm = it.parameters.get("realm").filter(|_| it.scheme == "bearer")?;
            Some((realm, it))
        });
        if let Some((realm, bearer)) = bearer {
            let parameter = |name: &str| bearer.parameters.get(name).map_or("", String::as_str);
            // What we are about to do may want more than the one request that was refused.
            let theirs = parameter("scope");
            let scope = if scope.starts_with(theirs) { scope } else { theirs };
            return self.token(url, realm, parameter("service"), scope, login, progress);
        }
        if all.iter().any(|it| it.scheme == "basic") {
            return match login {
                Some(Login::Password { user, password }) => Ok(basic(&user, &password)),
                Some(_) => Err(MoveError::Denied(host)),
                None => Err(MoveError::Unauthorised(host)),
            };
        }
        let names: Vec<&str> = all.iter().map(|it| it.scheme.as_str()).collect();
        match names.join(", ") {
            none if none.is_empty() => Err(MoveError::Unauthorised(host)),
            schemes => Err(MoveError::Scheme { host, schemes }),
        }
    }

    /// A token from the server that a registry names for that.
    fn token(
        &self,
        url: &str,
        realm: &str,
        service: &str,
        scope: &str,
        login: Option<Login>,
        progress: &dyn Progress,
    ) -> Result<String, MoveError> {
        let host = host_of(url);
        // Anonymously anybody may be asked; whether the caller agreed decides about the password.
        let realm = whither(url, realm, |_| true)?;
        let server = host_of(&realm);
        let login = login.filter(|_| server == host || self.agreed(&server));
        let known = self.login(&host, scope)?.is_some();
        if known && login.is_none() {
            self.withheld.borrow_mut().insert(host.clone(), server.clone());
        }
        let mut wanted = vec![("service", service), ("scope", scope)];
        wanted.retain(|it| !it.1.is_empty());
        let ask = match &login {
            Some(Login::Identity(token)) => {
                wanted.push(("grant_type", "refresh_token"));
                wanted.push(("client_id", "semper"));
                wanted.push(("refresh_token", token));
                let form = with("https://form.invalid/", &wanted);
                let body = form.split_once('?').map_or("", |it| it.1).as_bytes().to_vec();
                let kind = "application/x-www-form-urlencoded".to_owned();
                let headers = vec![("content-type".to_owned(), kind)];
                Ask { headers, body, ..Ask::new(Method::Post, &realm) }
            }
            Some(Login::Password { user, password }) => {
                let headers = vec![("authorization".to_owned(), basic(user, password))];
                Ask { headers, ..Ask::new(Method::Get, &with(&realm, &wanted)) }
            }
            _ => Ask::new(Method::Get, &with(&realm, &wanted)),
        };
        let mut body = Vec::new();
        let answer = self.patient(&ask, MAX_TOKEN, progress, &mut |_, chunk| {
            body.extend_from_slice(chunk);
        })?;
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let field = |name: &str| value[name].as_str().filter(|it| !it.is_empty());
        match field("token").or_else(|| field("access_token")) {
            Some(token) if answer.status == 200 => Ok(format!("Bearer {token}")),
            _ if matches!(answer.status, 200 | 400 | 401 | 403) => Err(self.refused(&host, scope)),
            _ => {
                let (url, status) = (realm, answer.status);
                Err(MoveError::Status { url, status, said: said(&body) })
            }
        }
    }

    /// A blob of that digest and size, streamed; what is in the cache is not fetched, what broke
    /// off goes on where it stopped, and what was spoilt begins anew.
    pub(crate) fn blob(
        &self,
        url: &str,
        scope: &str,
        want: &Digest,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, MoveError> {
        let name = format!("blob {}", want.short());
        let (mut part, trouble) = Part::open(self.options.cache.as_deref(), want, size);
        if let Some(trouble) = trouble {
            progress.told(&format!("the cache cannot be used ({trouble}); it is done without"));
        }
        loop {
            self.fill(&Source { url, scope, name: &name, size, progress }, &mut part)?;
            match part.finish(&name) {
                // What an earlier run has left behind was not a part of it.
                Err(_) if part.has_old() => part.restart(),
                finished => return finished,
            }
        }
    }

    /// Streams until everything is there.
    fn fill(&self, from: &Source<'_>, part: &mut Part) -> Result<(), MoveError> {
        let &Source { name, size, progress, .. } = from;
        let mut idle = 0;
        while part.len() < size {
            let begun = part.len();
            let error = match self.stream(from, part) {
                Ok(()) if part.len() == size => return Ok(()),
                Ok(()) => {
                    let short = format!("{name}: only {} of {size} bytes came", part.len());
                    MoveError::Layout(LayoutError::Missing(short))
                }
                // Whoever breaks off is asked again from where it stopped; anything else will not
                // change.
                Err(MoveError::Net(error)) if error.is_passing() => MoveError::Net(error),
                Err(other) => return Err(other),
            };
            idle = if part.len() > begun { 0 } else { idle + 1 };
            if idle == ATTEMPTS {
                return Err(error);
            }
            progress.told(&format!("{name} broke off at {} of {size} bytes", part.len()));
            std::thread::sleep(BREATH * idle);
        }
        Ok(())
    }

    fn stream(&self, from: &Source<'_>, part: &mut Part) -> Result<(), MoveError> {
        let &Source { url, scope, name, size, progress } = from;
        let begun = part.len();
        let mut ask = Ask::new(Method::Get, url);
        if begun > 0 {
            ask.headers.push(("range".to_owned(), format!("bytes={begun}-")));
        }
        // What belongs to the blob is bounded by its own size.
        let most = usize::try_from(size).unwrap_or(usize::MAX);
        let (mut failed, mut said) = (None, Vec::new());
        // A server that does not know ranges sends all of it; what is here is skipped.
        let mut skip = begun;
        let reply = self.send(ask, scope, most, progress, &mut |status, chunk| {
            let fresh = match status {
                206 if begun > 0 => chunk,
                200 => {
                    let from = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
                    skip -= from as u64;
                    &chunk[from..]
                }
                _ => return said.extend_from_slice(chunk),
            };
            if let Err(error) = part.add(fresh) {
                failed.get_or_insert(error);
            }
            progress.at(name, part.len(), size);
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let url = url.to_owned();
        match reply.status {
            200 | 206 => Ok(()),
            // There is less than what we have of it, or another blob: from the beginning.
            416 if begun > 0 => {
                part.restart();
                Ok(())
            }
            404 => Err(LayoutError::Missing(url).into()),
            status => Err(MoveError::Status { url, status, said: self::said(&said) }),
        }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A refusal's text, shortened; of a role of semper's, the error and its mend.
pub(crate) fn said(body: &[u8]) -> Said {
    let short =
        |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(SAID).collect() };
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| value[name].as_str().filter(|it| !it.is_empty()).map(short);
    match field("error") {
        Some(words) => Said { words, mend: field("mend") },
        None => Said { words: short(&String::from_utf8_lossy(body)), mend: None },
    }
}
