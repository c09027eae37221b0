//! Organisations, their lists, a log and its witness: what stands around a marketplace when trust
//! is looked at.

use std::fs;

use crate::market::{Market, serve};
use crate::process::{self, Output, Running};
use crate::setup::{Builder, PATIENCE};

type Result<T> = std::result::Result<T, String>;

/// The organisations beside the marketplace's first, and their common names.
pub const ORGANISATIONS: [(&str, &str); 2] =
    [("konsument", "Konsument"), ("que-choisir", "Que Choisir")];

const CRITERIA: &str = "https://semper.example/criteria/consumer/1";

/// Everything around a marketplace. What runs of it ends with it.
#[derive(Debug)]
pub struct Surroundings {
    /// The server of the organisations' lists.
    pub lists: Running,
    /// The log's server.
    pub log: Running,
    /// The witness's server.
    pub witness: Running,
    /// Where they listen, in this order.
    pub ports: [u16; 3],
    /// The log's key and the witness's.
    pub keys: [String; 2],
}

impl Surroundings {
    /// Sets it all up by the commands of the README: two more organisations, one of which
    /// certifies; empty revocation lists; a log with a witness, in which the merchant's terms are.
    pub fn build(market: &mut Market, tell: &dyn Fn(&str)) -> Result<Self> {
        let ports = [process::free_port()?, process::free_port()?, process::free_port()?];
        tell("two more consumer organisations; Konsument certifies, Que Choisir does not");
        let texts = market.binaries.repository.join("guest-services/mail-order/terms");
        let certificate = texts.join("certificate.toml").display().to_string();
        for (folder, name) in ORGANISATIONS {
            done(market.sign(&["organisation", "--name", name, "--out", folder])?)?;
        }
        certify(market, "konsument", &certificate)?;
        fs::create_dir_all(market.folder.join("lists")).map_err(|error| error.to_string())?;
        for name in ["verbraucherbund", "konsument", "que-choisir"] {
            revoke(market, name, &[])?;
        }
        tell("a server for their revocation lists; a transparency log; a witness");
        let (folder, binaries) = (market.folder.clone(), market.binaries.clone());
        let builder = Builder {
            folder: &folder,
            binaries: &binaries,
            ca: format!("https://localhost:{}", market.ports[0]),
            tell: &|_| {},
        };
        let key = |text: Output| done(text).map(|it| it.out.trim().to_owned());
        let log_key =
            key(market.semper(&["log-init", "--home", "log", "--origin", "log.example/terms"])?)?;
        let witness_key = key(market.semper(&[
            "witness-init",
            "--home",
            "witness",
            "--name",
            "witness.example/one",
        ])?)?;
        builder.certified_key("around-tls", "servers around", "server", true)?;
        builder.server("lists", ports[0], "around-tls", "[files]\nfolder = \"lists\"\n")?;
        let section = format!("[witness]\nhome = \"witness\"\nlogs = [\"{log_key}\"]\n");
        builder.server("witness", ports[2], "around-tls", &section)?;
        let section = format!(
            "[tlog]\nhome = \"log\"\nquorum = 1\nauthorities = [\"ca/root.pem\", \
             \"verbraucherbund/root.pem\", \"konsument/root.pem\", \"que-choisir/root.pem\"]\n\n\
             [[tlog.witness]]\nkey = \"{witness_key}\"\nurl = \"https://localhost:{}\"\n\
             root = \"ca/root.pem\"\n",
            ports[2]
        );
        builder.server("log", ports[1], "around-tls", &section)?;
        let lists = serve(&folder, &binaries, "lists", ports[0], &[])?;
        let witness = serve(&folder, &binaries, "witness", ports[2], &[])?;
        let log = serve(&folder, &binaries, "log", ports[1], &[])?;
        let this = Self { lists, log, witness, ports, keys: [log_key, witness_key] };
        tell("every statement of the bundle is logged; the merchant's server shows the proofs");
        this.log_all(market)?;
        market.restart_merchant()?;
        Ok(this)
    }

    /// Lets everything run on.
    pub fn detach(self) {
        for running in [self.lists, self.log, self.witness] {
            running.detach();
        }
    }

    /// The log's address.
    pub fn log_url(&self) -> String {
        format!("https://localhost:{}", self.ports[1])
    }

    /// Where an organisation's list is.
    pub fn list_url(&self, organisation: &str) -> String {
        format!("https://localhost:{}/files/{organisation}.json", self.ports[0])
    }

    /// Has every statement of the merchant's bundle logged.
    pub fn log_all(&self, market: &Market) -> Result<Output> {
        let url = self.log_url();
        done(market.sign(&[
            "log",
            "add",
            "--bundle",
            "bundle",
            "--url",
            &url,
            "--log-key",
            "log/log.vkey",
            "--root",
            "ca/root.pem",
        ])?)
    }

    /// Has a buyer believe the three organisations while their lists are fresh, so many of them,
    /// and want terms that are logged.
    pub fn believe(&self, market: &Market, home: &str, threshold: usize) -> Result<()> {
        let mut text = String::from(
            "authorities = [\"root.pem\"]\n\n[transparency]\nterms = true\n\n\
             [freshness]\nrefresh_seconds = 1\n",
        );
        for name in ["verbraucherbund", "konsument", "que-choisir"] {
            let root = fs::read(market.folder.join(name).join("root.pem"))
                .map_err(|error| error.to_string())?;
            self.write(market, home, &format!("{name}.pem"), &root)?;
            text += &format!(
                "\n[evaluator.{name}]\nroot = \"{name}.pem\"\ncriteria = [\"{CRITERIA}\"]\n\
                 revocations = \"{}\"\n",
                self.list_url(name)
            );
        }
        text += &format!(
            "\n[[require]]\nthreshold = {threshold}\n\
             of = [\"verbraucherbund\", \"konsument\", \"que-choisir\"]\n\
             criteria = \"{CRITERIA}\"\nlevel = 2\n\n\
             [log.\"log.example/terms\"]\nkey = \"{}\"\nwitnesses = [\"{}\"]\nquorum = 1\n",
            self.keys[0], self.keys[1]
        );
        let third = fs::read_to_string(market.folder.join("third-party.toml"));
        text += &third.map_err(|error| error.to_string())?;
        text += PATIENCE;
        self.write(market, home, "trust.toml", text.as_bytes())
    }

    fn write(&self, market: &Market, home: &str, name: &str, bytes: &[u8]) -> Result<()> {
        fs::write(market.folder.join(home).join(name), bytes).map_err(|error| error.to_string())
    }
}

/// Has an organisation certify the service in the merchant's bundle.
pub fn certify(market: &Market, organisation: &str, description: &str) -> Result<Output> {
    let (key, certificate) =
        (format!("{organisation}/evaluator.key"), format!("{organisation}/evaluator.pem"));
    done(market.sign(&[
        "certify",
        "--bundle",
        "bundle",
        "--description",
        description,
        "--key",
        &key,
        "--certificate",
        &certificate,
    ])?)
}

/// Has an organisation publish its list, with these digests more on it.
pub fn revoke(market: &Market, organisation: &str, what: &[&str]) -> Result<Output> {
    let file = |name: &str| format!("{organisation}/{name}");
    let (key, certificate, root) = (file("evaluator.key"), file("evaluator.pem"), file("root.pem"));
    let list = format!("lists/{organisation}.json");
    let mut arguments = vec![
        "revoke",
        "--list",
        &list,
        "--reason",
        "unfair",
        "--root",
        &root,
        "--key",
        &key,
        "--certificate",
        &certificate,
    ];
    for digest in what {
        arguments.extend(["--what", digest]);
    }
    done(market.sign(&arguments)?)
}

fn done(output: Output) -> Result<Output> {
    if output.code == 0 { Ok(output) } else { Err(format!("{}{}", output.out, output.err)) }
}
