//! What is attached to a manifest: by the API of 1.1, or by the fallback tag.
//!
//! A list that cannot be had is an error and never an empty one: fewer certificates would make
//! another bundle of it. Only status 404 says that there is nothing.

use std::collections::BTreeSet;

use semper_base::Digest;
use semper_trust::layout::{Descriptor, INDEX};
use serde_json::Value;

use super::{OURS, Registry};
use crate::address::whither;
use crate::fetch::{Answer, said};
use crate::{MoveError, Progress};

/// Bytes of one page of a list (the specification lets documents have 4 MiB).
pub(super) const MAX_LIST: usize = 4 * 1024 * 1024;
/// Most pages of a list.
const MAX_PAGES: usize = 64;

/// A list of manifests, as its pages gave it.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Descriptors, with whatever others have written into them.
    pub entries: Vec<Value>,
    /// The first page, as a whole.
    pub document: Value,
    /// By what the server knows this state of the list again.
    pub etag: Option<String>,
}

impl Registry<'_> {
    /// What of ours refers to a manifest. A mirror's list may be old, so the registry itself is
    /// asked as well.
    pub(super) fn referrers(
        &self,
        host: &str,
        subject: &Digest,
        progress: &dyn Progress,
    ) -> Result<Vec<Descriptor>, MoveError> {
        let own = self.own();
        let mut all = self.attached(own, subject, progress);
        if host != own {
            all = match (all, self.attached(host, subject, progress)) {
                (Ok(own), Ok(mirrored)) => Ok(own.into_iter().chain(mirrored).collect()),
                (Err(error), Ok(mirrored)) => {
                    progress.told(&format!(
                        "{host} alone was asked what is attached; what came later may be missing: \
                         {error}"
                    ));
                    Ok(mirrored)
                }
                (own, Err(_)) => own,
            };
        }
        let mut seen = BTreeSet::new();
        Ok(all?.into_iter().filter(|it| seen.insert(it.digest)).collect())
    }

    fn attached(
        &self,
        host: &str,
        subject: &Digest,
        progress: &dyn Progress,
    ) -> Result<Vec<Descriptor>, MoveError> {
        let url = self.url(host, &format!("referrers/{subject}"));
        let list = match self.pages(&url, true, progress)? {
            Some(list) => list,
            None => self.noted(host, subject, progress)?.unwrap_or_default(),
        };
        list.entries.into_iter().filter_map(|it| ours(&url, it).transpose()).collect()
    }

    /// The list under a fallback tag; `None` if there is none.
    pub(super) fn noted(
        &self,
        host: &str,
        subject: &Digest,
        progress: &dyn Progress,
    ) -> Result<Option<List>, MoveError> {
        let url = self.url(host, &format!("manifests/{}", fallback(subject)));
        self.pages(&url, false, progress)
    }

    /// All pages of a list. `None` if the server has no such list: 404; and where the server may
    /// not know of such lists at all (`api`), whatever says so.
    fn pages(
        &self,
        first: &str,
        api: bool,
        progress: &dyn Progress,
    ) -> Result<Option<List>, MoveError> {
        let mut list = List::default();
        let mut url = first.to_owned();
        for page in 0..MAX_PAGES {
            let answer = self.get(&url, MAX_LIST, progress)?;
            match answer.status {
                200 => {}
                404 if page == 0 => return Ok(None),
                // Servers of before 1.1 have other words for what they do not know.
                400 | 405 | 406 | 501 if page == 0 && api => return Ok(None),
                status => {
                    return Err(MoveError::Status { url, status, said: said(&answer.body) });
                }
            }
            let Some((document, entries)) = parsed(&answer) else {
                // A page for people; or the subject itself, where a registry takes the tag for
                // its digest.
                let strange = page == 0 && (api || is_subject(first, &answer.body));
                let why = "what it lists is no list of manifests".to_owned();
                return if strange { Ok(None) } else { Err(MoveError::Protocol { url, why }) };
            };
            if page == 0 {
                list.etag = answer.headers.get("etag").cloned();
                list.document = document;
            }
            list.entries.extend(entries);
            match answer.headers.get("link").and_then(|it| next(it)) {
                Some(to) => url = whither(&url, &to, |host| self.fetcher.agreed(host))?,
                None => return Ok(Some(list)),
            }
        }
        let why = format!("its list has more than {MAX_PAGES} pages");
        Err(MoveError::Protocol { url: first.to_owned(), why })
    }
}

/// The tag under which referrers stand in registries of 1.0.
pub(super) fn fallback(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// A page as a document and its entries, if it is one of a list.
fn parsed(answer: &Answer) -> Option<(Value, Vec<Value>)> {
    let document: Value = serde_json::from_slice(&answer.body).ok()?;
    let typed = |it: &str| it.split(';').next().is_some_and(|it| it.trim() == INDEX);
    let said = answer.headers.get("content-type").is_some_and(|it| typed(it))
        || document["mediaType"].as_str().is_some_and(typed);
    let entries = match &document["manifests"] {
        Value::Array(all) => all.clone(),
        Value::Null if said => Vec::new(),
        _ => return None,
    };
    (said || document["schemaVersion"] == 2).then_some((document, entries))
}

/// Whether a server has answered with the very manifest whose referrers were asked for.
fn is_subject(url: &str, body: &[u8]) -> bool {
    url.ends_with(&fallback(&Digest::of(body)))
}

/// The descriptor of an entry, if that belongs to bundles or may do so.
fn ours(url: &str, entry: Value) -> Result<Option<Descriptor>, MoveError> {
    let kind = entry["artifactType"].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
    if kind.as_deref().is_some_and(|it| !OURS.contains(&it)) {
        return Ok(None);
    }
    match serde_json::from_value::<Descriptor>(entry) {
        Ok(descriptor) => Ok(Some(Descriptor { artifact_type: kind, ..descriptor })),
        // Somebody else's, in a form of their own.
        Err(_) if kind.is_none() => Ok(None),
        Err(error) => {
            let why = format!("an entry of its list is not readable: {error}");
            Err(MoveError::Protocol { url: url.to_owned(), why })
        }
    }
}

/// The address of the next page (RFC 8288), if there is one.
fn next(link: &str) -> Option<String> {
    link.split('<').skip(1).find_map(|part| {
        let (address, parameters) = part.split_once('>')?;
        let parameters = parameters.to_ascii_lowercase();
        let is_next = parameters.split(';').any(|it| {
            let (name, value) = it.split_once('=').unwrap_or((it, ""));
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim() == "rel" && value.split(' ').any(|it| it == "next")
        });
        is_next.then(|| address.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_as_servers_write_it() {
        for (link, to) in [
            ("</v2/x/referrers/d?after=2>; rel=\"next\"", Some("/v2/x/referrers/d?after=2")),
            ("<https://h/x>;rel=next", Some("https://h/x")),
            ("<a>; rel=\"prev\", <b>; title=\"c\"; rel=\"last next\"", Some("b")),
            ("<a>; rel=\"prev\"", None),
            ("<a>; rel=\"nextish\"", None),
            ("nonsense", None),
        ] {
            assert_eq!(next(link).as_deref(), to, "{link}");
        }
    }
}
