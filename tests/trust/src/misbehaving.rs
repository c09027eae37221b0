//! A registry in memory that keeps to the protocol, except where a test has it do otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use semper_base::Digest;
use semper_base::cert::Roots;
use semper_distribution::{Fetcher, MoveError, Options, Place, Progress};
use semper_trust::Layout;
use semper_trust::layout::{INDEX, canonical};
use serde_json::{Value, json};

use crate::server::{Asked, Server, reply, serve};

/// How a registry behaves.
#[derive(Clone, Copy)]
pub struct Manners {
    /// Whether it has the referrers API; without it there are only fallback tags.
    pub api: bool,
    /// Entries on a page of referrers.
    pub page: usize,
    /// How it names the place of an upload: its host, and the path with a parameter.
    pub location: fn(&str, &str) -> String,
    /// How long the answer with a fallback tag's list is on its way.
    pub slow_tag: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        let location = |_: &str, path: &str| path.to_owned();
        Self { api: false, page: 1_000, location, slow_tag: Duration::ZERO }
    }
}

/// What a registry has.
#[derive(Default)]
pub struct Store {
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// By digest: media type and bytes.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    pub tags: BTreeMap<String, String>,
    pub referrers: BTreeMap<String, Vec<Value>>,
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// What was asked: method and path.
    pub asked: Vec<String>,
    /// What was shown to it as `Authorization`.
    pub shown: BTreeSet<String>,
    /// Bytes that came as pieces of uploads.
    pub came: usize,
}

/// A registry that runs; it ends with the test's process.
pub struct Misbehaving {
    pub server: Server,
    store: Arc<Mutex<Store>>,
}

pub const NAME: &str = "/v2/otto/terms/";

impl Misbehaving {
    /// One that does as its manners say, except where `fault` answers instead.
    pub fn new(
        manners: Manners,
        fault: impl Fn(&Mutex<Store>, &Asked) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let store: Arc<Mutex<Store>> = Arc::default();
        let own = Arc::clone(&store);
        let server = serve(move |host, asked| {
            let mut now = lock(&own);
            now.asked.push(format!("{} {}", asked.method, asked.path));
            if let Some(shown) = asked.headers.get("authorization") {
                now.shown.insert(shown.to_str().unwrap().to_owned());
            }
            drop(now);
            if let Some(answer) = fault(&own, &asked) {
                return answer;
            }
            let answer = answer(&mut lock(&own), &manners, host, &asked);
            if asked.method == "GET" && asked.path.contains("/manifests/sha256-") {
                std::thread::sleep(manners.slow_tag);
            }
            answer
        });
        Self { server, store }
    }

    /// One that behaves.
    pub fn good(manners: Manners) -> Self {
        Self::new(manners, |_, _| None)
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    pub fn roots(&self) -> &Roots {
        &self.server.roots
    }

    pub fn host(&self) -> &str {
        &self.server.host
    }

    pub fn place(&self, tag: &str) -> Place {
        format!("registry://{}/otto/terms:{tag}", self.host()).parse().unwrap()
    }

    pub fn fetcher(&self, options: Options) -> Fetcher {
        Fetcher::new(self.roots(), options)
    }

    pub fn push(&self, layout: &Layout, tag: &str) -> Result<(), MoveError> {
        semper_distribution::push(layout, &self.place(tag), &self.fetcher(Options::default()), &())
    }

    pub fn pull(&self, tag: &str) -> Result<Layout, MoveError> {
        self.pull_with(tag, Options::default(), &())
    }

    pub fn pull_with(
        &self,
        tag: &str,
        options: Options,
        progress: &dyn Progress,
    ) -> Result<Layout, MoveError> {
        semper_distribution::pull(&self.place(tag), &self.fetcher(options), progress)
    }

    /// How often something was asked whose line has these words.
    pub fn count(&self, words: &str) -> usize {
        self.store().asked.iter().filter(|it| it.contains(words)).count()
    }
}

impl Store {
    /// The entries under the fallback tag of a subject.
    pub fn noted(&self, subject: &Digest) -> Vec<Value> {
        let digest = &self.tags[&format!("sha256-{}", subject.hex())];
        let list: Value = serde_json::from_slice(&self.manifests[digest].1).unwrap();
        list["manifests"].as_array().unwrap().clone()
    }

    /// Puts a list under the fallback tag of a subject.
    pub fn keep_list(&mut self, subject: &Digest, bytes: &[u8]) {
        let tag = format!("sha256-{}", subject.hex());
        self.keep_manifest(false, &tag, INDEX, bytes);
    }

    fn keep_manifest(&mut self, api: bool, named: &str, kind: &str, bytes: &[u8]) -> Response {
        let digest = Digest::of(bytes).to_string();
        let document: Value = serde_json::from_slice(bytes).unwrap();
        self.manifests.insert(digest.clone(), (kind.to_owned(), bytes.to_vec()));
        if named != digest {
            self.tags.insert(named.to_owned(), digest.clone());
        }
        let Some(subject) = document["subject"]["digest"].as_str().filter(|_| api) else {
            return reply(201, &[], "");
        };
        let all = self.referrers.entry(subject.to_owned()).or_default();
        if !all.iter().any(|it| it["digest"] == digest) {
            let kind = &document["artifactType"];
            let (media_type, size) = (&document["mediaType"], bytes.len());
            all.push(json!({
                "mediaType": media_type, "digest": digest, "size": size, "artifactType": kind,
            }));
        }
        reply(201, &[("oci-subject", subject)], "")
    }
}

fn answer(store: &mut Store, manners: &Manners, host: &str, asked: &Asked) -> Response {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let Some(rest) = path.strip_prefix(NAME) else { return reply(404, &[], "") };
    let Some((kind, named)) = rest.split_once('/') else { return reply(404, &[], "") };
    match (asked.method.as_str(), kind) {
        ("PUT", "manifests") => {
            let kind = asked.headers["content-type"].to_str().unwrap();
            store.keep_manifest(manners.api, named, kind, &asked.body)
        }
        ("GET" | "HEAD", "manifests") => {
            let digest = store.tags.get(named).map_or(named, String::as_str);
            match store.manifests.get(digest) {
                Some((kind, bytes)) => reply(200, &[("content-type", kind)], bytes.clone()),
                None => reply(404, &[], ""),
            }
        }
        ("GET", "referrers") if manners.api => referrers(store, manners, path, named, query),
        (_, "blobs") if named.starts_with("uploads/") => {
            upload(store, manners, host, asked, named.trim_start_matches("uploads/"), query)
        }
        ("GET" | "HEAD", "blobs") => match store.blobs.get(named) {
            Some(bytes) => reply(200, &[], bytes.clone()),
            None => reply(404, &[], ""),
        },
        _ => reply(404, &[], ""),
    }
}

fn referrers(store: &Store, manners: &Manners, path: &str, subject: &str, query: &str) -> Response {
    let all = store.referrers.get(subject).cloned().unwrap_or_default();
    let from: usize = query.strip_prefix("after=").map_or(0, |it| it.parse().unwrap());
    let page: Vec<Value> = all.iter().skip(from).take(manners.page).cloned().collect();
    let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": page });
    let next = format!("<{path}?after={}>; rel=\"next\"", from + manners.page);
    let mut headers = vec![("content-type", INDEX)];
    if from + manners.page < all.len() {
        headers.push(("link", &next));
    }
    reply(200, &headers, canonical(&list))
}

fn upload(
    store: &mut Store,
    manners: &Manners,
    host: &str,
    asked: &Asked,
    id: &str,
    query: &str,
) -> Response {
    if asked.method == "POST" {
        let id = store.asked.len().to_string();
        store.uploads.insert(id.clone(), Vec::new());
        let path = format!("{NAME}blobs/uploads/{id}?_state=AB%2FC=");
        return reply(202, &[("location", &(manners.location)(host, &path))], "");
    }
    let Some(there) = store.uploads.get_mut(id) else { return reply(404, &[], "") };
    let location = format!("{NAME}blobs/uploads/{id}?_state=AB%2FC=");
    let range = |there: &[u8]| format!("0-{}", there.len().saturating_sub(1));
    match asked.method.as_str() {
        "GET" => reply(204, &[("location", &location), ("range", &range(there))], ""),
        "PATCH" => {
            let begins = asked.headers["content-range"].to_str().unwrap().split('-').next();
            if begins.unwrap().parse() != Ok(there.len()) {
                return reply(416, &[("range", &range(there))], "");
            }
            there.extend_from_slice(&asked.body);
            store.came += asked.body.len();
            reply(202, &[("location", &location), ("range", &range(there))], "")
        }
        "PUT" => {
            there.extend_from_slice(&asked.body);
            let bytes = there.clone();
            let digest = Digest::of(&bytes).to_string();
            if !query.contains(&format!("digest={}", digest.replace(':', "%3A"))) {
                return reply(400, &[], format!("it has the digest {digest}"));
            }
            store.uploads.remove(id);
            store.blobs.insert(digest, bytes);
            reply(201, &[], "")
        }
        _ => reply(405, &[], ""),
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hears everything that is told.
#[derive(Default)]
pub struct Told(Mutex<Vec<String>>);

impl Told {
    pub fn all(&self) -> String {
        lock(&self.0).join("\n")
    }
}

impl Progress for Told {
    fn at(&self, _name: &str, _done: u64, _total: u64) {}

    fn told(&self, what: &str) {
        lock(&self.0).push(what.to_owned());
    }
}
