//! Setting a marketplace up, step by step, by the commands of the README.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::catalogue;
use crate::market::{MERCHANT_RULES, MarketOptions, Published, serve, tinguin};
use crate::process::{self, Binaries, Output, Running};

type Result<T> = std::result::Result<T, String>;

/// How long the parties of an exchange wait for each other before they ask the third party.
pub(crate) const PATIENCE: &str = "\n[exchange]\npatience_ms = 4000\n";

/// The part of a third party's configuration that says where it asks about money.
pub(crate) fn asks_bank(port: u16) -> String {
    format!(
        "[[third-party.bank]]\ncertificate = \"bank.pem\"\nurl = \"https://localhost:{port}\"\n\
         root = \"ca/root.pem\"\n"
    )
}

/// A bank: its home, its certified name, where it listens.
#[derive(Clone, Copy, Debug)]
pub struct BankAt<'a> {
    /// The folder of its home.
    pub home: &'a str,
    /// Its certified name.
    pub name: &'a str,
    /// Its port.
    pub port: u16,
}

impl BankAt<'_> {
    /// The bank that every marketplace has.
    pub(crate) const fn test(port: u16) -> Self {
        Self { home: "bank", name: "Test Bank", port }
    }
}

/// A buyer who is not there yet: the home, and who uses it.
#[derive(Clone, Copy, Debug)]
pub struct NewBuyer<'a> {
    /// The folder of the home.
    pub home: &'a str,
    /// The buyer's name.
    pub user: &'a str,
    /// The personal phrase.
    pub phrase: &'a str,
}

impl NewBuyer<'_> {
    /// The buyer that every marketplace has.
    pub(crate) const fn anna() -> Self {
        Self { home: "anna", user: "Anna Berg", phrase: "two owls in a pear tree" }
    }
}

/// Setting up, step by step, with somebody listening.
pub(crate) struct Builder<'a> {
    pub folder: &'a Path,
    pub binaries: &'a Binaries,
    pub ca: String,
    pub tell: &'a dyn Fn(&str),
}

impl Builder<'_> {
    pub fn authority(&self, port: u16) -> Result<Running> {
        (self.tell)("certification authority: root, key, TLS certificate");
        let server = ["--server", "localhost", "--server", "127.0.0.1"];
        let mut arguments = vec!["ca", "init", "--home", "ca", "--name", "Market CA"];
        arguments.extend(server);
        self.semper(&arguments)?;
        self.server("ca", port, "ca/tls", "[ca]\nhome = \"ca\"\n")?;
        serve(self.folder, self.binaries, "ca", port, &[])
    }

    /// An authority that a root has certified: the root's home is where no server is.
    pub fn authority_below(&self, port: u16) -> Result<Running> {
        (self.tell)("certification authority: a root that is off line, and what it certifies");
        self.semper(&["ca", "init", "--home", "root", "--name", "Market Root"])?;
        let mut begin = vec!["ca", "init", "--home", "ca", "--name", "Market CA"];
        begin.extend(["--server", "localhost", "--below", "root/root.pem"]);
        self.semper(&begin)?;
        let certify = ["ca", "certify", "--home", "root", "--request", "ca/ca.csr"];
        self.semper(&[&certify[..], &["--out", "ca.pem"]].concat())?;
        self.semper(&["ca", "crl", "--home", "root", "--out", "root.crl"])?;
        let install = ["ca", "install", "--home", "ca", "--certificate", "ca.pem"];
        self.semper(&[&install[..], &["--list", "root.crl"]].concat())?;
        self.server("ca", port, "ca/tls", "[ca]\nhome = \"ca\"\n")?;
        serve(self.folder, self.binaries, "ca", port, &[])
    }

    pub fn bank(&self, bank: BankAt<'_>) -> Result<Running> {
        (self.tell)(&format!("{}: key, certificate, ledger", bank.name));
        let (home, tls) = (bank.home, format!("{}-tls", bank.home));
        self.certified_key(home, bank.name, "bank", false)?;
        self.certified_key(&tls, &format!("{} server", bank.name), "server", true)?;
        let (key, certificate) = (format!("{home}.key"), format!("{home}.pem"));
        let files = ["--key", &key, "--certificate", &certificate, "--authority", "ca/root.pem"];
        self.semper(&[["bank", "init", "--home", home].as_slice(), &files].concat())?;
        let section = format!("{}[bank]\nhome = \"{home}\"\n", self.revocation());
        self.server(home, bank.port, &tls, &section)?;
        serve(self.folder, self.binaries, home, bank.port, &[])
    }

    /// The third party of fair exchanges: its home, what it prints for trust files, its server.
    pub fn third_party(&self, bank: u16, port: u16) -> Result<Running> {
        (self.tell)("third party of fair exchanges: key, log of verdicts");
        self.certified_key("third-tls", "Third Party server", "server", true)?;
        self.third_party_home(&format!("https://localhost:{port}"))?;
        let banks = asks_bank(bank);
        let section = format!("{}[third-party]\nhome = \"third\"\n{banks}", self.revocation());
        self.server("third", port, "third-tls", &section)?;
        serve(self.folder, self.binaries, "third", port, &[])
    }

    /// A third party's home, and `third-party.toml` for the trust files.
    pub fn third_party_home(&self, address: &str) -> Result<()> {
        let arguments = [
            "third-party-init",
            "--home",
            "third",
            "--origin",
            "third.example",
            "--address",
            address,
            "--bank",
            "Test Bank",
        ];
        let made = process::run(self.folder, &self.binaries.semper, &arguments)?;
        let printed = expect(made, &arguments)?.out;
        self.write("third-party.toml", &printed)
    }

    /// The author's service, the organisation's certificate, the merchant's terms.
    pub fn bundle(&self) -> Result<()> {
        (self.tell)("author: signs the mail-order service");
        self.certified_key("author", "Ada Author", "author", false)?;
        let texts = self.binaries.repository.join("guest-services/mail-order/terms");
        let guest = |name: &str| self.binaries.guests.join(name);
        let (buyer, seller) = (guest("mail_order_buyer.wasm"), guest("mail_order_seller.wasm"));
        let service = Published { texts: &texts, buyer: &buyer, seller: &seller };
        let [signing, certifying, offering] = signatures("bundle", &service);
        self.sign(&borrowed(&signing))?;
        (self.tell)("consumer organisation: examines and certifies it");
        self.sign(&["organisation", "--name", "Verbraucherbund", "--out", "verbraucherbund"])?;
        self.sign(&borrowed(&certifying))?;
        (self.tell)("merchant: signs its terms of business");
        self.certified_key("otto-terms", "Otto Versand", "merchant", false)?;
        let mut offering = borrowed(&offering);
        let text = |language: &str| {
            format!("{language}={}", texts.join(format!("terms.{language}.md")).display())
        };
        let (english, german) = (text("en"), text("de"));
        offering.extend(["--text", &english, "--text", &german]);
        self.sign(&offering)
    }

    pub fn merchant_home(&self, bank: BankAt<'_>, articles: u32) -> Result<Running> {
        (self.tell)("merchant: home, TINGUIN with standing consents, registration, account");
        self.home("otto", "Otto Versand", "the red lighthouse")?;
        let tinguin = tinguin(self.folder, self.binaries, "otto", MERCHANT_RULES, &[])?;
        // The signing desk has the name already: it is the same party's.
        self.register_with(
            "otto",
            "Otto Versand",
            &self.invite_again("Otto Versand", "merchant")?,
        )?;
        self.account("otto", bank)?;
        (self.tell)(&format!("merchant: imports {articles} articles"));
        self.write("articles.csv", &catalogue::csv(articles, 1996))?;
        self.semper(&["catalogue", "import", "--home", "otto", "articles.csv"])?;
        Ok(tinguin)
    }

    pub fn merchant_server(&self, port: u16) -> Result<Running> {
        self.certified_key("otto-tls", "Otto server", "server", true)?;
        let section = "[merchant]\nhome = \"otto\"\nterms = \"bundle\"\n";
        self.server("merchant", port, "otto-tls", section)?;
        serve(self.folder, self.binaries, "merchant", port, &[])
    }

    /// A buyer with an account at this bank; the TINGUIN, which answers by the rules.
    pub fn buyer(
        &self,
        buyer: NewBuyer<'_>,
        bank: BankAt<'_>,
        options: &MarketOptions,
    ) -> Result<Running> {
        (self.tell)("buyer: home, TINGUIN, registration, account, address");
        let NewBuyer { home, user, phrase } = buyer;
        self.home(home, user, phrase)?;
        // Setting up needs a TINGUIN that answers; nothing is consented to yet.
        let running = tinguin(self.folder, self.binaries, home, &options.buyer_rules, &[])?;
        self.register(home, user, "buyer")?;
        let account = self.account(home, bank)?;
        let (from, funds) = (bank.home, options.funds.as_str());
        let fund = ["bank", "fund", "--home", from, "--account", &account, "--amount", funds];
        self.semper(&fund)?;
        let (name, mut arguments) = (format!("name={user}"), vec!["preference", "--home", home]);
        let address = ["street=Lindenweg 4", "postcode=22765", "city=Hamburg", "country=DE"];
        for entry in [name.as_str()].into_iter().chain(address) {
            arguments.extend(["--set", entry]);
        }
        self.semper(&arguments)?;
        Ok(running)
    }

    fn home(&self, name: &str, user: &str, phrase: &str) -> Result<()> {
        self.semper(&init(name, user, phrase))?;
        let trust = format!("{name}/trust.toml");
        let text = fs::read_to_string(self.folder.join(&trust)).map_err(|it| it.to_string())?;
        // Whoever kills parts of a marketplace does not want to wait for minutes.
        self.write(&trust, &format!("{text}{PATIENCE}"))
    }

    fn register(&self, home: &str, name: &str, role: &str) -> Result<()> {
        self.register_with(home, name, &self.invite(name, role, false)?)
    }

    fn register_with(&self, home: &str, name: &str, key: &str) -> Result<()> {
        let ca = &self.ca;
        self.semper(&["register", "--home", home, "--ca", ca, "--name", name, "--key", key])
    }

    /// Opens an account; its number.
    pub fn account(&self, home: &str, bank: BankAt<'_>) -> Result<String> {
        let url = format!("https://localhost:{}", bank.port);
        let arguments =
            ["account", "open", "--home", home, "--bank", &url, "--name", bank.name, "--json"];
        let output =
            expect(process::run(self.folder, &self.binaries.semper, &arguments)?, &arguments)?;
        text(&output.json()["account"])
    }

    /// A key in a file, and a certificate for it.
    pub fn certified_key(&self, file: &str, name: &str, role: &str, server: bool) -> Result<()> {
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
        self.invited(&arguments)
    }

    fn invite_again(&self, name: &str, role: &str) -> Result<String> {
        let what = ["ca", "invite", "--home", "ca", "--name", name, "--role", role, "--again"];
        self.invited(&[what.as_slice(), &["--json"]].concat())
    }

    fn invited(&self, arguments: &[&str]) -> Result<String> {
        let output =
            expect(process::run(self.folder, &self.binaries.semper, arguments)?, arguments)?;
        text(&output.json()["key"])
    }

    /// Where servers ask what the authority has withdrawn.
    fn revocation(&self) -> String {
        format!("[revocation]\nlists = [\"{}/semper/v1/crl\"]\nrefresh_seconds = 2\n\n", self.ca)
    }

    pub fn server(&self, name: &str, port: u16, tls: &str, section: &str) -> Result<()> {
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

    pub fn secret(&self, name: &str, content: &str) -> Result<()> {
        self.write(name, content)?;
        fs::set_permissions(self.folder.join(name), fs::Permissions::from_mode(0o600))
            .map_err(|error| error.to_string())
    }
}

/// The arguments that make a home which believes the marketplace's authority and organisation.
pub(crate) fn init<'a>(name: &'a str, user: &'a str, phrase: &'a str) -> [&'a str; 15] {
    [
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
        "--third-party",
        "third-party.toml",
        "--pass-phrase-file",
        "pass-phrase",
    ]
}

/// The arguments by which author, organisation and merchant sign a service into the bundle
/// `name`, in this order.
pub(crate) fn signatures(name: &str, service: &Published<'_>) -> [Vec<String>; 3] {
    let file = |name: &str| service.texts.join(name).display().to_string();
    let path = |path: &Path| path.display().to_string();
    let signed = |what: &[&str], description: &str, key: &str, certificate: &str| {
        let mut all: Vec<String> = what.iter().map(|it| (*it).to_owned()).collect();
        let description = file(description);
        let rest = ["--description", &description, "--key", key, "--certificate", certificate];
        all.extend(rest.map(str::to_owned));
        all
    };
    let (buyer, seller) = (path(service.buyer), path(service.seller));
    let made = ["service", "--buyer", &buyer, "--seller", &seller, "--out", name];
    let (key, certificate) = ("verbraucherbund/evaluator.key", "verbraucherbund/evaluator.pem");
    [
        signed(&made, "service.toml", "author.key", "author.pem"),
        signed(&["certify", "--bundle", name], "certificate.toml", key, certificate),
        signed(&["terms", "--bundle", name], "terms.toml", "otto-terms.key", "otto-terms.pem"),
    ]
}

pub(crate) fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
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
