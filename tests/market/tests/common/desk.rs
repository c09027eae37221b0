//! A folder in which author, organisation and merchant sign, without servers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use semper_base::Role;
use semper_roles::ca::{Ca, Registration};
use semper_testkit::process::{self, Output};
use tempfile::TempDir;

use super::binaries;

/// A folder in which author, organisation and merchant sign: `bundle` has what all three have signed.
pub struct Desk(pub TempDir);

impl Desk {
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let ca = desk.0.path().join("ca");
        Ca::create(&ca, "Market CA", &["localhost".to_owned()]).unwrap();
        let ca = Ca::open(&ca).unwrap();
        for (file, name, role) in [
            ("author", "Ada Author", Role::Author),
            ("otto", "Otto Versand", Role::Merchant),
            ("bank", "Test Bank", Role::Bank),
        ] {
            desk.done(&["key", "--out", &format!("{file}.key")]);
            let (key, csr) = (format!("{file}.key"), format!("{file}.csr"));
            desk.done(&["csr", "--key", &key, "--name", name, "--out", &csr]);
            let request = std::fs::read_to_string(desk.0.path().join(csr)).unwrap();
            let key = ca.invite(name, role, &[]).unwrap();
            let chain = ca.register(&Registration { key, request }).unwrap().chain;
            let pem = semper_base::Certificate::chain_to_pem(&chain);
            std::fs::write(desk.0.path().join(format!("{file}.pem")), pem).unwrap();
        }
        desk.done(&["organisation", "--name", "Verbraucherbund", "--out", "v"]);
        desk.done(&desk.service("author", "bundle"));
        desk.done(&desk.certify("v/evaluator"));
        desk.done(&desk.terms("otto"));
        desk
    }

    pub fn text(name: &str) -> String {
        let texts = binaries().repository.join("guest-services/mail-order/terms");
        texts.join(name).display().to_string()
    }

    pub fn service(&self, signer: &str, out: &str) -> Vec<String> {
        let guest = |name: &str| binaries().guests.join(name).display().to_string();
        let (buyer, seller) = (guest("mail_order_buyer.wasm"), guest("mail_order_seller.wasm"));
        let description = Self::text("service.toml");
        let all = ["service", "--buyer", &buyer, "--seller", &seller, "--out", out];
        let all = [&all[..], &["--description", &description]].concat();
        signed(&all, signer)
    }

    pub fn certify(&self, signer: &str) -> Vec<String> {
        let description = Self::text("certificate.toml");
        signed(&["certify", "--bundle", "bundle", "--description", &description], signer)
    }

    pub fn terms(&self, signer: &str) -> Vec<String> {
        let description = Self::text("terms.toml");
        signed(&["terms", "--bundle", "bundle", "--description", &description], signer)
    }

    pub fn run<T: AsRef<str>>(&self, arguments: &[T]) -> Output {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        process::run(self.0.path(), &binaries().sign, &arguments).unwrap()
    }

    /// As [`Desk::run`], with a variable in the environment.
    pub fn run_with(&self, (name, value): (&str, &str), arguments: &[&str]) -> Output {
        let mut command = Command::new(binaries().sign);
        let command = command.args(arguments).env(name, value).current_dir(self.0.path());
        let done = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = done.status.code().unwrap_or(-1);
        Output { code, out: text(done.stdout), err: text(done.stderr) }
    }

    pub fn done<T: AsRef<str>>(&self, arguments: &[T]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "{}{}", output.out, output.err);
        output
    }

    /// Wrong input, in one message with these words; no file has changed.
    pub fn fails<T: AsRef<str>>(&self, arguments: &[T], words: &[&str]) {
        let before = files(self.0.path());
        let output = self.run(arguments);
        assert_eq!(output.code, 2, "{}{}", output.out, output.err);
        assert_eq!(output.err.matches("error:").count(), 1, "{}", output.err);
        for word in words {
            assert!(output.err.contains(word), "{word} in {}", output.err);
        }
        assert_eq!(files(self.0.path()), before);
    }
}

pub fn signed(arguments: &[&str], signer: &str) -> Vec<String> {
    let (key, certificate) = (format!("{signer}.key"), format!("{signer}.pem"));
    let rest = ["--key", &key, "--certificate", &certificate];
    arguments.iter().chain(&rest).map(|it| (*it).to_owned()).collect()
}

/// Every file below a folder, with what stands in it.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut all, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                all.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    all
}
