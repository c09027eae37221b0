//! A consumer organisation's own keys: a root, which is kept off line and given to buyers, and below it the key
//! that certifies. That key is renewed by the root; buyers need nothing new.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use semper_archive::{Former, Pair};
use semper_base::cert::{Authority, CertError};
use semper_base::{Certificate, Report, Role, SigningKey, Timestamp, renewal};
use serde_json::json;

use crate::files;
use crate::say::Said;

const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// Years for which a root certifies the key below it.
const YEARS: u32 = 3;

/// Makes a root, and a key below it.
pub fn make(name: &str, out: &Path) -> Result<Said, Report> {
    let wrong = |error: CertError| Report::input(error, "choose another name");
    let now = Timestamp::now();
    let root = SigningKey::generate();
    let root_pem = root.to_pem();
    let authority = Authority::new(name, root, now).map_err(wrong)?;
    let key = SigningKey::generate();
    let certificate = certified(&authority, name, &key, now).map_err(wrong)?;
    std::fs::create_dir_all(out).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another folder")
    })?;
    let [root_key, root] = root_files(out);
    let pair = pair(out);
    files::create(&root_key, root_pem.as_bytes(), 0o600)?;
    files::create(&root, authority.certificate.to_pem().as_bytes(), 0o644)?;
    files::create(&pair.key, key.to_pem().as_bytes(), 0o600)?;
    files::create(&pair.certificate, certificate.to_pem().as_bytes(), 0o644)?;
    let text = format!("{}: give root.pem to buyers, keep root.key off line", out.display());
    Ok(Said::new(text, json!({ "folder": out, "root": authority.certificate.digest() })))
}

/// Has the root in a folder certify another key under the same name. The old key and its certificate stay
/// beside the new ones.
pub fn renew(folder: &Path) -> Result<Said, Report> {
    let now = Timestamp::now();
    let root = root(folder)?;
    let _alone = alone(folder)?;
    let pair = pair(folder);
    let former = Former::Dated(now);
    if let Some(kept) = pair.finish(former)? {
        let first = vec!["a renewal that had been interrupted is done".to_owned()];
        return Ok(renewed(folder, &files::certificate(&pair.certificate)?, &kept, first));
    }
    let authority = authority(folder, root, now)?;
    let old = present(&pair, &authority)?;
    let name = old.as_ref().unwrap_or(&authority.certificate).subject();
    let key = pair.next_key()?;
    let certificate = certified(&authority, &name, &key, now)
        .map_err(|error| Report::input(error, "make a new root with semper-sign organisation"))?;
    let kept = pair.replace(std::slice::from_ref(&certificate), former)?;
    let mut words = Vec::new();
    let counts = old.map(|it| it.validity().1).filter(|it| *it > now);
    if let Some(until) = counts {
        words.push(format!(
            "what the old key has certified counts until {}: certify it again before",
            until.date()
        ));
    }
    words.push("take root.key off line again".into());
    Ok(renewed(folder, &certificate, &kept, words))
}

/// What is said of a key that is renewed.
fn renewed(folder: &Path, leaf: &Certificate, kept: &[PathBuf], more: Vec<String>) -> Said {
    let (name, until) = (leaf.subject(), leaf.validity().1);
    let mut lines = vec![format!("{name} certifies by a new key until {}", until.date())];
    if !kept.is_empty() {
        let names: Vec<String> = kept.iter().map(|it| it.display().to_string()).collect();
        lines.push(format!("the old ones are {}", names.join(" and ")));
    }
    lines.extend(more);
    let value = json!({ "folder": folder, "organisation": name, "until": until, "old": kept });
    Said::new(lines.join("\n  "), value)
}

fn certified(
    by: &Authority,
    name: &str,
    key: &SigningKey,
    now: Timestamp,
) -> Result<Certificate, CertError> {
    by.issue(name, &key.public(), Role::Evaluator, &[], now, now.after(YEAR * YEARS))
}

fn root_files(folder: &Path) -> [PathBuf; 2] {
    ["root.key", "root.pem"].map(|it| folder.join(it))
}

fn pair(folder: &Path) -> Pair {
    Pair { key: folder.join("evaluator.key"), certificate: folder.join("evaluator.pem") }
}

/// The root's certificate in a folder.
fn root(folder: &Path) -> Result<Certificate, Report> {
    let [_, file] = root_files(folder);
    if !file.exists() {
        let what = format!("there is no root.pem in {}", folder.display());
        return Err(Report::input(what, "give the folder that semper-sign organisation has made"));
    }
    files::root(&file)
}

/// Nobody else renews in this folder meanwhile.
fn alone(folder: &Path) -> Result<File, Report> {
    let failed = |error: std::io::Error| {
        Report::input(format!("{}: {error}", folder.display()), "check the path and the disk")
    };
    let open = File::open(folder).map_err(failed)?;
    match open.try_lock() {
        Ok(()) => Ok(open),
        Err(TryLockError::Error(error)) => Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            let what = format!("another renewal is at work in {}", folder.display());
            Err(Report::refusal(what, "wait until it has ended"))
        }
    }
}

/// The root with its key, if it can certify for long enough.
fn authority(folder: &Path, root: Certificate, now: Timestamp) -> Result<Authority, Report> {
    let [file, pem] = root_files(folder);
    let name = root.subject();
    if !file.exists() {
        let what = format!("{} is not there; “{name}” keeps it off line", file.display());
        return Err(Report::input(what, "put root.key there while the key below it is renewed"));
    }
    let until = root.validity().1;
    if renewal::is_due(until, now) {
        let ends = if until > now { "ends" } else { "ended" };
        let what = format!(
            "the root of “{name}” {ends} on {}, and no key below it holds longer",
            until.date()
        );
        let mend = "make a new root with semper-sign organisation in another folder; buyers name the old one as former, with a date";
        return Err(Report::input(what, mend));
    }
    Authority::from_parts(root, files::key(&file)?).map_err(|_| {
        let what = format!("{} is not the key of {}", file.display(), pem.display());
        Report::input(what, "put the root.key there that was made with this root.pem")
    })
}

/// The certificate in use, which must be of that root; none if it is lost.
fn present(pair: &Pair, authority: &Authority) -> Result<Option<Certificate>, Report> {
    if !pair.certificate.exists() {
        return Ok(None);
    }
    let leaf = files::certificate(&pair.certificate)?;
    match leaf.is_signed_by(&authority.certificate) {
        true => Ok(Some(leaf)),
        false => {
            let (file, root) = (pair.certificate.display(), authority.certificate.subject());
            let what = format!("{file} is not certified by the root of “{root}” beside it");
            Err(Report::input(what, "give the folder in which both were made"))
        }
    }
}
