//! Reading a part of a long list: for windows, which show a screen of it at a time.

use rusqlite::params;

use super::read::{DEAL, deal, evidence};
use super::{Archive, ArchiveError};
use crate::rows::{DealRow, EvidenceRow};

const FOUND: &str = "?1 = '' OR summary LIKE ?1 ESCAPE '\\' OR signer LIKE ?1 ESCAPE '\\' \
    OR kind LIKE ?1 ESCAPE '\\'";

impl Archive {
    /// At most `most` pieces of evidence, newest first, from number `from` of those whose kind, signer
    /// or summary holds this text (all, if it is empty); and how many there are of those.
    pub fn evidence_page(
        &self,
        text: &str,
        from: usize,
        most: usize,
    ) -> Result<(Vec<EvidenceRow>, usize), ArchiveError> {
        let pattern = pattern(text);
        let sql = format!(
            "SELECT number, deal, kind, digest, signer, summary, stored, bytes FROM evidence
             WHERE number IN (SELECT number FROM evidence WHERE {FOUND}
                              ORDER BY number DESC LIMIT ?2 OFFSET ?3)
             ORDER BY number DESC"
        );
        let rows = self.rows(&sql, params![pattern, most as i64, from as i64], evidence)?;
        let sql = format!("SELECT count(*) FROM evidence WHERE {FOUND}");
        let all = self.rows(&sql, [&pattern], |row| row.get::<_, i64>(0))?.pop();
        Ok((rows, all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0)))
    }

    /// At most `most` deals, newest first, from number `from` on; and how many there are.
    pub fn deals_page(
        &self,
        from: usize,
        most: usize,
    ) -> Result<(Vec<DealRow>, usize), ArchiveError> {
        let sql = format!("SELECT {DEAL} FROM deals ORDER BY opened DESC, id LIMIT ?1 OFFSET ?2");
        let rows = self.rows(&sql, params![most as i64, from as i64], deal)?;
        let all = self.rows("SELECT count(*) FROM deals", [], |row| row.get::<_, i64>(0))?.pop();
        Ok((rows, all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0)))
    }
}

/// The pattern of LIKE for texts that hold this one; nothing for the empty text.
fn pattern(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
