//! Fetching over HTTPS: bounded, hashed while it streams, resumed after a break; redirects only
//! to where the caller agreed, credentials only to whom they are for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::Digest;
use semper_base::cert::Roots;
use semper_net::{Ask, Client, Method, NetError, Reply};
use semper_trust::LayoutError;
use sha2::{Digest as _, Sha256};

use crate::MoveError;

/// Most redirects that are followed, where they are agreed to.
const REDIRECTS: usize = 3;
/// How often a broken stream is taken up again.
const ATTEMPTS: usize = 4;
/// Bytes of a refusal's or redirect's body that are read at most.
const REFUSAL: usize = 16 * 1024;
/// Bytes of a refusal's text that are shown.
const SAID: usize = 200;

/// How to reach others.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name and password for registries and servers that ask.
    pub credentials: Option<(String, String)>,
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
    /// Bearer tokens, by host and repository.
    tokens: RefCell<BTreeMap<String, String>>,
}

/// A small answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Fetcher {
    /// A fetcher that believes servers certified by these roots.
    pub fn new(roots: &Roots, options: Options) -> Self {
        Self::with(Client::new(roots), options)
    }

    /// A fetcher over a client that is there already.
    pub fn with(net: Client, options: Options) -> Self {
        Self { net, options, tokens: RefCell::default() }
    }

    /// The host that stands in for a registry's, if one is named.
    pub fn mirror(&self, host: &str) -> Option<&str> {
        self.options.mirrors.get(host).map(String::as_str)
    }

    /// Asks and takes an answer of at most `most` bytes; `scope` names what a registry would
    /// want a token for.
    pub(crate) fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        scope: &str,
        most: usize,
    ) -> Result<Answer, MoveError> {
        let mut bytes = Vec::new();
        // Refusals too: their text says why.
        let mut sink = |_: u16, chunk: &[u8]| bytes.extend_from_slice(chunk);
        let ask = Ask { method, url: url.to_owned(), headers: owned(headers), body: body.to_vec() };
        let reply = self.send(ask, scope, most, &mut sink)?;
        Ok(Answer { status: reply.status, headers: reply.headers, body: bytes })
    }

    /// Sends, answering a demand for authorisation once, and following agreed redirects.
    fn send(
        &self,
        mut ask: Ask,
        scope: &str,
        most: usize,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, MoveError> {
        let origin = host_of(&ask.url).to_owned();
        let key = format!("{origin} {scope}");
        let mut authorised = false;
        for _ in 0..=REDIRECTS {
            let mut this = ask.clone();
            // What is for the registry does not go to where it points.
            if host_of(&ask.url) == origin
                && let Some(token) = self.tokens.borrow().get(&key)
            {
                this.headers.push(("authorization".into(), token.clone()));
            }
            // What is asked again leaves nothing behind.
            let passing = |status| matches!(status, 401 | 301 | 302 | 303 | 307 | 308);
            let reply = self.net.ask(&this, most, &mut |status, chunk| {
                if !passing(status) {
                    sink(status, chunk);
                }
            })?;
            match reply.status {
                401 if !authorised && host_of(&ask.url) == origin => {
                    authorised = true;
                    let token = self.authorise(&ask.url, &reply, scope)?;
                    self.tokens.borrow_mut().insert(key.clone(), token);
                }
                401 => return Err(MoveError::Unauthorised(host_of(&ask.url).to_owned())),
                301 | 302 | 303 | 307 | 308 => {
                    let to = reply.headers.get("location").cloned().unwrap_or_default();
                    ask.url = self.redirected(&ask.url, &to)?;
                }
                _ => return Ok(reply),
            }
        }
        Err(MoveError::Redirect { url: ask.url, to: "ever more places".into() })
    }

    fn redirected(&self, url: &str, to: &str) -> Result<String, MoveError> {
        let refused = |to: &str| {
            Err(MoveError::Redirect { url: url.to_owned(), to: to.chars().take(SAID).collect() })
        };
        if let Some(path) = to.strip_prefix('/')
            && !path.starts_with('/')
        {
            return Ok(format!("https://{}/{path}", host_of(url)));
        }
        if !to.starts_with("https://") {
            return refused(to);
        }
        let host = host_of(to);
        if host == host_of(url) || self.options.redirects.iter().any(|it| it == host) {
            Ok(to.to_owned())
        } else {
            refused(host)
        }
    }

    /// The `Authorization` for a server that asks for one (RFC 7235; the registries' tokens).
    fn authorise(&self, url: &str, reply: &Reply, scope: &str) -> Result<String, MoveError> {
        let asked = reply.headers.get("www-authenticate").cloned().unwrap_or_default();
        let unauthorised = || MoveError::Unauthorised(host_of(url).to_owned());
        let basic = self.options.credentials.as_ref().map(|(user, password)| {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
        });
        let (scheme, rest) = asked.split_once(' ').unwrap_or((&asked, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return basic.ok_or_else(unauthorised);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthorised());
        }
        let given = parameters(rest);
        let realm = given.get("realm").ok_or_else(unauthorised)?;
        if !realm.starts_with("https://") {
            return Err(MoveError::Redirect { url: url.to_owned(), to: realm.clone() });
        }
        let service = given.get("service").cloned().unwrap_or_default();
        let scope = given.get("scope").map_or(scope, String::as_str);
        let query = format!("{realm}?service={}&scope={}", encoded(&service), encoded(scope));
        let mut headers = Vec::new();
        // A password goes to the registry itself, or to whom the caller agreed.
        let host = host_of(realm);
        if let Some(basic) = basic
            && (host == host_of(url) || self.options.redirects.iter().any(|it| it == host))
        {
            headers.push(("authorization".to_owned(), basic));
        }
        let mut body = Vec::new();
        let ask = Ask { method: Method::Get, url: query, headers, body: Vec::new() };
        let answer =
            self.net.ask(&ask, 64 * 1024, &mut |_, chunk| body.extend_from_slice(chunk))?;
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = value["token"].as_str().or(value["access_token"].as_str());
        match token {
            Some(token) if answer.status == 200 => Ok(format!("Bearer {token}")),
            _ => Err(unauthorised()),
        }
    }

    /// A blob of that digest and size, streamed; what is in the cache is not fetched, what broke
    /// off goes on where it stopped.
    pub(crate) fn blob(
        &self,
        url: &str,
        scope: &str,
        want: &Digest,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, MoveError> {
        let name = format!("blob {}", want.short());
        let mut part = Part::open(self.options.cache.as_deref(), want, size)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            if part.len() >= size {
                break;
            }
            match self.stream(url, scope, &mut part, size, &name, progress) {
                Ok(()) => {}
                // Whoever sends too much or breaks off is asked again from where it stopped;
                // anything else will not change.
                Err(MoveError::Net(error)) if error.is_passing() => last = Some(error),
                Err(other) => return Err(other),
            }
        }
        if part.len() < size {
            let error = last.map(MoveError::Net);
            return Err(error.unwrap_or_else(|| {
                LayoutError::Missing(format!("{name}: only {} of {size} bytes came", part.len()))
                    .into()
            }));
        }
        part.finish(&name)
    }

    fn stream(
        &self,
        url: &str,
        scope: &str,
        part: &mut Part,
        size: u64,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), MoveError> {
        let begun = part.len();
        let mut headers = Vec::new();
        if begun > 0 {
            headers.push(("range".to_owned(), format!("bytes={begun}-")));
        }
        let ask = Ask { method: Method::Get, url: url.to_owned(), headers, body: Vec::new() };
        // A refusal or a redirect may say more than a small blob weighs; what belongs to the blob
        // is bounded by its own size.
        let most = usize::try_from(size).unwrap_or(usize::MAX).max(REFUSAL);
        let mut failed = None;
        // A server that does not know ranges sends all of it; what is here is skipped.
        let mut skip = begun;
        let reply = self.send(ask, scope, most, &mut |status, chunk| {
            let fresh = match status {
                206 if begun > 0 => chunk,
                200 => {
                    let from = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
                    skip -= from as u64;
                    &chunk[from..]
                }
                _ => return,
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
            404 => Err(LayoutError::Missing(url).into()),
            status => Err(MoveError::Status { url, status, said: String::new() }),
        }
    }
}

/// A blob while it comes in: in a file of the cache, or in memory.
struct Part {
    want: Digest,
    hasher: Sha256,
    length: u64,
    size: u64,
    file: Option<(PathBuf, File)>,
    memory: Vec<u8>,
}

impl Part {
    fn open(cache: Option<&std::path::Path>, want: &Digest, size: u64) -> Result<Self, MoveError> {
        let mut this = Self {
            want: *want,
            hasher: Sha256::new(),
            length: 0,
            size,
            file: None,
            memory: Vec::new(),
        };
        let Some(folder) = cache else { return Ok(this) };
        let path = folder.join(want.hex());
        let failed = |error: std::io::Error| crate::io(&path, &error);
        fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        // What is there was perhaps not all synced; it is hashed like what comes.
        let mut there = Vec::new();
        (&mut file).take(size).read_to_end(&mut there).map_err(failed)?;
        this.hasher.update(&there);
        this.length = there.len() as u64;
        if this.length == size && Digest::from_bytes(this.hasher.clone().finalize().into()) != *want
        {
            (this.hasher, this.length) = (Sha256::new(), 0);
            there.clear();
        }
        file.set_len(this.length).map_err(failed)?;
        file.seek(std::io::SeekFrom::Start(this.length)).map_err(failed)?;
        this.memory = there;
        this.file = Some((path, file));
        Ok(this)
    }

    fn len(&self) -> u64 {
        self.length
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), MoveError> {
        let room = usize::try_from(self.size - self.length).unwrap_or(usize::MAX);
        if bytes.len() > room {
            let name = format!("blob {}", self.want.short());
            let most = usize::try_from(self.size).unwrap_or(usize::MAX);
            return Err(LayoutError::TooLarge { name, most }.into());
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.memory.extend_from_slice(bytes);
        match &mut self.file {
            Some((path, file)) => file.write_all(bytes).map_err(|error| crate::io(path, &error)),
            None => Ok(()),
        }
    }

    fn finish(self, name: &str) -> Result<Vec<u8>, MoveError> {
        let got = Digest::from_bytes(self.hasher.finalize().into());
        if got != self.want {
            if let Some((path, _)) = &self.file {
                let _ = fs::remove_file(path);
            }
            return Err(LayoutError::Changed { name: name.to_owned(), got, want: self.want }.into());
        }
        Ok(self.memory)
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Host and port of an address.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an @ is not the host, whatever it looks like.
    host.rsplit('@').next().unwrap_or_default()
}

/// `name="value"` pairs of a challenge.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let Some((value, more)) = after.split_once('"') else { break };
        all.insert(name.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned());
        rest = more;
    }
    all
}

/// Percent-encoding of everything but letters, digits and `-._~`.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// A refusal's text, shortened.
pub(crate) fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|c| !c.is_control()).take(SAID).collect()
}

/// A net error that is the server's fault, as a layout's.
pub(crate) fn as_layout(error: MoveError, name: &str) -> LayoutError {
    match error {
        MoveError::Layout(error) => error,
        MoveError::Net(NetError::TooLarge { most, .. }) => {
            LayoutError::TooLarge { name: name.to_owned(), most }
        }
        other => LayoutError::Io { name: name.to_owned(), detail: other.to_string() },
    }
}
