//! A marketplace: set up by the commands of the README, in a folder, on loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::catalogue;
use crate::process::{self, Binaries, Output, Running};

/// The buyer's pass-phrase, and everybody's: this is a test marketplace.
pub const PASS_PHRASE: &str = "correct horse battery staple";

/// Standing consents of the merchant's TINGUIN.
const MERCHANT_RULES: &str = r#"
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
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self {
            articles: 13_000,
            funds: "500.00 EUR".into(),
            buyer_rules: BUYER_RULES.into(),
            scripted_buyer: true,
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
    /// The merchant's TINGUIN.
    pub merchant_tinguin: Running,
    /// The merchant's server.
    pub merchant: Running,
    /// The buyer's TINGUIN, if it is scripted.
    pub buyer_tinguin: Option<Running>,
}

type Result<T> = std::result::Result<T, String>;

/// Setting up, step by step, with somebody listening.
struct Builder<'a> {
    folder: &'a Path,
    binaries: &'a Binaries,
    ca: String,
    tell: &'a dyn Fn(&str),
}

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
        let ca = builder.authority(ports[0])?;
        let bank = builder.bank(ports[1])?;
        builder.bundle()?;
        let merchant_tinguin = builder.merchant_home(ports[1], options.articles)?;
        let merchant = builder.merchant_server(ports[2])?;
        let buyer_tinguin = builder.buyer(ports[1], options)?;
        let (folder, binaries) = (folder.to_owned(), binaries.clone());
        Ok(Self { folder, binaries, ports, ca, bank, merchant_tinguin, merchant, buyer_tinguin })
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
        process::run(&self.folder, &self.binaries.semper, arguments)
    }

    /// Runs `semper-sign` in the marketplace's folder, to its end.
    pub fn sign(&self, arguments: &[&str]) -> Result<Output> {
        process::run(&self.folder, &self.binaries.sign, arguments)
    }

    /// Starts `semper buy` without waiting for it.
    pub fn start_buying(&self) -> Result<Running> {
        let url = self.merchant_url();
        let arguments = ["buy", "--home", "anna", &url];
        Running::start(&self.folder, "buyer", &self.binaries.semper, &arguments)
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

    /// Starts the merchant's server again.
    pub fn restart_merchant(&mut self) -> Result<()> {
        self.merchant.kill();
        self.merchant = serve(&self.folder, &self.binaries, "merchant", self.ports[2])?;
        Ok(())
    }

    /// Starts the bank's server again.
    pub fn restart_bank(&mut self) -> Result<()> {
        self.bank.kill();
        self.bank = serve(&self.folder, &self.binaries, "bank", self.ports[1])?;
        Ok(())
    }

    /// Starts the buyer's TINGUIN with other rules.
    pub fn restart_buyer_tinguin(&mut self, rules: &str) -> Result<()> {
        self.buyer_tinguin.take();
        self.buyer_tinguin = Some(tinguin(&self.folder, &self.binaries, "anna", rules)?);
        Ok(())
    }

    /// Lets everything run on.
    pub fn detach(self) {
        for running in [self.ca, self.bank, self.merchant_tinguin, self.merchant] {
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

impl Builder<'_> {
    fn authority(&self, port: u16) -> Result<Running> {
        (self.tell)("certification authority: root, key, TLS certificate");
        let server = ["--server", "localhost", "--server", "127.0.0.1"];
        let mut arguments = vec!["ca", "init", "--home", "ca", "--name", "Market CA"];
        arguments.extend(server);
        self.semper(&arguments)?;
        self.server("ca", port, "ca/tls", "[ca]\nhome = \"ca\"\n")?;
        serve(self.folder, self.binaries, "ca", port)
    }

    fn bank(&self, port: u16) -> Result<Running> {
        (self.tell)("test bank: key, certificate, ledger");
        self.certified_key("bank", "Test Bank", "bank", false)?;
        self.certified_key("bank-tls", "Test Bank server", "server", true)?;
        self.semper(&[
            "bank",
            "init",
            "--home",
            "bank",
            "--key",
            "bank.key",
            "--certificate",
            "bank.pem",
            "--authority",
            "ca/root.pem",
        ])?;
        self.server("bank", port, "bank-tls", "[bank]\nhome = \"bank\"\n")?;
        serve(self.folder, self.binaries, "bank", port)
    }

    /// The author's service, the organisation's certificate, the merchant's terms.
    fn bundle(&self) -> Result<()> {
        (self.tell)("author: signs the mail-order service");
        self.certified_key("author", "Ada Author", "author", false)?;
        let files = self.binaries.repository.join("guest-services/mail-order/terms");
        let file = |name: &str| files.join(name).display().to_string();
        let guest = |name: &str| self.binaries.guests.join(name).display().to_string();
        self.sign(&[
            "service",
            "--description",
            &file("service.toml"),
            "--buyer",
            &guest("mail_order_buyer.wasm"),
            "--seller",
            &guest("mail_order_seller.wasm"),
            "--key",
            "author.key",
            "--certificate",
            "author.pem",
            "--out",
            "bundle",
        ])?;
        (self.tell)("consumer organisation: examines and certifies it");
        self.sign(&["organisation", "--name", "Verbraucherbund", "--out", "verbraucherbund"])?;
        self.sign(&[
            "certify",
            "--bundle",
            "bundle",
            "--description",
            &file("certificate.toml"),
            "--key",
            "verbraucherbund/evaluator.key",
            "--certificate",
            "verbraucherbund/evaluator.pem",
        ])?;
        (self.tell)("merchant: signs its terms of business");
        self.certified_key("otto-terms", "Otto Versand", "merchant", false)?;
        self.sign(&[
            "terms",
            "--bundle",
            "bundle",
            "--description",
            &file("terms.toml"),
            "--text",
            &format!("en={}", file("terms.en.md")),
            "--text",
            &format!("de={}", file("terms.de.md")),
            "--key",
            "otto-terms.key",
            "--certificate",
            "otto-terms.pem",
        ])
    }

    fn merchant_home(&self, bank: u16, articles: u32) -> Result<Running> {
        (self.tell)("merchant: home, TINGUIN with standing consents, registration, account");
        self.home("otto", "Otto Versand", "the red lighthouse")?;
        let tinguin = tinguin(self.folder, self.binaries, "otto", MERCHANT_RULES)?;
        self.register("otto", "Otto Versand", "merchant")?;
        self.account("otto", bank)?;
        (self.tell)(&format!("merchant: imports {articles} articles"));
        self.write("articles.csv", &catalogue::csv(articles, 1996))?;
        self.semper(&["catalogue", "import", "--home", "otto", "articles.csv"])?;
        Ok(tinguin)
    }

    fn merchant_server(&self, port: u16) -> Result<Running> {
        self.certified_key("otto-tls", "Otto server", "server", true)?;
        let section = "[merchant]\nhome = \"otto\"\nterms = \"bundle\"\n";
        self.server("merchant", port, "otto-tls", section)?;
        serve(self.folder, self.binaries, "merchant", port)
    }

    fn buyer(&self, bank: u16, options: &MarketOptions) -> Result<Option<Running>> {
        (self.tell)("buyer: home, TINGUIN, registration, account, address");
        self.home("anna", "Anna Berg", "two owls in a pear tree")?;
        // Setting up needs a TINGUIN that answers; nothing is consented to yet.
        let running = tinguin(self.folder, self.binaries, "anna", &options.buyer_rules)?;
        self.register("anna", "Anna Berg", "buyer")?;
        let account = self.account("anna", bank)?;
        let fund =
            ["bank", "fund", "--home", "bank", "--account", &account, "--amount", &options.funds];
        self.semper(&fund)?;
        let mut arguments = vec!["preference", "--home", "anna"];
        for entry in
            ["name=Anna Berg", "street=Lindenweg 4", "postcode=22765", "city=Hamburg", "country=DE"]
        {
            arguments.extend(["--set", entry]);
        }
        self.semper(&arguments)?;
        Ok(options.scripted_buyer.then_some(running))
    }

    fn home(&self, name: &str, user: &str, phrase: &str) -> Result<()> {
        self.semper(&[
            "init",
            "--home",
            name,
            "--user",
            user,
            "--phrase",
            phrase,
            "--authority",
            "ca/root.pem",
            "--evaluator",
            "verbraucherbund=verbraucherbund/root.pem",
            "--pass-phrase-file",
            "pass-phrase",
        ])
    }

    fn register(&self, home: &str, name: &str, role: &str) -> Result<()> {
        let key = self.invite(name, role, false)?;
        let ca = &self.ca;
        self.semper(&["register", "--home", home, "--ca", ca, "--name", name, "--key", &key])
    }

    /// Opens an account; its number.
    fn account(&self, home: &str, bank: u16) -> Result<String> {
        let url = format!("https://localhost:{bank}");
        let arguments =
            ["account", "open", "--home", home, "--bank", &url, "--name", "Test Bank", "--json"];
        let output =
            expect(process::run(self.folder, &self.binaries.semper, &arguments)?, &arguments)?;
        text(&output.json()["account"])
    }

    /// A key in a file, and a certificate for it.
    fn certified_key(&self, file: &str, name: &str, role: &str, server: bool) -> Result<()> {
        let (key, csr, pem) = (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
        self.sign(&["key", "--out", &key])?;
        self.sign(&["request", "--key", &key, "--name", name, "--out", &csr])?;
        let registration = self.invite(name, role, server)?;
        self.semper(&[
            "register",
            "--ca",
            &self.ca,
            "--authority",
            "ca/root.pem",
            "--request",
            &csr,
            "--out",
            &pem,
            "--key",
            &registration,
        ])
    }

    fn invite(&self, name: &str, role: &str, server: bool) -> Result<String> {
        let mut arguments =
            vec!["ca", "invite", "--home", "ca", "--name", name, "--role", role, "--json"];
        if server {
            arguments.extend(["--server", "localhost", "--server", "127.0.0.1"]);
        }
        let output =
            expect(process::run(self.folder, &self.binaries.semper, &arguments)?, &arguments)?;
        text(&output.json()["key"])
    }

    fn server(&self, name: &str, port: u16, tls: &str, section: &str) -> Result<()> {
        let toml = format!(
            "listen = \"127.0.0.1:{port}\"\n\n[tls]\ncertificate = \"{tls}.pem\"\n\
             key = \"{tls}.key\"\n\n{section}"
        );
        self.write(&format!("{name}.toml"), &toml)
    }

    fn semper(&self, arguments: &[&str]) -> Result<()> {
        expect(process::run(self.folder, &self.binaries.semper, arguments)?, arguments).map(drop)
    }

    fn sign(&self, arguments: &[&str]) -> Result<()> {
        expect(process::run(self.folder, &self.binaries.sign, arguments)?, arguments).map(drop)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        fs::write(self.folder.join(name), content).map_err(|error| format!("{name}: {error}"))
    }

    fn secret(&self, name: &str, content: &str) -> Result<()> {
        self.write(name, content)?;
        fs::set_permissions(self.folder.join(name), fs::Permissions::from_mode(0o600))
            .map_err(|error| error.to_string())
    }
}

fn serve(folder: &Path, binaries: &Binaries, name: &str, port: u16) -> Result<Running> {
    let file = format!("{name}.toml");
    let mut running = Running::start(folder, name, &binaries.semper, &["serve", &file])?;
    running.ready(|| process::answers(port))?;
    Ok(running)
}

fn tinguin(folder: &Path, binaries: &Binaries, home: &str, rules: &str) -> Result<Running> {
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
    let mut running = Running::start(folder, &name, &binaries.semper, &arguments)?;
    running.ready(|| socket.exists())?;
    Ok(running)
}

fn expect(output: Output, arguments: &[&str]) -> Result<Output> {
    if output.code == 0 {
        return Ok(output);
    }
    Err(format!("{}: exit {}\n{}{}", arguments.join(" "), output.code, output.out, output.err))
}

fn text(value: &serde_json::Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "the JSON has another shape".to_owned())
}
