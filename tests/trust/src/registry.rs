//! Debian's docker-registry, with TLS and a password.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use semper_base::cert::{Authority, Roots};
use semper_base::{Role, SigningKey, Timestamp};
use semper_distribution::{Fetcher, Login, Logins, MoveError, Options, Place};
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

    /// Gives registries that start from now on a certificate by openssl, with a key of that kind
    /// (arguments of `openssl req -newkey`), by an authority of the same kind: `certs/ca.crt`.
    pub fn certify_by_openssl(&self, kind: &[&str]) {
        std::fs::write(self.path().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1")
            .unwrap();
        let authority = ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=Registry CA"];
        let files = ["-keyout", "ca.key", "-out", "certs/ca.crt", "-newkey"];
        self.openssl(&[&authority[..], &files[..], kind].concat());
        let request = ["req", "-nodes", "-subj", "/CN=localhost", "-newkey"];
        let files = ["-keyout", "tls.key", "-out", "tls.csr"];
        self.openssl(&[&request[..], kind, &files[..]].concat());
        let issue = ["x509", "-req", "-in", "tls.csr", "-CA", "certs/ca.crt", "-CAkey", "ca.key"];
        let files = ["-CAcreateserial", "-days", "1", "-out", "tls.pem", "-extfile", "names"];
        self.openssl(&[&issue[..], &files[..]].concat());
    }

    /// Runs openssl in the folder.
    pub fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(self.path()).output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "openssl {}: {said}", arguments.join(" "));
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

    /// With the password for a host, or with none.
    pub fn fetcher(&self, host: Option<&str>) -> Fetcher {
        let login = Login::password(USER, PASSWORD);
        let logins = host.map_or_else(Logins::default, |it| Logins::default().with(it, login));
        Fetcher::new(&self.roots, Options { logins, ..Options::default() })
    }

    pub fn pull(&self, place: &str) -> Result<Layout, MoveError> {
        let place: Place = place.parse().unwrap();
        semper_distribution::pull(&place, &self.fetcher(place.host().as_deref()), &())
    }

    pub fn push(&self, layout: &Layout, place: &str) {
        let place: Place = place.parse().unwrap();
        let fetcher = self.fetcher(place.host().as_deref());
        semper_distribution::push(layout, &place, &fetcher, &()).unwrap();
    }
}
