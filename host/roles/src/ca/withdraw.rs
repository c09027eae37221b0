//! What an authority withdraws: certificates of its own, and nothing else. And what it shows of what its
//! root has withdrawn.

use std::path::Path;

use rusqlite::params;
use semper_base::cert::Crl;
use semper_base::{Certificate, Timestamp};

use super::{Ca, CaError, LIST_OF_ROOT, TLS, names};

/// What a revocation has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The serial number that is on the list now.
    pub serial: String,
    /// What has come of the certificate by renewal, and has not been withdrawn: whoever had the key
    /// may have renewed it.
    pub left: Vec<Certificate>,
}

impl Ca {
    /// Withdraws a certificate of ours by its serial number, as people write them.
    ///
    /// # Errors
    /// It is no serial number, or none that we have given out: a slip of the pen must not leave the
    /// certificate that was meant in use.
    pub fn revoke(&self, serial: &str) -> Result<Revoked, CaError> {
        let plain = serial.trim().replace(':', "").to_ascii_lowercase();
        if semper_base::digest::unhex(&plain).is_none_or(|it| it.is_empty() || it.len() > 20) {
            return Err(CaError::Serial(serial.chars().take(80).collect()));
        }
        let own = self.own_server().is_some_and(|it| it.serial() == plain);
        match own || names::is_issued(&self.lock(), &plain)? {
            true => self.withdraw(plain),
            false => Err(CaError::NotIssued(plain)),
        }
    }

    /// Withdraws a certificate that we have signed, also if our store does not know it any more.
    ///
    /// # Errors
    /// It is of another authority.
    pub fn revoke_certificate(&self, certificate: &Certificate) -> Result<Revoked, CaError> {
        if !certificate.is_signed_by(&self.authority.certificate) {
            let (subject, issuer) = (certificate.subject(), certificate.issuer());
            return Err(CaError::Foreign { subject, issuer });
        }
        self.withdraw(certificate.serial())
    }

    /// The certificate of the authority's own server, which is in no table.
    fn own_server(&self) -> Option<Certificate> {
        let pem = std::fs::read_to_string(self.file.with_file_name(TLS)).ok()?;
        Certificate::chain_from_pem(&pem).ok().map(|mut chain| chain.swap_remove(0))
    }

    fn withdraw(&self, serial: String) -> Result<Revoked, CaError> {
        let sql = "INSERT OR IGNORE INTO revoked VALUES (?1, ?2)";
        let store = self.lock();
        store.execute(sql, params![serial, Timestamp::now().millis().cast_signed()])?;
        let mut left = Vec::new();
        for it in names::successors(&store, &serial)? {
            if !names::is_revoked(&store, &it.serial())? {
                left.push(it);
            }
        }
        Ok(Revoked { serial, left })
    }

    /// What is wrong with the root's list that this authority shows; nothing if it is itself a root.
    pub(super) fn lack_of_list(&self, now: Timestamp) -> Option<String> {
        match &*self.between {
            [] => None,
            _ => lack_of_list(self.file.parent()?, now),
        }
    }
}

/// What is wrong with the root's list in the home of an authority below it.
pub(super) fn lack_of_list(home: &Path, now: Timestamp) -> Option<String> {
    let pem = std::fs::read_to_string(home.join(LIST_OF_ROOT));
    match pem.ok().and_then(|pem| Crl::from_pem(&pem).ok()) {
        None => Some("is not there".into()),
        Some(list) if list.next_update() <= now => {
            Some(format!("was good until {}", list.next_update().date()))
        }
        Some(_) => None,
    }
}
