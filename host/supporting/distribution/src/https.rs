//! A layout's files below an address, as any web server can show them.

use semper_base::Digest;
use semper_net::Method;
use semper_trust::layout::Source;
use semper_trust::{Layout, LayoutError};

use crate::fetch::as_layout;
use crate::{Fetcher, MoveError, Progress};

/// Fetches the layout below `base`.
pub fn pull(base: &str, fetcher: &Fetcher, progress: &dyn Progress) -> Result<Layout, MoveError> {
    let base = base.trim_end_matches('/').to_owned();
    Ok(Layout::read(Remote { base, fetcher, progress })?)
}

struct Remote<'a> {
    base: String,
    fetcher: &'a Fetcher,
    progress: &'a dyn Progress,
}

impl Source for Remote<'_> {
    fn read(&mut self, name: &str, most: usize) -> Result<Vec<u8>, LayoutError> {
        let url = format!("{}/{name}", self.base);
        let digest = name.strip_prefix("blobs/sha256/").and_then(|it| Digest::from_hex(it).ok());
        if let Some(digest) = digest {
            // A descriptor names the exact size.
            return self
                .fetcher
                .blob(&url, "", &digest, most as u64, self.progress)
                .map_err(|error| as_layout(error, &url));
        }
        let answer = self
            .fetcher
            .ask(Method::Get, &url, &[], &[], "", most)
            .map_err(|error| as_layout(error, &url))?;
        match answer.status {
            200 => {
                self.progress.at(name, answer.body.len() as u64, answer.body.len() as u64);
                Ok(answer.body)
            }
            404 => Err(LayoutError::Missing(url)),
            status => Err(LayoutError::Io { name: url, detail: format!("status {status}") }),
        }
    }
}
