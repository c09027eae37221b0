//! The marketplace that is set up in a clean root: by its operators with the programs, units and examples
//! that the packages have put there, as docs/install.md says it.

use std::path::PathBuf;

use semper_testkit::market::{BUYER_RULES, PASS_PHRASE};
use semper_testkit::{Running, catalogue, process};

use super::root::{Root, end};
use super::stage::write;

/// Articles in the merchant's catalogue.
const ARTICLES: u32 = 2_000;
/// Where what an author has made lies in the root: components and descriptions.
pub const SERVICE: &str = "/srv/service";
/// Servers, in the order in which they are started, and the ports of their examples.
const SERVERS: [(&str, u16); 4] =
    [("ca", 8440), ("bank", 8441), ("third", 8446), ("merchant", 8442)];
/// The merchant's address.
pub const MERCHANT: &str = "https://localhost:8442";

/// What operators have beside the packages: words for what they do often.
const WORDS: &str = r#"
root=/var/lib/semper/ca/home/root.pem
invited() {     # name role [server] [--again]
    semper ca invite --home /var/lib/semper/ca/home --name "$1" --role "$2" ${3:+--server localhost} $4 --json |
        sed -n 's/.*"key": "\([^"]*\)".*/\1/p'
}
certified() {   # file name role [server]
    semper-sign key --out "$1.key"
    semper-sign csr --key "$1.key" --name "$2" --out "$1.csr"
    semper register --ca https://localhost:8440 --authority "$root" --request "$1.csr" --out "$1.pem" \
        --key "$(invited "$2" "$3" "${4:-}" "")"
}
"#;

/// A marketplace that runs in a root.
pub struct Market<'a> {
    root: &'a Root,
    servers: Vec<(&'static str, Running)>,
    merchant_tinguin: Option<Running>,
    buyer_tinguin: Option<Running>,
    host: Option<Running>,
}

impl<'a> Market<'a> {
    /// Sets everything up; `tell` hears each step.
    pub fn build(root: &'a Root, tell: &dyn Fn(&str)) -> Result<Self, String> {
        let mut market = Self {
            root,
            servers: Vec::new(),
            merchant_tinguin: None,
            buyer_tinguin: None,
            host: None,
        };
        tell("authority");
        market
            .operator("ca", "semper ca init --home home --name 'Market CA' --server localhost")?;
        market.serve_by_example("ca")?;
        tell("bank");
        market.operator("bank", BANK)?;
        market.serve_by_example("bank")?;
        tell("third party");
        market.operator("third", THIRD)?;
        market.serve_by_example("third")?;
        tell("author, organisation, merchant: the terms");
        market.operator("desk", TERMS)?;
        tell("merchant: home, TINGUIN, catalogue, server");
        market.merchant()?;
        tell("buyer: an invitation, a home, a TINGUIN, a host");
        market.buyer()?;
        Ok(market)
    }

    /// What an operator types, as the servers' user, in the folder of a server.
    fn operator(&self, server: &str, lines: &str) -> Result<String, String> {
        let lines = format!("{WORDS}\numask 077; mkdir -p {server}; cd {server}\n{lines}");
        self.root.sh("semper", "/var/lib/semper", &lines)
    }

    fn serve_by_example(&mut self, name: &'static str) -> Result<(), String> {
        let copy = format!(
            "install -o root -g semper -m 0640 /usr/share/doc/semper-server/examples/{name}.toml \
             /etc/semper/"
        );
        self.root.sh("root", "/", &copy)?;
        self.operator(name, &format!("semper serve --check /etc/semper/{name}.toml"))?;
        self.start(name)
    }

    fn start(&mut self, name: &'static str) -> Result<(), String> {
        let port = SERVERS.iter().find(|it| it.0 == name).map_or(0, |it| it.1);
        let mut running = self.root.serve(&format!("semper-server@{name}"), None)?;
        running.ready(|| process::answers(port))?;
        self.servers.push((name, running));
        Ok(())
    }

    fn merchant(&mut self) -> Result<(), String> {
        let csv = catalogue::csv(ARTICLES, 1996);
        write(&self.root.file("/srv/service/articles.csv"), csv.as_bytes())?;
        self.operator("merchant", &format!("echo '{PASS_PHRASE}' > pass-phrase\n{MERCHANT_HOME}"))?;
        // The pass-phrase is the manager's from here on, and the standing consents are the operator's.
        let rules = "cd /etc/semper; install -o root -g root -m 0600 /var/lib/semper/merchant/pass-phrase \
                     merchant.pass-phrase; rm /var/lib/semper/merchant/pass-phrase; install -o root -g semper \
                     -m 0640 /usr/share/doc/semper-server/examples/merchant-rules.toml merchant-rules.toml";
        self.root.sh("root", "/", rules)?;
        self.start_merchant_tinguin()?;
        self.operator("merchant", MERCHANT_BEGINS)?;
        self.serve_by_example("merchant")
    }

    fn start_merchant_tinguin(&mut self) -> Result<(), String> {
        let socket = self.fresh("/var/lib/semper/merchant/home/tinguin.sock");
        let mut tinguin = self.root.serve("semper-tinguin@merchant", None)?;
        tinguin.ready(|| socket.exists())?;
        self.merchant_tinguin = Some(tinguin);
        Ok(())
    }

    fn buyer(&mut self) -> Result<(), String> {
        self.operator("ca", INVITATION)?;
        let handed = format!(
            "useradd --create-home anna\n\
             install -o anna -g anna -m 0600 /var/lib/semper/ca/anna.invitation /home/anna/\n\
             rm /var/lib/semper/ca/anna.invitation\n\
             echo '{PASS_PHRASE}' > /home/anna/pass-phrase\n\
             chown anna:anna /home/anna/pass-phrase; chmod 600 /home/anna/pass-phrase"
        );
        self.root.sh("root", "/", &handed)?;
        self.anna(JOIN)?;
        self.start_buyer_tinguin(BUYER_RULES)?;
        let account = self.anna("semper account show --json")?;
        let account: serde_json::Value =
            serde_json::from_str(&account).map_err(|error| error.to_string())?;
        let account = account["account"].as_str().ok_or("the buyer has no account")?;
        let fund =
            format!("semper bank fund --home home --account {account} --amount '5000.00 EUR'");
        self.operator("bank", &fund)?;
        self.start_host()
    }

    /// What the buyer types; her home is the one that needs no name.
    pub fn anna(&self, lines: &str) -> Result<String, String> {
        self.root.sh("anna", "/home/anna", lines)
    }

    /// Starts the buyer's TINGUIN, answering by these rules.
    pub fn start_buyer_tinguin(&mut self, rules: &str) -> Result<(), String> {
        if let Some(running) = self.buyer_tinguin.take() {
            end(running, "the buyer's TINGUIN")?;
        }
        write(&self.root.file("/home/anna/rules.toml"), rules.as_bytes())?;
        let words = ["semper", "tinguin", "--rules", "rules.toml", "--transcript", "transcript"];
        let words = [&words[..], &["--pass-phrase-file", "pass-phrase"]].concat();
        let socket = self.fresh("/home/anna/.local/share/semper/tinguin.sock");
        let mut tinguin = self.root.start("anna-tinguin", "anna", "/home/anna", &[], &words)?;
        tinguin.ready(|| socket.exists())?;
        self.buyer_tinguin = Some(tinguin);
        Ok(())
    }

    /// Starts the buyer's host by her unit.
    pub fn start_host(&mut self) -> Result<(), String> {
        let socket = self.fresh("/home/anna/.local/share/semper/host.sock");
        let mut host = self.root.serve("semper", Some("anna"))?;
        host.ready(|| socket.exists())?;
        self.host = Some(host);
        Ok(())
    }

    /// The place of a socket; one that is left there is no sign that somebody listens.
    fn fresh(&self, socket: &str) -> PathBuf {
        let place = self.root.file(socket);
        let _ = std::fs::remove_file(&place);
        place
    }

    /// The buyer's host, for whoever wants to see it end.
    pub fn host(&mut self) -> Option<Running> {
        self.host.take()
    }

    /// Does what the package's script has systemd do after an upgrade: what runs is started again.
    pub fn restart(&mut self) -> Result<(), String> {
        if let Some(running) = self.merchant_tinguin.take() {
            end(running, "the merchant's TINGUIN")?;
        }
        self.start_merchant_tinguin()?;
        for (name, running) in std::mem::take(&mut self.servers) {
            end(running, name)?;
            self.start(name)?;
        }
        Ok(())
    }

    /// Ends everything in order.
    pub fn end(self) -> Result<(), String> {
        // Whoever has started it.
        self.anna("semper run --end")?;
        for (name, running) in self.servers.into_iter().rev() {
            end(running, name)?;
        }
        for running in [self.buyer_tinguin, self.merchant_tinguin].into_iter().flatten() {
            end(running, "a TINGUIN")?;
        }
        Ok(())
    }
}

const BANK: &str = r#"
certified bank "Test Bank" bank
certified tls "Test Bank server" server yes
semper bank init --home home --key bank.key --certificate bank.pem --authority $root
"#;

const THIRD: &str = r#"
semper third-party-init --home home --origin third.example --address https://localhost:8446 \
    --bank "Test Bank" > third-party.toml
certified tls "Third Party server" server yes
cp $root root.pem; cp ../bank/bank.pem bank.pem
"#;

const TERMS: &str = r#"
at=/srv/service
certified author "Ada Author" author
semper-sign service --description $at/service.toml --buyer $at/mail_order_buyer.wasm \
    --seller $at/mail_order_seller.wasm --key author.key --certificate author.pem --out bundle
semper-sign organisation --name Verbraucherbund --out verbraucherbund
semper-sign certify --bundle bundle --description $at/certificate.toml \
    --key verbraucherbund/evaluator.key --certificate verbraucherbund/evaluator.pem
certified otto "Otto Versand" merchant
semper-sign terms --bundle bundle --description $at/terms.toml --text en=$at/terms.en.md \
    --key otto.key --certificate otto.pem
"#;

const MERCHANT_HOME: &str = r#"
semper init --home home --user "Otto Versand" --phrase "the red lighthouse" --authority $root \
    --evaluator verbraucherbund=../desk/verbraucherbund/root.pem --third-party ../third/third-party.toml \
    --pass-phrase-file pass-phrase
cp -r ../desk/bundle bundle
certified tls "Otto server" server yes
"#;

const MERCHANT_BEGINS: &str = r#"
semper register --home home --ca https://localhost:8440 --name "Otto Versand" \
    --key "$(invited "Otto Versand" merchant "" --again)"
semper account open --home home --bank https://localhost:8441 --name "Test Bank"
semper catalogue import --home home /srv/service/articles.csv
"#;

const INVITATION: &str = r#"
semper ca invite --home home --name "Anna Berg" --role buyer --invitation anna.invitation \
    --address https://localhost:8440 --bank https://localhost:8441 --bank-name "Test Bank" \
    --evaluator verbraucherbund=../desk/verbraucherbund/root.pem --third-party ../third/third-party.toml
"#;

const JOIN: &str = r#"
semper join anna.invitation --yes --phrase "two owls in a pear tree" --pass-phrase-file pass-phrase \
    --set name="Anna Berg" --set street="Lindenweg 4" --set postcode=22765 --set city=Hamburg --set country=DE
"#;
