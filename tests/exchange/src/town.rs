//! A bank and a third party as servers, and two account holders whose exchanges are processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use semper_base::digest::hex;
use semper_base::{SigningKey, cbor};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::{Agreed, Protocol, Role};
use semper_testkit::exchange::Trusted;
use semper_testkit::{Binaries, Output, Running};

use crate::goods::Prepared;
use crate::remote::{self, Places, Remote};
use crate::trader::{self, Kind, Trader, agree};

/// The account holders: the originator, the responder.
pub const NAMES: [&str; 2] = ["otto", "anna"];

/// The account holder who has this role.
pub fn name(role: Role) -> &'static str {
    NAMES[usize::from(role == Role::Responder)]
}

/// A marketplace of servers, and two account holders.
pub struct Town {
    /// Everything is in here.
    pub folder: tempfile::TempDir,
    /// Its servers.
    pub trusted: Trusted,
    /// The accounts of both, with a thousand euros each.
    pub accounts: [String; 2],
    trader: PathBuf,
    exchanges: usize,
}

/// An exchange that two processes carry out.
pub struct Setup {
    /// What both have agreed on.
    pub agreed: Agreed<Standard>,
    /// One side.
    pub originator: Trader,
    /// The other.
    pub responder: Trader,
    /// Messages, states and evidence are in here.
    pub folder: PathBuf,
}

impl Setup {
    /// A folder in which messages to somebody lie, or from somebody.
    pub fn box_of(&self, way: &str, role: Role) -> PathBuf {
        self.folder.join(format!("{way}-{}", name(role)))
    }
}

impl Town {
    /// A town in which traders are processes of this program. With `store`, so many processes of
    /// the third party share this PostgreSQL.
    pub fn new(trader: &str, store: Option<(&str, usize)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let binaries = Binaries::beside().unwrap();
        let trusted = Trusted::build(folder.path(), &binaries, store).unwrap();
        for name in NAMES {
            trusted.certified(name, "buyer").unwrap();
        }
        let accounts = [String::new(), String::new()];
        let mut town = Self { folder, trusted, accounts, trader: trader.into(), exchanges: 0 };
        for (index, name) in NAMES.iter().enumerate() {
            let account = town.remote(name, 0).account();
            let to = ["--account", account.as_str(), "--amount", "1000.00 EUR"];
            let fund = [["bank", "fund", "--home", "bank"].as_slice(), &to].concat();
            let funded = town.trusted.semper(&fund).unwrap();
            assert_eq!(funded.code, 0, "{}", funded.err);
            town.accounts[index] = account;
        }
        town
    }

    /// The way of an account holder to the bank and one of the third party's processes.
    pub fn places(&self, name: &str, third: usize) -> Places {
        let (bank, third) = (self.trusted.bank_url(), self.trusted.third_url(third));
        remote::places(self.folder.path(), name, bank, third)
    }

    /// The same, as a client.
    pub fn remote(&self, name: &str, third: usize) -> Remote {
        Remote::new(self.places(name, third))
    }

    /// What an account holder has, in words.
    pub fn balance(&self, role: Role) -> String {
        let account = &self.accounts[usize::from(role == Role::Responder)];
        self.remote(name(role), 0).balance(account)
    }

    /// Two traders who agree on this.
    pub fn setup(&mut self, gives: &[Kind], wants: &[Kind]) -> Setup {
        self.setup_by(gives, wants, &Protocol::ALL)
    }

    /// As [`Town::setup`], of two who follow these protocols alone.
    pub fn setup_by(&mut self, gives: &[Kind], wants: &[Kind], follow: &[Protocol]) -> Setup {
        let bank = Remote::bank_key(self.folder.path());
        let named = self.remote("anna", 0).named();
        let certify = |prepared: &Prepared| {
            let pem = fs::read_to_string(self.folder.path().join("third/third-party.key")).unwrap();
            let third = Keys::new(SigningKey::from_pem(&pem).unwrap(), NoGoods);
            assert_eq!(third.seal_public(), named.seal);
            trader::certify(&third, &named.seal, prepared)
        };
        let [otto, anna] = &self.accounts;
        let originator = Trader::new(otto, anna, bank, gives, &certify);
        let responder = Trader::new(anna, otto, bank, wants, &certify);
        let agreed = agree(&originator, &responder, &named, |wishes| {
            wishes.protocols.retain(|it| follow.contains(it));
        });
        let agreed = agreed.unwrap();
        self.exchanges += 1;
        let folder = self.folder.path().join(format!("exchange-{}", self.exchanges));
        let setup = Setup { agreed, originator, responder, folder };
        for way in ["to", "from"] {
            for role in [Role::Originator, Role::Responder] {
                fs::create_dir_all(setup.box_of(way, role)).unwrap();
            }
        }
        setup
    }

    /// Writes what a side's process has to know; the file.
    fn write(&self, setup: &Setup, role: Role, places: &Places, outbox: &Path) -> PathBuf {
        let (own, peer) = match role {
            Role::Originator => (&setup.originator, &setup.responder),
            Role::Responder => (&setup.responder, &setup.originator),
        };
        let sealed: Vec<(String, u64)> =
            peer.sealed.iter().map(|it| (hex(&it.sealed), it.leaf.length)).collect();
        let json = serde_json::json!({
            "role": role,
            "agreement": hex(&cbor::encode(&setup.agreed)),
            "secrets": hex(&cbor::encode(&own.secrets)),
            "seed": hex(&own.seed),
            "sealed": sealed,
            "account": own.account,
            "places": places,
            "inbox": setup.box_of("to", role),
            "outbox": outbox,
            "state": setup.folder.join(format!("{}.state", name(role))),
            "patience_ms": 500,
        });
        let file = setup.folder.join(format!("{}.json", name(role)));
        fs::write(&file, json.to_string()).unwrap();
        file
    }

    /// Starts a side's process; what it sends is there at once.
    pub fn start(&self, setup: &Setup, role: Role, env: &[(&str, &str)]) -> Child {
        let outbox = setup.box_of("to", role.other());
        let file = self.write(setup, role, &self.places(name(role), 0), &outbox);
        Command::new(&self.trader)
            .arg(file)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a side's process that reaches bank and third party in these ways, and whose messages
    /// somebody has to carry.
    pub fn run(&self, setup: &Setup, role: Role, places: &Places, env: &[(&str, &str)]) -> Running {
        self.run_to(setup, role, places, &setup.box_of("from", role), env)
    }

    /// The same; its messages go into this folder.
    pub fn run_to(
        &self,
        setup: &Setup,
        role: Role,
        places: &Places,
        outbox: &Path,
        env: &[(&str, &str)],
    ) -> Running {
        let file = self.write(setup, role, places, outbox);
        let file = file.display().to_string();
        Running::start(&setup.folder, name(role), &self.trader, &[&file], env).unwrap()
    }

    /// The finding on what a side has kept.
    pub fn judge(&self, setup: &Setup, role: Role, json: bool) -> Output {
        let file = setup.folder.join(format!("{}.evidence", name(role))).display().to_string();
        let arguments: &[&str] = if json { &["judge", &file, "--json"] } else { &["judge", &file] };
        self.trusted.semper(arguments).unwrap()
    }
}
