//! Static files: how an organisation publishes bundles, reports and revocation lists with the
//! same program. Read anew each time, so that what is replaced is shown at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::Path as UrlPath;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::Deserialize;

use crate::web;

/// A folder to be shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The folder.
    pub folder: PathBuf,
}

/// Opens the folder; its files under `/`. Names that lead out of it lead nowhere: the folder is
/// opened as a capability.
pub fn routes(folder: &Path) -> std::io::Result<Router> {
    let dir = Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?);
    let file = move |UrlPath(name): UrlPath<String>| {
        let dir = Arc::clone(&dir);
        web::blocking(move || {
            let kind = match name.rsplit('.').next() {
                Some("json") => "application/json",
                Some("html") => "text/html; charset=utf-8",
                _ => "application/octet-stream",
            };
            let hidden = name.split('/').any(|part| part.starts_with('.'));
            match dir.read(&name) {
                Ok(bytes) if !hidden => web::bytes(kind, bytes),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        })
    };
    Ok(Router::new().route("/files/{*name}", get(file)))
}
