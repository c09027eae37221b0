//! Records from a home: its archive, its trust file, its configuration. Nothing is changed.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use semper_archive::store::FILE;
use semper_archive::{Archive, DealRow, EvidenceRow, Home, HomeKind};
use semper_base::text::Text;
use semper_base::{Amount, Certificate, DealId, Mend, cbor, cose};
use semper_exchange::obtained::Stated;
use semper_items::Statement;
use semper_trust::TrustFile;
use serde::Deserialize;

use super::{Account, Believed, Deal, Entry, Matter, PAGE, Page, Records, StandingConsent, Unread};

/// A party's configuration in its home.
pub const CONFIG: &str = "semper.toml";
/// The trust file in a home.
const TRUST: &str = "trust.toml";
/// Longest statement that is looked into for its amount, in bytes.
const LONGEST: usize = 256 * 1024;

/// The records of a home.
pub struct OfHome {
    path: PathBuf,
    looked: RefCell<Option<(Seen, Archive)>>,
}

/// How the archive's file stood when it was opened for a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There was none.
    Missing,
    /// Nobody had it open, and it was changed last then: a look takes it for unchanging.
    Still(Option<SystemTime>),
    /// A host writes it; a look sees what it writes.
    Written,
}

impl fmt::Debug for OfHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfHome({})", self.path.display())
    }
}

impl OfHome {
    /// The records of the home at this path.
    pub const fn at(path: PathBuf) -> Self {
        Self { path, looked: RefCell::new(None) }
    }

    /// The archive, opened again when a host has begun or ceased to write it.
    fn archive(&self) -> Result<Archive, Unread> {
        let file = self.path.join(FILE);
        let seen = match file.metadata() {
            Err(_) => Seen::Missing,
            Ok(_) if self.path.join(format!("{FILE}-wal")).exists() => Seen::Written,
            Ok(meta) => Seen::Still(meta.modified().ok()),
        };
        let mut looked = self.looked.borrow_mut();
        if let Some((before, archive)) = &*looked
            && *before == seen
        {
            return Ok(archive.clone());
        }
        let archive = Archive::look(&self.home()?).map_err(unread)?;
        *looked = Some((seen, archive.clone()));
        Ok(archive)
    }

    fn home(&self) -> Result<Home, Unread> {
        Home::of(&self.path, HomeKind::Party).map_err(unread)
    }

    fn deal(&self, row: DealRow) -> Result<Deal, Unread> {
        let evidence = self.archive()?.evidence(Some(row.id)).map_err(unread)?;
        Ok(Deal {
            id: row.id,
            side: row.side,
            peer: row.peer.as_str().into(),
            state: row.state,
            note: row.note.as_str().into(),
            opened: row.opened,
            changed: row.changed,
            asks: !row.state.is_final() && row.waits.question.is_some(),
            until: row.waits.until,
            done: evidence.iter().map(|it| it.kind.as_str().into()).collect(),
        })
    }
}

fn unread(error: impl Mend) -> Unread {
    Unread { what: error.to_string().into(), mend: error.mend().into() }
}

fn entry(row: &EvidenceRow) -> Entry {
    Entry {
        number: row.number,
        stored: row.stored,
        deal: row.deal,
        kind: row.kind.as_str().into(),
        signer: row.signer.as_str().into(),
        summary: row.summary.as_str().into(),
        amount: amount(row),
        digest: row.digest,
    }
}

/// The amount that a stored statement says. It was verified when it was stored; `semper archive
/// verify` does so again.
fn amount(row: &EvidenceRow) -> Option<Amount> {
    let statement = match cose::parse(&row.bytes, "statement", LONGEST) {
        Ok(signed) => Statement::decode(signed.peek()).ok()?,
        Err(_) => {
            // What an exchange gave has the exchange around it.
            let given: Stated = cbor::decode(&row.bytes, row.bytes.len()).ok()?;
            Statement::decode(&given.statement).ok()?
        }
    };
    statement.content.amount()
}

impl Records for OfHome {
    fn deals(&self, from: usize) -> Result<Page<Deal>, Unread> {
        let (rows, all) = self.archive()?.deals_page(from, PAGE).map_err(unread)?;
        let rows = rows.into_iter().map(|row| self.deal(row)).collect::<Result<_, _>>()?;
        Ok(Page { rows, all })
    }

    fn story(&self, deal: DealId) -> Result<Vec<Entry>, Unread> {
        Ok(self.archive()?.evidence(Some(deal)).map_err(unread)?.iter().map(entry).collect())
    }

    fn entries(&self, find: &str, from: usize) -> Result<Page<Entry>, Unread> {
        let (rows, all) = self.archive()?.evidence_page(find, from, PAGE).map_err(unread)?;
        Ok(Page { rows: rows.iter().map(entry).collect(), all })
    }

    fn accounts(&self) -> Result<Vec<Account>, Unread> {
        let text = self.home()?.read(CONFIG).map_err(unread)?;
        let config: Config = toml::from_str(&text).map_err(|error| Unread {
            what: format!("{CONFIG} is not valid: {error}").into(),
            mend: "compare with the README".into(),
        })?;
        Ok(config.payment.purse.into_iter().map(Purse::account).collect())
    }

    fn believed(&self) -> Result<Vec<Believed>, Unread> {
        let home = self.home()?;
        let text = home.read(TRUST).map_err(unread)?;
        let read = |name: &str| home.read(name).map_err(|error| error.to_string());
        Ok(believed(&TrustFile::parse(&text, read).map_err(unread)?))
    }

    fn consents(&self) -> Result<Vec<StandingConsent>, Unread> {
        // A window asks its person everything: what is consented to in advance stands in the rules of
        // a TINGUIN without one.
        Ok(Vec::new())
    }
}

/// The part of a configuration that names accounts.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    payment: Payment,
}

#[derive(Default, Deserialize)]
struct Payment {
    purse: Option<Purse>,
}

#[derive(Deserialize)]
struct Purse {
    bank: String,
    name: String,
    account: String,
    #[serde(default)]
    modes: Vec<String>,
}

impl Purse {
    fn account(self) -> Account {
        Account {
            bank: self.name.into(),
            address: self.bank.into(),
            number: self.account.into(),
            modes: self.modes.into_iter().map(Text::from).collect(),
        }
    }
}

fn believed(trust: &TrustFile) -> Vec<Believed> {
    let mut all = Vec::new();
    for (name, it) in &trust.evaluators {
        let root = it.roots.certificates().first();
        all.push(Believed {
            matter: Matter::Examines,
            name: name.as_str().into(),
            about: it.criteria.iter().map(|it| it.as_str().into()).collect(),
            until: root.map(|it| it.validity().1),
            key: root.map(of_certificate).unwrap_or_default(),
        });
    }
    for root in trust.authorities.certificates() {
        all.push(Believed {
            matter: Matter::Authority,
            name: root.subject().into(),
            about: Vec::new(),
            until: Some(root.validity().1),
            key: of_certificate(root),
        });
    }
    for it in &trust.third_parties {
        all.push(Believed {
            matter: Matter::ThirdParty,
            name: it.named.origin.to_string().into(),
            about: vec![it.address.as_str().into()],
            until: None,
            key: it.named.sign.id().to_string().into(),
        });
    }
    for (name, it) in &trust.logs {
        all.push(Believed {
            matter: Matter::Log,
            name: name.as_str().into(),
            about: it.url.iter().map(|it| it.as_str().into()).collect(),
            until: None,
            key: it.key.to_string().into(),
        });
    }
    all
}

fn of_certificate(it: &Certificate) -> Text {
    it.digest().to_string().into()
}
