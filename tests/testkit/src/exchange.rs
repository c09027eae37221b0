//! What a fair exchange needs of others: an authority, a bank and a third party, as servers.

use std::path::{Path, PathBuf};

use crate::market::serve;
use crate::process::{self, Binaries, Output, Running};
use crate::setup::{BankAt, Builder, asks_bank};

type Result<T> = std::result::Result<T, String>;

/// An authority, a bank, a third party.
#[derive(Debug)]
pub struct Trusted {
    /// Everything is in here.
    pub folder: PathBuf,
    /// Its binaries.
    pub binaries: Binaries,
    /// The authority's server.
    pub ca: Running,
    /// The bank's.
    pub bank: Running,
    /// The third party's; several, if they share a store.
    pub third: Vec<Running>,
    /// Where the authority, the bank, and the third party listen.
    pub ports: Vec<u16>,
}

impl Trusted {
    /// Sets them up in an empty folder. With `store`, so many processes of the third party share
    /// this PostgreSQL.
    pub fn build(folder: &Path, binaries: &Binaries, store: Option<(&str, usize)>) -> Result<Self> {
        let ports = [process::free_port()?, process::free_port()?];
        let ca = format!("https://localhost:{}", ports[0]);
        let builder = Builder { folder, binaries, ca, tell: &|_| {} };
        let ca = builder.authority(ports[0])?;
        let bank = builder.bank(BankAt::test(ports[1]))?;
        builder.certified_key("third-tls", "Third Party server", "server", true)?;
        builder.third_party_home("https://localhost:1")?;
        let mut trusted = Self {
            folder: folder.to_owned(),
            binaries: binaries.clone(),
            ca,
            bank,
            third: Vec::new(),
            ports: ports.to_vec(),
        };
        let count = store.map_or(1, |it| it.1);
        for index in 0..count {
            let port = process::free_port()?;
            let mut section = "[third-party]\nhome = \"third\"\n".to_owned();
            if let Some((url, _)) = store {
                section += &format!("store = \"{url}\"\npublish = {}\n", index == 0);
            }
            section += &asks_bank(ports[1]);
            builder.server(&format!("third-{index}"), port, "third-tls", &section)?;
            trusted.ports.push(port);
            trusted.start_third(index, &[])?;
        }
        Ok(trusted)
    }

    /// The bank's address.
    pub fn bank_url(&self) -> String {
        format!("https://localhost:{}", self.ports[1])
    }

    /// The third party's; one of them.
    pub fn third_url(&self, index: usize) -> String {
        format!("https://localhost:{}", self.ports[2 + index])
    }

    /// Starts a third party's process (again).
    pub fn start_third(&mut self, index: usize, env: &[(&str, &str)]) -> Result<()> {
        let port = self.ports[2 + index];
        let running = serve(&self.folder, &self.binaries, &format!("third-{index}"), port, env)?;
        if index < self.third.len() {
            self.third[index] = running;
        } else {
            self.third.push(running);
        }
        Ok(())
    }

    /// Starts the bank (again).
    pub fn start_bank(&mut self, env: &[(&str, &str)]) -> Result<()> {
        self.bank = serve(&self.folder, &self.binaries, "bank", self.ports[1], env)?;
        Ok(())
    }

    /// A key in a file with a certificate of this role: `NAME.key`, `NAME.pem`.
    pub fn certified(&self, name: &str, role: &str) -> Result<()> {
        let ca = format!("https://localhost:{}", self.ports[0]);
        let builder = Builder { folder: &self.folder, binaries: &self.binaries, ca, tell: &|_| {} };
        builder.certified_key(name, name, role, false)
    }

    /// The same for a server on this machine.
    pub fn certified_server(&self, name: &str) -> Result<()> {
        let ca = format!("https://localhost:{}", self.ports[0]);
        let builder = Builder { folder: &self.folder, binaries: &self.binaries, ca, tell: &|_| {} };
        builder.certified_key(name, name, "server", true)
    }

    /// Runs `semper` in the folder, to its end.
    pub fn semper(&self, arguments: &[&str]) -> Result<Output> {
        process::run(&self.folder, &self.binaries.semper, arguments)
    }
}
