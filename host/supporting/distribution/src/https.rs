//! A layout's files below an address, as any web server can show them.

use std::cell::RefCell;

use semper_base::Digest;
use semper_net::Method;
use semper_trust::layout::Source;
use semper_trust::{Layout, LayoutError};

use crate::fetch::{Wish, said};
use crate::{Fetcher, MoveError, Progress};

/// Fetches the layout below `base`.
pub fn pull(base: &str, fetcher: &Fetcher, progress: &dyn Progress) -> Result<Layout, MoveError> {
    let base = base.trim_end_matches('/').to_owned();
    let failed = RefCell::default();
    let read = Layout::read(Remote { base, fetcher, progress, failed: &failed });
    read.map_err(|error| failed.take().unwrap_or_else(|| error.into()))
}

struct Remote<'a> {
    base: String,
    fetcher: &'a Fetcher,
    progress: &'a dyn Progress,
    /// What went wrong, in more words than a layout has.
    failed: &'a RefCell<Option<MoveError>>,
}

impl Remote<'_> {
    fn get(&self, url: &str, name: &str, most: usize) -> Result<Vec<u8>, MoveError> {
        let digest = name.strip_prefix("blobs/sha256/").and_then(|it| Digest::from_hex(it).ok());
        if let Some(digest) = digest {
            // A descriptor names the exact size.
            return self.fetcher.blob(url, "", &digest, most as u64, self.progress);
        }
        let wish = Wish { method: Method::Get, url, headers: &[], body: &[], scope: "", most };
        let answer = self.fetcher.ask(wish, self.progress)?;
        match answer.status {
            200 => {
                self.progress.at(name, answer.body.len() as u64, answer.body.len() as u64);
                Ok(answer.body)
            }
            // The first file that is asked for.
            404 if name == "oci-layout" => Err(MoveError::NoBundle(self.base.clone())),
            404 => Err(LayoutError::Missing(url.to_owned()).into()),
            status => {
                let (url, said) = (url.to_owned(), said(&answer.body));
                Err(MoveError::Status { url, status, said })
            }
        }
    }
}

impl Source for Remote<'_> {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let url = format!("{}/{name}", self.base);
        self.get(&url, name, most).map_err(|error| keep(self.failed, error, &url))
    }
}

/// Keeps an error for whoever reads the layout; the layout has it in its own words.
pub(crate) fn keep(
    failed: &RefCell<Option<MoveError>>,
    error: MoveError,
    name: &str,
) -> LayoutError {
    match error {
        MoveError::Layout(error) => error,
        error => {
            let short = LayoutError::Io { name: name.to_owned(), detail: error.to_string() };
            failed.replace(Some(error));
            short
        }
    }
}
