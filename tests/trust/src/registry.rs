//! Debian's docker-registry, with TLS and a password.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use semper_base::cert::{Authority, Roots};
use semper_base::{Role, SigningKey, Timestamp};
use semper_distribution::{Fetcher, MoveError, Options, Place};
use semper_testkit::process;
use semper_trust::Layout;

use crate::DAY;

/// A registry's process; it ends with the value.
pub struct Registry {
    child: Child,
    pub host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with an authority for servers, a password file, and what registries store.
pub struct Yard {
    folder: tempfile::TempDir,
    pub roots: Roots,
}

pub const USER: &str = "otto";
pub const PASSWORD: &str = "a secret of otto's";

impl Default for Yard {
    fn default() -> Self {
        Self::new()
    }
}

impl Yard {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = Authority::new("Registry CA", SigningKey::generate(), now).unwrap();
        let key = SigningKey::generate();
        let names = ["localhost".to_owned()];
        let until = now.after(DAY);
        let leaf =
            authority.issue("registry", &key.public(), Role::Server, &names, now, until).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("tls.pem", &leaf.to_pem());
        write("tls.key", &key.to_pem());
        std::fs::create_dir(folder.path().join("certs")).unwrap();
        write("certs/ca.crt", &authority.certificate.to_pem());
        write("password", PASSWORD);
        let hashed = Command::new("htpasswd").args(["-Bbn", USER, PASSWORD]).output().unwrap();
        write("htpasswd", &String::from_utf8(hashed.stdout).unwrap());
        Self { roots: Roots::new(vec![authority.certificate]), folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a registry that asks for the password.
    pub fn registry(&self, name: &str) -> Registry {
        let port = process::free_port().unwrap();
        let root = self.path().join(name);
        let at = |file: &str| self.path().join(file).display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n  tls: {{certificate: {}, key: {}}}\n\
             auth:\n  htpasswd: {{realm: test, path: {}}}\n",
            root.display(),
            at("tls.pem"),
            at("tls.key"),
            at("htpasswd"),
        );
        let file = self.path().join(format!("{name}.yml"));
        std::fs::write(&file, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !process::answers(port) {
            assert!(Instant::now() < until, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Registry { child, host: format!("localhost:{port}") }
    }

    pub fn fetcher(&self, credentials: bool) -> Fetcher {
        let credentials = credentials.then(|| (USER.to_owned(), PASSWORD.to_owned()));
        Fetcher::new(&self.roots, Options { credentials, ..Options::default() })
    }

    pub fn pull(&self, place: &str) -> Result<Layout, MoveError> {
        let place: Place = place.parse().unwrap();
        semper_distribution::pull(&place, &self.fetcher(true), &())
    }

    pub fn push(&self, layout: &Layout, place: &str) {
        let place: Place = place.parse().unwrap();
        semper_distribution::push(layout, &place, &self.fetcher(true), &()).unwrap();
    }
}
