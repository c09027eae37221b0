//! Docker's store of names and passwords: `config.json`, and the credential helpers that it names.
//!
//! Source: docker's documentation of `config.json`, and the protocol of docker-credential-helpers.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::logins::Login;
use crate::{MoveError, address};

/// How long a helper may take: it may ask its person to unlock a store.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of its answer at most.
const MAX_ANSWER: u64 = 64 * 1024;
/// Largest `config.json`.
const MAX_CONFIG: u64 = 4 * 1024 * 1024;
/// The name by which a helper says that the secret is an identity token.
const TOKEN: &str = "<token>";

/// Where docker keeps names and passwords.
#[derive(Clone, Debug)]
pub(crate) struct Docker {
    file: PathBuf,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

#[derive(Deserialize)]
struct Helped {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Docker {
    /// By `DOCKER_CONFIG`, or in the home of whoever runs this.
    pub(crate) fn of_environment() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty());
        let folder = match named("DOCKER_CONFIG") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(named("HOME")?).join(".docker"),
        };
        Some(Self { file: folder.join("config.json") })
    }

    /// What is stored for a repository of a host; a helper's word comes before the file's.
    pub(crate) fn find(&self, host: &str, repository: &str) -> Result<Option<Login>, MoveError> {
        let config = self.read()?;
        let helpers = config.helpers.unwrap_or_default();
        let own = helpers.iter().find(|(key, _)| fits(key, host, repository).is_some());
        let helper = own.map(|it| it.1).or(config.store.as_ref()).filter(|it| !it.is_empty());
        if let Some(helper) = helper
            && let Some(login) = ask(helper, host)?
        {
            return Ok(Some(login));
        }
        // The entry that says most about where it belongs.
        let auths = config.auths.unwrap_or_default();
        let found = auths
            .iter()
            .filter_map(|(key, entry)| Some((fits(key, host, repository)?, entry.as_ref()?)))
            .max_by_key(|it| it.0);
        found.map_or(Ok(None), |(_, entry)| self.login(host, entry))
    }

    fn read(&self) -> Result<Config, MoveError> {
        let mut text = String::new();
        let read = std::fs::File::open(&self.file)
            .and_then(|file| file.take(MAX_CONFIG).read_to_string(&mut text));
        match read {
            Ok(_) => serde_json::from_str(&text).map_err(|error| self.wrong(&error)),
            // Nobody has logged in.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(self.wrong(&error)),
        }
    }

    fn login(&self, host: &str, entry: &Entry) -> Result<Option<Login>, MoveError> {
        if !entry.identitytoken.is_empty() {
            return Ok(Some(Login::Identity(entry.identitytoken.clone())));
        }
        if !entry.registrytoken.is_empty() {
            return Ok(Some(Login::Token(entry.registrytoken.clone())));
        }
        if !entry.username.is_empty() {
            return Ok(Some(Login::password(&entry.username, &entry.password)));
        }
        if entry.auth.is_empty() {
            return Ok(None);
        }
        // Written with padding and without.
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(&STANDARD, config).decode(entry.auth.trim());
        let text = decoded.ok().and_then(|it| String::from_utf8(it).ok());
        let pair = text.as_deref().and_then(|it| it.split_once(':'));
        let (user, password) =
            pair.ok_or_else(|| self.wrong(&format!("`auth` of {host} is not name:password")))?;
        Ok(Some(Login::password(user, password.trim_end_matches('\0'))))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> MoveError {
        MoveError::Docker { file: self.file.display().to_string(), why: why.to_string() }
    }
}

/// Whether an entry is for a repository of this host, and how much of its name it says: docker
/// writes hosts (`host:port`, or `https://host/v1/`), others also the beginning of a name.
fn fits(key: &str, host: &str, repository: &str) -> Option<usize> {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (own, path) = key.split_once('/').unwrap_or((key, ""));
    if address::host(own) != host {
        return None;
    }
    let path = path.trim_end_matches('/');
    let below =
        repository.strip_prefix(path).is_some_and(|it| it.is_empty() || it.starts_with('/'));
    match path {
        "" | "v1" | "v2" => Some(0),
        _ => below.then_some(path.len()),
    }
}

/// Asks a helper what it has for a host.
fn ask(helper: &str, host: &str) -> Result<Option<Login>, MoveError> {
    let failed = |why: String| MoveError::Helper { helper: helper.to_owned(), why };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !helper.chars().all(plain) {
        return Err(failed("that is no name of a program".into()));
    }
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not want to know is told by its answer.
        let _ = stdin.write_all(host.as_bytes());
    }
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map(|it| it.take(MAX_ANSWER).read_to_string(&mut text));
        read.map(|it| it.map(|_| text))
    });
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| failed(error.to_string()))? {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(failed(format!("no answer within {} s", PATIENCE.as_secs())));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = reader.join().ok().flatten().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        let said = text.trim();
        // Helpers have no other way to say that they know nothing.
        if said.starts_with("credentials not found") || said.starts_with("No stored credential") {
            return Ok(None);
        }
        return Err(failed(format!("{status}: {}", crate::fetch::said(said.as_bytes()).words)));
    }
    let helped: Helped =
        serde_json::from_str(&text).map_err(|error| failed(format!("its answer: {error}")))?;
    Ok(Some(match helped.username.as_str() {
        TOKEN => Login::Identity(helped.secret),
        user => Login::password(user, &helped.secret),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_belongs_to_one_host_and_to_what_it_says_of_its_repositories() {
        for (key, host, repository, fitting) in [
            ("reg.example:5000", "reg.example:5000", "otto/terms", Some(0)),
            ("https://reg.example/v1/", "reg.example", "otto/terms", Some(0)),
            ("http://REG.example/v2", "reg.example", "otto/terms", Some(0)),
            ("reg.example:443", "reg.example", "otto/terms", Some(0)),
            ("reg.example/otto", "reg.example", "otto/terms", Some(4)),
            ("reg.example/otto/terms", "reg.example", "otto/terms", Some(10)),
            ("reg.example/ot", "reg.example", "otto/terms", None),
            ("reg.example/anna", "reg.example", "otto/terms", None),
            ("reg.example", "reg.example:5000", "otto/terms", None),
            ("reg.example.evil.example", "reg.example", "otto/terms", None),
            ("evil.example/reg.example", "reg.example", "otto/terms", None),
        ] {
            assert_eq!(fits(key, host, repository), fitting, "{key}");
        }
    }
}
