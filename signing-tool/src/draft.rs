//! A service as it stands in its author's folder: looked at before anybody has signed it.

use std::path::Path;
use std::time::Duration;

use semper_base::cert::Authority;
use semper_base::{Report, Role, SigningKey, Timestamp};
use semper_trust::Layout;
use semper_trust::bundle::{self, Signer};
use semper_trust::describe::{SERVICE, TERMS};

use crate::arguments::PackArguments;
use crate::files;
use crate::service;
use crate::terms::TermsFile;

/// The file by which a folder is known to hold a service.
const DESCRIPTION: &str = "service.toml";
/// Where a folder keeps compiled code.
pub const CODE: &str = ".semper";
/// Whose name stands where nobody has signed.
const NOBODY: &str = "nobody yet";
/// The merchant of terms that nobody has signed.
const MERCHANT: &str = "Merchant";

/// A bundle, or the service in an author's folder, for whoever only looks.
pub fn examined(place: &Path) -> Result<Layout, Report> {
    if is_folder(place) {
        return layout(place, Timestamp::now());
    }
    files::bundle(place)
}

/// Whether a place is an author's folder.
pub fn is_folder(place: &Path) -> bool {
    place.join(DESCRIPTION).is_file()
}

/// The service in a folder, packed, with its terms if there are some, as of a moment. Nobody has
/// signed any of it.
pub fn layout(folder: &Path, now: Timestamp) -> Result<Layout, Report> {
    let component = |half: &str| {
        let file = folder.join(format!("{half}.wasm"));
        if file.is_file() {
            return Ok(file);
        }
        let mend = format!("semper-sign build {}", files::shown(folder));
        Err(Report::input(format!("{} is not built yet", file.display()), mend))
    };
    let pack = PackArguments {
        description: folder.join(DESCRIPTION),
        buyer: component("buyer")?,
        seller: component("seller")?,
        out: Default::default(),
    };
    let (mut layout, known, service) = service::packed(&pack, NOBODY)?;
    let terms = folder.join("terms.toml");
    if !terms.is_file() {
        return Ok(layout);
    }
    let file: TermsFile = files::parse(&terms)?;
    let description = file.described(service, &known, MERCHANT.to_owned(), now)?;
    // The layout wants a signature; it is made with a key that is thrown away, and taken out again.
    let failed = |error: semper_base::cert::CertError| Report::refusal(error, "");
    let (authority, key) = (SigningKey::generate(), SigningKey::generate());
    let authority = Authority::new(NOBODY, authority, now).map_err(failed)?;
    let until = now.after(Duration::from_secs(86_400));
    let leaf = authority.issue(MERCHANT, &key.public(), Role::Merchant, &[], now, until);
    let chain = [leaf.map_err(failed)?];
    bundle::terms(&mut layout, &description, &[], &Signer { key: &key, chain: &chain }, now);
    Ok(layout.only(&[SERVICE, TERMS])?)
}
