//! A third party's processes, and parties of exchanges who ask them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semper_base::cert::Roots;
use semper_base::{Certificate, Digest, SigningKey, Timestamp, cbor, keys};
use semper_exchange::agreement::VERSION;
use semper_exchange::crypto::Signed;
use semper_exchange::item::{Item, Leaf};
use semper_exchange::judge::Evidence;
use semper_exchange::message::{Promise, Token};
use semper_exchange::published::Logged;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{Abort, Answer, Decided, Request, Wish};
use semper_exchange::{Agreed, Exchange, Fairness, Party, Protocol, Role, ThirdParty as Named};
use semper_net::Client;
use semper_roles::third_party::{MAX_ANSWER, PARTY, REQUESTS};
use semper_testkit::exchange::Trusted;
use semper_testkit::process::{self, Output};
use semper_tlog::{Checkpoint, Note, VerifierKey, tree};
use tempfile::TempDir;

use super::common;

const DAY: Duration = Duration::from_secs(86_400);

/// An authority, a bank, and a third party of one process or several.
pub struct Town {
    pub trusted: Trusted,
    net: Client,
    _folder: TempDir,
}

impl Town {
    pub fn new(store: Option<(&str, usize)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trusted = Trusted::build(folder.path(), &common::binaries(), store).unwrap();
        let root = fs::read_to_string(folder.path().join("ca/root.pem")).unwrap();
        let root = Certificate::from_pem(&root).unwrap();
        let net = Client::new(&Roots::new(vec![root])).within(Duration::from_secs(60));
        Self { trusted, net, _folder: folder }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.trusted.folder.join(name)
    }

    /// What a process of the third party serves there: status and bytes.
    pub fn get(&self, index: usize, path: &str) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.trusted.third_url(index));
        let answer = self.net.get(&url, MAX_ANSWER).unwrap();
        (answer.status, answer.body)
    }

    /// The third party, as it says that it is to be named.
    pub fn named(&self) -> Named<Standard> {
        cbor::decode(&self.get(0, PARTY).1, MAX_ANSWER).unwrap()
    }

    /// Asks a process; nothing, if it does not answer, or not now.
    pub fn ask(&self, index: usize, request: &Request<Standard>) -> Option<Answer<Standard>> {
        let url = format!("{}{REQUESTS}", self.trusted.third_url(index));
        let body = cbor::encode(request);
        let answer = self.net.post(&url, "application/cbor", body, MAX_ANSWER).ok()?;
        (answer.status == 200).then(|| cbor::decode(&answer.body, MAX_ANSWER).unwrap())
    }

    /// A verdict of the first process.
    pub fn verdict(&self, asking: &Asking) -> Decided<Standard> {
        match self.ask(0, &asking.abort()) {
            Some(Answer::Decided(decided)) => *decided,
            other => panic!("{other:?}\n{}", self.trusted.third[0].log_text()),
        }
    }

    pub fn kill(&mut self, index: usize) {
        self.trusted.third[index].kill();
    }

    pub fn start(&mut self, index: usize, env: &[(&str, &str)]) {
        self.trusted.start_third(index, env).unwrap();
    }

    /// Tries to start one that will not: what it says, and what a check says.
    pub fn refused(&mut self, index: usize) -> [Output; 2] {
        let file = format!("third-{index}.toml");
        let checked = self.trusted.semper(&["serve", &file, "--check"]).unwrap();
        let served = self.trusted.semper(&["serve", &file]).unwrap();
        [served, checked]
    }

    pub fn sign(&self, arguments: &[&str]) -> Output {
        process::run(&self.trusted.folder, &self.trusted.binaries.sign, arguments).unwrap()
    }

    /// Watches the log of verdicts from an address, with what it is watched by as it is served.
    pub fn monitor(&self, state: &str, more: &[&str]) -> Output {
        self.monitor_at("/verdicts", state, more)
    }

    /// As [`Town::monitor`], where its files are served by another.
    pub fn monitor_at(&self, place: &str, state: &str, more: &[&str]) -> Output {
        let (status, key) = self.get(0, &format!("{place}/log.vkey"));
        assert_eq!(status, 200);
        let key = String::from_utf8(key).unwrap();
        let url = format!("{}{place}", self.trusted.third_url(0));
        let arguments =
            ["log", "monitor", "--url", &url, "--log-key", key.trim(), "--state", state];
        self.sign(&[&arguments, &["--root", "ca/root.pem"][..], more].concat())
    }

    pub fn log_key(&self) -> VerifierKey {
        let text = fs::read_to_string(self.file("third/verdicts/log.vkey")).unwrap();
        text.trim().parse().unwrap()
    }

    /// Everything that stands in the public log now, as a stranger reads it.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let public = self.file("third/verdicts/public");
        let note = Note::parse(&fs::read(public.join("checkpoint")).unwrap()).unwrap();
        let head = Checkpoint::verify(&note, &self.log_key()).unwrap();
        let width = usize::try_from(head.size).unwrap();
        assert!(width < tree::WIDTH);
        if width == 0 {
            return Vec::new();
        }
        let entries = fs::read(public.join(tree::entries_path(0, width))).unwrap();
        tree::entries(&entries).unwrap()
    }

    /// The verdicts that stand there about this exchange.
    pub fn logged(&self, asking: &Asking) -> Vec<Digest> {
        let lines = self.lines();
        let lines = lines.iter().filter_map(|it| cbor::decode::<Logged>(it, 4_096).ok());
        lines.filter(|it| it.exchange == asking.id()).map(|it| it.verdict).collect()
    }
}

/// Copies a file, or a folder with everything in it, in the place of what is there; but without the
/// indexes that SQLite has beside its files, which backups leave out.
pub fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to).unwrap();
        fs::set_permissions(to, from.metadata().unwrap().permissions()).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            if name.to_string_lossy().ends_with("-shm") {
                continue;
            }
            copy(&from.join(&name), &to.join(&name));
        }
        return;
    }
    fs::copy(from, to).unwrap();
}

/// An exchange of two receipts, whose originator asks to abort it.
pub struct Asking {
    one: Keys,
    pub agreed: Agreed<Standard>,
}

fn digest() -> Digest {
    Digest::from_bytes(keys::random())
}

impl Asking {
    pub fn new(third: &Named<Standard>) -> Self {
        let someone = || Keys::new(SigningKey::generate(), NoGoods);
        let (one, other, now) = (someone(), someone(), Timestamp::now());
        let side = |keys: &Keys| Party { sign: keys.public(), seal: keys.seal_public() };
        let leaf = |path: &str, keys: &Keys| Leaf {
            path: path.to_owned(),
            item: Item::Statement { statement: digest(), signer: keys.public(), affidavit: true },
        };
        let agreed = Agreed::new(Exchange {
            version: VERSION,
            protocol: Protocol::Gg,
            fairness: Fairness::Strong,
            deal: digest(),
            originator: side(&one),
            responder: side(&other),
            third_party: third.clone(),
            from_originator: vec![leaf("a", &one)],
            from_responder: vec![leaf("b", &other)],
            nonces: [digest(), digest()],
            accept_by: now.after(DAY / 24),
            close_by: now.after(DAY),
            dispute_ms: 0,
            lock_until: now.after(DAY * 3),
            clauses: digest(),
            transcript: digest(),
            fee: None,
        });
        Self { agreed: agreed.unwrap(), one }
    }

    pub fn id(&self) -> Digest {
        self.agreed.subject()
    }

    pub fn abort(&self) -> Request<Standard> {
        let subject = self.id();
        let promise = Promise { agreement: self.agreed.clone(), tokens: vec![Token::Nothing] };
        let promise = Signed::new(&self.one, subject, promise).unwrap();
        let wish = Abort { promise: promise.digest(), role: Role::Originator };
        let wish = Signed::new(&self.one, subject, wish).unwrap();
        Request { wish: Wish::Abort(wish), promise, accept: None }
    }

    /// What a party keeps that was given this.
    pub fn evidence(&self, decided: &Decided<Standard>) -> Vec<u8> {
        let mut evidence = Evidence::of(self.agreed.clone());
        evidence.answers.push(Answer::Decided(Box::new(decided.clone())));
        cbor::encode(&evidence)
    }
}
