//! A marketplace: set up by the commands of the README, in a folder, on loopback.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{self, Binaries, Output, Running};
use crate::setup::{self, BankAt, Builder, NewBuyer};

/// The buyer's pass-phrase, and everybody's: this is a test marketplace.
pub const PASS_PHRASE: &str = "correct horse battery staple";

/// Standing consents of the merchant's TINGUIN.
pub const MERCHANT_RULES: &str = r#"
[[rule]]
topic  = "agreement"
answer = "yes"
[[rule]]
topic  = "offer"
most   = "1000.00 EUR"
answer = "yes"
[[rule]]
topic  = "receipt"
answer = "yes"
[[rule]]
topic  = "exchange"
answer = "yes"
[[rule]]
topic  = "shipping-note"
answer = "yes"
[[rule]]
topic  = "withdrawal"
answer = "yes"
"#;

/// What the buyer's scripted TINGUIN answers: one purchase of something woollen.
pub const BUYER_RULES: &str = r#"
[[rule]]
topic  = "search"
fields = { words = "woollen scarf", "at most" = "150" }
[[rule]]
topic  = "article"
choose = " · "
[[rule]]
topic  = "quantity"
fields = { quantity = "1" }
[[rule]]
topic  = "cart"
choose = "order now"
[[rule]]
topic  = "availability"
choose = "ask for an offer"
[[rule]]
topic  = "address"
fields = {}
[[rule]]
topic  = "agreement"
answer = "yes"
[[rule]]
topic  = "order"
most   = "300.00 EUR"
answer = "yes"
[[rule]]
topic  = "payment-order"
most   = "300.00 EUR"
answer = "yes"
[[rule]]
topic  = "exchange"
most   = "300.00 EUR"
answer = "yes"
[[rule]]
topic  = "completion"
answer = "yes"
[[rule]]
topic  = "withdrawal"
answer = "yes"
"#;

/// How a marketplace is to be.
#[derive(Clone, Debug)]
pub struct MarketOptions {
    /// Articles in the catalogue.
    pub articles: u32,
    /// What the buyer starts with.
    pub funds: String,
    /// The buyer's rules.
    pub buyer_rules: String,
    /// Whether the buyer's TINGUIN is started with rules; the caller starts it otherwise.
    pub scripted_buyer: bool,
    /// Whether the authority is below a root that is off line.
    pub below: bool,
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self {
            articles: 13_000,
            funds: "500.00 EUR".into(),
            buyer_rules: BUYER_RULES.into(),
            scripted_buyer: true,
            below: false,
        }
    }
}

/// A marketplace. What runs of it ends with it.
#[derive(Debug)]
pub struct Market {
    /// Its folder.
    pub folder: PathBuf,
    /// Its binaries.
    pub binaries: Binaries,
    /// Where the authority, the bank and the merchant listen.
    pub ports: [u16; 3],
    /// The authority's server.
    pub ca: Running,
    /// The bank's server.
    pub bank: Running,
    /// The third party's server, and where it listens.
    pub third: Running,
    /// Its port.
    pub third_port: u16,
    /// The merchant's TINGUIN.
    pub merchant_tinguin: Running,
    /// The merchant's server.
    pub merchant: Running,
    /// The buyer's TINGUIN, if it is scripted.
    pub buyer_tinguin: Option<Running>,
    /// The rules by which it answers.
    pub buyer_rules: String,
    /// Whether commands of buyers ask the resident host of their home, as they do on a person's own
    /// machine; they run one of their own otherwise.
    pub resident: bool,
}

/// A service to publish: its components, and the folder with `service.toml`,
/// `certificate.toml` and `terms.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// The folder with the descriptions.
    pub texts: &'a Path,
    /// The buyer's component.
    pub buyer: &'a Path,
    /// The seller's component.
    pub seller: &'a Path,
}

/// A part of a marketplace that can be killed and started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The bank's server.
    Bank,
    /// The third party's server.
    ThirdParty,
    /// The merchant's server.
    Merchant,
    /// The merchant's TINGUIN.
    MerchantTinguin,
    /// The buyer's TINGUIN.
    BuyerTinguin,
}

type Result<T> = std::result::Result<T, String>;

impl Market {
    /// Sets everything up in an empty folder; `tell` hears each step.
    pub fn build(
        folder: &Path,
        binaries: &Binaries,
        options: &MarketOptions,
        tell: &dyn Fn(&str),
    ) -> Result<Self> {
        let ports = [process::free_port()?, process::free_port()?, process::free_port()?];
        let builder =
            Builder { folder, binaries, ca: format!("https://localhost:{}", ports[0]), tell };
        builder.secret("pass-phrase", PASS_PHRASE)?;
        let ca = match options.below {
            true => builder.authority_below(ports[0])?,
            false => builder.authority(ports[0])?,
        };
        let test_bank = BankAt::test(ports[1]);
        let bank = builder.bank(test_bank)?;
        let third_port = process::free_port()?;
        let third = builder.third_party(ports[1], third_port)?;
        builder.bundle()?;
        let merchant_tinguin = builder.merchant_home(test_bank, options.articles)?;
        let merchant = builder.merchant_server(ports[2])?;
        let tinguin = builder.buyer(NewBuyer::anna(), test_bank, options)?;
        let buyer_tinguin = options.scripted_buyer.then_some(tinguin);
        let (folder, binaries) = (folder.to_owned(), binaries.clone());
        Ok(Self {
            folder,
            binaries,
            ports,
            ca,
            bank,
            third,
            third_port,
            merchant_tinguin,
            merchant,
            buyer_tinguin,
            buyer_rules: options.buyer_rules.clone(),
            resident: false,
        })
    }

    /// The bank's address.
    pub fn bank_url(&self) -> String {
        format!("https://localhost:{}", self.ports[1])
    }

    /// The merchant's address.
    pub fn merchant_url(&self) -> String {
        format!("https://localhost:{}", self.ports[2])
    }

    /// Runs `semper` in the marketplace's folder, to its end.
    pub fn semper(&self, arguments: &[&str]) -> Result<Output> {
        let alone = [("SEMPER_ALONE", if self.resident { "0" } else { "1" })];
        process::run_with(&self.folder, &self.binaries.semper, arguments, &alone)
    }

    /// Runs `semper-sign` in the marketplace's folder, to its end.
    pub fn sign(&self, arguments: &[&str]) -> Result<Output> {
        process::run(&self.folder, &self.binaries.sign, arguments)
    }

    /// Makes one more home, which believes whom the others believe.
    pub fn new_home(&self, name: &str, user: &str, phrase: &str) -> Result<Output> {
        self.semper(&setup::init(name, user, phrase))
    }

    /// A key in a file, with a certificate for a server on this machine: `NAME.key`, `NAME.pem`.
    pub fn certified_server(&self, name: &str) -> Result<()> {
        self.builder().certified_key(name, name, "server", true)
    }

    /// Starts one more bank.
    pub fn another_bank(&self, bank: BankAt<'_>) -> Result<Running> {
        self.builder().bank(bank)
    }

    /// Has a home keep its account at this bank from now on: its present one, or one that is
    /// opened. Deals that run live by what they began with.
    pub fn change_bank(&self, home: &str, bank: BankAt<'_>) -> Result<String> {
        self.builder().account(home, bank)
    }

    /// Makes one more buyer, who banks there; the TINGUIN, which answers by the rules.
    pub fn another_buyer(
        &self,
        buyer: NewBuyer<'_>,
        bank: BankAt<'_>,
        options: &MarketOptions,
    ) -> Result<Running> {
        self.builder().buyer(buyer, bank, options)
    }

    fn builder(&self) -> Builder<'_> {
        let ca = format!("https://localhost:{}", self.ports[0]);
        Builder { folder: &self.folder, binaries: &self.binaries, ca, tell: &|_| {} }
    }

    /// Starts `semper buy` without waiting for it.
    pub fn start_buying(&self) -> Result<Running> {
        self.start_buying_as("anna")
    }

    /// As [`Market::start_buying`], from another buyer's home.
    pub fn start_buying_as(&self, home: &str) -> Result<Running> {
        let url = self.merchant_url();
        let arguments = ["buy", "--home", home, &url];
        Running::start(&self.folder, "buyer", &self.binaries.semper, &arguments, &[])
    }

    /// Buys in a thread of its own, as soon as the buyer's TINGUIN answers.
    pub fn start_buying_when_ready(&self) -> Result<Buying> {
        let socket = self.folder.join("anna/tinguin.sock");
        let _ = fs::remove_file(&socket);
        let (folder, program, url) =
            (self.folder.clone(), self.binaries.semper.clone(), self.merchant_url());
        let thread = std::thread::spawn(move || {
            while !socket.exists() {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            process::run(&folder, &program, &["buy", "--home", "anna", &url])
        });
        Ok(Buying { thread: Some(thread), output: None })
    }

    /// Has the author sign, the organisation certify and the merchant offer another service,
    /// in the folder `name`, and starts the merchant's server with it.
    pub fn publish(&mut self, name: &str, service: &Published<'_>) -> Result<()> {
        for step in setup::signatures(name, service) {
            let output = self.sign(&setup::borrowed(&step))?;
            if output.code != 0 {
                return Err(output.err);
            }
        }
        self.offer(name)
    }

    /// Starts the merchant's server with the terms in the folder `name`.
    pub fn offer(&mut self, name: &str) -> Result<()> {
        let config = self.folder.join("merchant.toml");
        let text = fs::read_to_string(&config).map_err(|error| error.to_string())?;
        let before = text.split_once("terms = ").map_or(text.as_str(), |it| it.0);
        fs::write(&config, format!("{before}terms = \"{name}\"\n"))
            .map_err(|error| error.to_string())?;
        self.restart_merchant()
    }

    /// Starts the merchant's server again.
    pub fn restart_merchant(&mut self) -> Result<()> {
        self.merchant.kill();
        self.merchant = serve(&self.folder, &self.binaries, "merchant", self.ports[2], &[])?;
        Ok(())
    }

    /// Starts the bank's server again.
    pub fn restart_bank(&mut self) -> Result<()> {
        self.bank.kill();
        self.bank = serve(&self.folder, &self.binaries, "bank", self.ports[1], &[])?;
        Ok(())
    }

    /// Starts the authority's server again.
    pub fn restart_authority(&mut self) -> Result<()> {
        self.ca.kill();
        self.ca = serve(&self.folder, &self.binaries, "ca", self.ports[0], &[])?;
        Ok(())
    }

    /// Starts the buyer's TINGUIN with other rules.
    pub fn restart_buyer_tinguin(&mut self, rules: &str) -> Result<()> {
        self.buyer_tinguin.take();
        self.buyer_rules = rules.to_owned();
        self.buyer_tinguin = Some(tinguin(&self.folder, &self.binaries, "anna", rules, &[])?);
        Ok(())
    }

    /// Starts the merchant's TINGUIN with other rules.
    pub fn restart_merchant_tinguin(&mut self, rules: &str) -> Result<()> {
        self.merchant_tinguin.kill();
        self.merchant_tinguin = tinguin(&self.folder, &self.binaries, "otto", rules, &[])?;
        Ok(())
    }

    /// Sets the bounds of the merchant's server, and starts it again with them.
    pub fn limit_merchant(&mut self, limits: &str) -> Result<()> {
        let config = self.folder.join("merchant.toml");
        let text = fs::read_to_string(&config).map_err(|error| error.to_string())?;
        let limited = text.replace("[merchant]", &format!("[limits]\n{limits}\n[merchant]"));
        fs::write(&config, limited).map_err(|error| error.to_string())?;
        self.restart_merchant()
    }

    /// Starts a part again, with these variables in its environment.
    pub fn restart(&mut self, part: Part, env: Env<'_>) -> Result<()> {
        let (folder, binaries) = (self.folder.clone(), self.binaries.clone());
        self.part(part).kill();
        let started = match part {
            Part::Bank => serve(&folder, &binaries, "bank", self.ports[1], env)?,
            Part::ThirdParty => serve(&folder, &binaries, "third", self.third_port, env)?,
            Part::Merchant => serve(&folder, &binaries, "merchant", self.ports[2], env)?,
            Part::MerchantTinguin => tinguin(&folder, &binaries, "otto", MERCHANT_RULES, env)?,
            Part::BuyerTinguin => tinguin(&folder, &binaries, "anna", &self.buyer_rules, env)?,
        };
        *self.part(part) = started;
        Ok(())
    }

    /// A running part.
    ///
    /// # Panics
    /// If the buyer's TINGUIN is asked for and is not scripted.
    pub fn part(&mut self, part: Part) -> &mut Running {
        match part {
            Part::Bank => &mut self.bank,
            Part::ThirdParty => &mut self.third,
            Part::Merchant => &mut self.merchant,
            Part::MerchantTinguin => &mut self.merchant_tinguin,
            Part::BuyerTinguin => {
                self.buyer_tinguin.as_mut().expect("the buyer's TINGUIN is scripted")
            }
        }
    }

    /// Lets everything run on.
    pub fn detach(self) {
        for running in [self.ca, self.bank, self.third, self.merchant_tinguin, self.merchant] {
            running.detach();
        }
        if let Some(running) = self.buyer_tinguin {
            running.detach();
        }
    }
}

/// A purchase that runs in a thread of its own.
#[derive(Debug)]
pub struct Buying {
    thread: Option<std::thread::JoinHandle<Result<Output>>>,
    output: Option<Output>,
}

impl Buying {
    /// Whether it has ended, without waiting for that.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(std::thread::JoinHandle::is_finished)
    }

    /// Waits for its end; the exit code.
    pub fn join(&mut self) -> i32 {
        if let Some(thread) = self.thread.take() {
            self.output = thread.join().ok().and_then(std::result::Result::ok);
        }
        self.output.as_ref().map_or(-1, |output| output.code)
    }

    /// What it printed, once it has ended.
    pub fn text(&self) -> String {
        self.output.as_ref().map(|it| format!("{}{}", it.err, it.out)).unwrap_or_default()
    }
}

/// Variables of a process's environment.
pub type Env<'a> = &'a [(&'a str, &'a str)];

/// Starts a server of the marketplace by its configuration, and waits until it answers.
pub fn serve(
    folder: &Path,
    binaries: &Binaries,
    name: &str,
    port: u16,
    env: Env<'_>,
) -> Result<Running> {
    let file = format!("{name}.toml");
    let mut running = Running::start(folder, name, &binaries.semper, &["serve", &file], env)?;
    running.ready(|| process::answers(port))?;
    Ok(running)
}

pub(crate) fn tinguin(
    folder: &Path,
    binaries: &Binaries,
    home: &str,
    rules: &str,
    env: Env<'_>,
) -> Result<Running> {
    let (file, transcript) = (format!("{home}-rules.toml"), format!("{home}-transcript.jsonl"));
    fs::write(folder.join(&file), rules).map_err(|error| error.to_string())?;
    let socket = folder.join(home).join("tinguin.sock");
    // One that a killed TINGUIN left behind is no sign that the new one is there.
    let _ = fs::remove_file(&socket);
    let arguments = [
        "tinguin",
        "--home",
        home,
        "--rules",
        &file,
        "--transcript",
        &transcript,
        "--pass-phrase-file",
        "pass-phrase",
    ];
    let name = format!("{home}-tinguin");
    let mut running = Running::start(folder, &name, &binaries.semper, &arguments, env)?;
    running.ready(|| socket.exists())?;
    Ok(running)
}
