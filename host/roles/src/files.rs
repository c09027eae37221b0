//! Static files: how an organisation publishes bundles, reports and revocation lists with the
//! same program. Read anew each time, so that what is replaced is shown at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_base::Mend;
use serde::Deserialize;

use crate::role::{Role, RoleKind, Wrong};
use crate::surroundings::{Desk, Surroundings};
use crate::web;

/// A folder to be shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// The folder.
    pub folder: PathBuf,
}

/// Why a folder is not shown.
#[derive(Debug, thiserror::Error, Mend)]
#[error("{}: {source}", folder.display())]
#[mend(input, "give the path of a folder under [files] folder")]
pub struct FilesError {
    folder: PathBuf,
    source: std::io::Error,
}

/// A folder that is shown. Names that lead out of it lead nowhere: it is opened as a capability.
#[derive(Debug)]
pub struct Files(Dir);

impl Files {
    fn open(folder: &Path) -> Result<Self, FilesError> {
        let opened = Dir::open_ambient_dir(folder, ambient_authority());
        opened.map(Self).map_err(|source| FilesError { folder: folder.to_owned(), source })
    }

    fn show(&self, name: &str) -> Response {
        let kind = match name.rsplit('.').next() {
            Some("json") => "application/json",
            Some("html") => "text/html; charset=utf-8",
            _ => "application/octet-stream",
        };
        let hidden = name.split('/').any(|part| part.starts_with('.'));
        // Looked at first: opening a pipe would wait for whoever writes into it.
        if hidden || !self.0.metadata(name).is_ok_and(|it| it.is_file()) {
            return StatusCode::NOT_FOUND.into_response();
        }
        web::file(kind, self.0.open(name).map(|it| it.into_std()))
    }
}

impl RoleKind for Files {
    const SECTION: &'static str = "files";
    type Config = FilesConfig;
    type Error = FilesError;

    fn place(config: &mut FilesConfig, base: &Path) {
        config.folder = base.join(&config.folder);
    }

    fn check(config: &FilesConfig, wrong: &mut Wrong<FilesError>) {
        wrong.take(Self::open(&config.folder));
    }

    fn open(config: &FilesConfig, _: &Surroundings) -> Result<Arc<dyn Role>, FilesError> {
        Ok(Arc::new(Self::open(&config.folder)?))
    }
}

impl Role for Files {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        Router::new().route("/files/{*name}", get(show)).with_state(around.desk(self))
    }
}

async fn show(State(desk): State<Desk<Files>>, UrlPath(name): UrlPath<String>) -> Response {
    desk.answer("show", move |files| files.show(&name)).await
}
