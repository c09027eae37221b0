//! Receipts that carry their evidence, and files that are checked without a home.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use semper_base::cert::{Revocation, Roots, Verifier};
use semper_base::text::counted;
use semper_base::{Certificate, Report};
use semper_examine::receipt::Receipt;
use semper_examine::receipt::file::{self, Checked, MAX_FILE};
use semper_roles::party::Party;
use serde_json::json;

use crate::look::find;
use crate::print;

/// Prints a receipt of a deal, or of an entry.
pub fn receipt(home: &Path, what: &str, out: &Path) -> Result<(), Report> {
    let party = Party::open(home)?;
    let (row, number) = match what.parse::<i64>().ok().map(|it| party.archive.piece(it)) {
        Some(Ok(Some(item))) => {
            let deal = item.deal.ok_or_else(|| {
                let what = format!("number {} belongs to no deal", item.number);
                Report::input(what, "semper archive list shows the deals of entries")
            })?;
            (find(&party, &deal.hex())?, Some(item.number))
        }
        Some(Err(error)) => return Err(error.into()),
        _ => (find(&party, what)?, None),
    };
    let verifier = party.trust_of(&row)?.authorities.asking(Revocation::EVIDENCE);
    let receipt = Receipt::of_deal(&party.archive, &verifier, &row, number)?;
    let bytes = match out.extension().and_then(|it| it.to_str()) {
        Some("html" | "htm") => receipt.html().into_bytes(),
        Some("pdf") => receipt.pdf(),
        _ => {
            let what = format!("{} is neither .html nor .pdf", out.display());
            return Err(Report::input(what, "give --out a name that ends in .html or .pdf"));
        }
    };
    print::write_private(out, &bytes).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out")
    })?;
    let count = receipt.attested().signed.len();
    let title = &receipt.page().title;
    let words = format!("{title}, with {count} signatures as its evidence, in {}", out.display());
    print::said(&words, &json!({ "file": out, "title": title, "signatures": count }))
}

/// Whether an argument names a file rather than a deal: deals are named by digits.
pub fn is_file(what: &str) -> bool {
    let digits = what.strip_prefix("deal:").unwrap_or(what).trim_end_matches('…');
    !digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// Checks a receipt or an exported deal.
pub fn verify(
    name: &str,
    home: Option<&Path>,
    authorities: &[PathBuf],
    as_json: bool,
) -> Result<(), Report> {
    let verifier = believed(home, authorities)?;
    let bytes = read(name)?;
    let checked = file::check(&bytes, &verifier)?;
    if as_json {
        print::json(&checked)?;
    } else {
        show(&checked);
    }
    let wrong = checked.found.wrong.len();
    if wrong == 0 {
        return Ok(());
    }
    let mend = "do not rely on it; keep it as it is, and ask whoever made it";
    Err(Report::refusal(counted(wrong, "thing does not hold", "things do not hold"), mend))
}

fn show(checked: &Checked) {
    let deal = checked.deal.map_or_else(String::new, |deal| format!(" of {deal}"));
    print::line(&format!("{}{deal}", checked.form.words()));
    for line in &checked.found.right {
        print::line(&format!("  right  {line}"));
    }
    for line in &checked.found.wrong {
        print::line(&format!("  WRONG  {line}"));
    }
}

/// Whom the file is checked by: the authorities that are named, or those of a home.
fn believed(home: Option<&Path>, authorities: &[PathBuf]) -> Result<Verifier, Report> {
    if !authorities.is_empty() {
        let root = |file: &PathBuf| -> Result<Certificate, Report> {
            Certificate::from_pem(&print::read(file)?).map_err(|error| {
                let what = format!("{}: {error}", file.display());
                Report::input(what, "name the root certificate of an authority (PEM)")
            })
        };
        let roots = authorities.iter().map(root).collect::<Result<_, _>>()?;
        return Ok(Roots::new(roots).asking(Revocation::EVIDENCE));
    }
    let home = home.ok_or_else(|| {
        let mend = "--authority root.pem, or --home for those that a home believes";
        Report::input("no authority is named that certifies the signers", mend)
    })?;
    Ok(Party::look(home)?.trust.authorities.asking(Revocation::EVIDENCE))
}

fn read(name: &str) -> Result<Vec<u8>, Report> {
    let failed = |error: std::io::Error| {
        Report::input(
            format!("{name}: {error}"),
            "name a receipt, an exported deal, or a deal by its digits",
        )
    };
    let mut bytes = Vec::new();
    File::open(name).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("{name} has more than {MAX_FILE} bytes");
        return Err(Report::input(what, "name a receipt or an exported deal"));
    }
    Ok(bytes)
}
