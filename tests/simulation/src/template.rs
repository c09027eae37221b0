//! The marketplace that every run begins with: made once by the commands of the README, with real
//! processes, and copied for each seed. What components run in is shared, so that they are compiled
//! once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use semper_archive::Home;
use semper_base::Timestamp;
use semper_items::Side;
use semper_keeper::Keeper;
use semper_ledger::AccountId;
use semper_roles::party::Party;
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;
use semper_testkit::market::{BUYER_RULES, MERCHANT_RULES, PASS_PHRASE, Published};
use semper_testkit::{Binaries, Market, MarketOptions};
use semper_tinguin::keystore::{self, Keystore};
use semper_trust::{Layout, VerifiedTerms};
use tempfile::TempDir;

/// Clocks may go back from the beginning of a run, and everything that was certified is valid all
/// the same.
const LATER: Duration = Duration::from_secs(3 * 3_600);
const DAY_MS: u64 = 86_400_000;

/// What the buyer starts with, in minor units.
pub const FUNDS: i64 = 50_000;

/// A kind of purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trade {
    /// Mail-order whose money and receipt are two transfers, one after the other.
    Transfers,
    /// Mail-order 1.2: money for a receipt by fair exchange.
    MailOrder,
    /// A report and its receipt for money, by fair exchange.
    Report,
}

impl Trade {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Transfers, Self::MailOrder, Self::Report];

    /// The folder of its terms.
    fn folder(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::MailOrder => "bundle",
            Self::Report => "reports",
        }
    }

    /// What the buyer's TINGUIN answers.
    pub fn buyer_rules(self) -> String {
        match self {
            Self::Report => format!(
                "[[rule]]\ntopic = \"report\"\nchoose = \"market-report\"\n\
                 [[rule]]\ntopic = \"subject\"\nfields = {{ subject = \"woollen scarf\" }}\n\
                 {BUYER_RULES}"
            ),
            Self::Transfers | Self::MailOrder => BUYER_RULES.to_owned(),
        }
    }
}

/// What the merchant's TINGUIN answers.
pub const SELLER_RULES: &str = MERCHANT_RULES;

/// The template.
pub struct Template {
    folder: TempDir,
    /// Where authority, bank, merchant and third party have their servers.
    pub ports: [u16; 4],
    /// The key stores of buyer and merchant.
    pub keys: [Keystore; 2],
    /// The accounts of buyer and merchant.
    pub accounts: [AccountId; 2],
    /// What components run in.
    pub runtime: Arc<Runtime>,
    /// When every run begins.
    pub began: Timestamp,
    _keeper: Keeper,
}

impl Template {
    /// The template of this process.
    pub fn get() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| Self::build().unwrap_or_else(|error| panic!("{error}")))
    }

    fn build() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let binaries = Binaries::beside()?;
        let options = MarketOptions {
            articles: 2_000,
            funds: "500.00 EUR".into(),
            ..MarketOptions::default()
        };
        let mut market = Market::build(folder.path(), &binaries, &options, &|_| {})?;
        let [authority, bank, merchant] = market.ports;
        let ports = [authority, bank, merchant, market.third_port];
        for (trade, texts, guest) in [
            (Trade::Transfers, "tests/trust/unfair", "unfair"),
            (Trade::Report, "guest-services/market-report/terms", "market_report"),
        ] {
            let texts = binaries.repository.join(texts);
            let guest = |side: &str| binaries.guests.join(format!("{guest}_{side}.wasm"));
            let (buyer, seller) = (guest("buyer"), guest("seller"));
            let service = Published { texts: &texts, buyer: &buyer, seller: &seller };
            market.publish(trade.folder(), &service)?;
        }
        drop(market);
        let began = begins(Timestamp::now()).map_err(|error| error.to_string())?;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let (mut keys, mut accounts) = (Vec::new(), Vec::new());
        let keeper = Keeper::new("simulation");
        let home = Home::open(&folder.path().join("anna")).map_err(|error| text(&error))?;
        let compiler = Compiler::new(Arc::new(home), binaries.semper);
        let runtime = compiler.and_then(|it| Runtime::new(it, &keeper)).map_err(|it| text(&it))?;
        for (name, side) in [("anna", Side::Buyer), ("otto", Side::Seller)] {
            let party = Party::open(&folder.path().join(name)).map_err(|error| text(&error))?;
            let stored = party.home.read_secret(keystore::FILE).map_err(|error| text(&error))?;
            keys.push(Keystore::open(&stored, PASS_PHRASE).map_err(|error| text(&error))?);
            let purse = party.config.payment.purse.as_ref().ok_or("it has no account")?;
            let account = purse.account.parse::<AccountId>();
            accounts.push(account.map_err(|error| text(&error))?);
            for trade in Trade::ALL {
                let layout = layout(&folder.path().join(trade.folder()))?;
                let terms = VerifiedTerms::verify(&layout, &party.trust, None, began);
                let terms = terms.map_err(|error| text(&error))?;
                runtime.ready(&terms, side).map_err(|error| text(&error))?;
            }
        }
        let missing = "there are two parties";
        Ok(Self {
            folder,
            ports,
            keys: keys.try_into().map_err(|_| missing)?,
            accounts: accounts.try_into().map_err(|_| missing)?,
            runtime: Arc::new(runtime),
            began,
            _keeper: keeper,
        })
    }

    /// A file or folder that all runs share and none changes.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of a trade's terms.
    pub fn terms(&self, trade: Trade) -> PathBuf {
        self.file(trade.folder())
    }

    /// The terms of a trade.
    pub fn layout(&self, trade: Trade) -> Result<Layout, String> {
        layout(&self.terms(trade))
    }

    /// The address of the server on a port.
    pub fn url(port: u16) -> String {
        format!("https://localhost:{port}")
    }

    /// Copies the homes of a run, whose parties wait for each other for so long before they ask the
    /// third party.
    pub fn copy_to(&self, to: &Path, patience: Duration) -> Result<(), String> {
        for name in ["anna", "otto", "bank", "third"] {
            copy(&self.file(name), &to.join(name)).map_err(|error| format!("{name}: {error}"))?;
        }
        for name in ["anna", "otto"] {
            let file = to.join(name).join(semper_roles::party::TRUST);
            let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
            let before = text.split_once("patience_ms").ok_or("its trust file has no patience")?.0;
            let text = format!("{before}patience_ms = {}\n", patience.as_millis());
            std::fs::write(&file, text).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// When runs begin whose marketplace was made just now: at the next midnight that is not too near.
/// Lists of revocations hold for two days, and nobody renews them while a run lasts.
pub fn begins(made: Timestamp) -> Result<Timestamp, semper_base::clock::ParseTimeError> {
    Timestamp::from_millis((made.after(LATER).millis() / DAY_MS + 1) * DAY_MS)
}

fn layout(folder: &Path) -> Result<Layout, String> {
    let dir = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority());
    Layout::read(&dir.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    std::fs::set_permissions(to, from.metadata()?.permissions())?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        // Compiled code is in the shared runtime; sockets and locks are of processes that are gone.
        if kind.is_dir() && name != "cache" {
            copy(&entry.path(), &to.join(name))?;
        } else if kind.is_file() && name != "host.lock" {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
