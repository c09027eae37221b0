//! Renewal: whoever holds a certified key gets a certificate for its next one, without an invitation.
//! A certificate is renewed once; the same request again gets the same answer (it may have been lost).

use std::time::Duration;

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};
use semper_base::cert::{CertError, Revocation, Roots};
use semper_base::renewal::Renewal;
use semper_base::{Certificate, Role, Timestamp};

use super::{Ca, CaError, DAYS, Registered, names};

/// Renewals of one name in a role within [`WHILE`]: whoever holds a key does not fill our store.
const MOST_OF_ONE: u32 = 4;
/// Only certificates of our own are renewed, and we know which of them we have withdrawn.
const OWN_STORE: Revocation = Revocation::Unasked("the authority looks into its own store");
const WHILE: Duration = Duration::from_secs(30 * 86_400);

impl Ca {
    /// Certifies the next key of whoever holds a certificate of ours, under the same name, in the
    /// same role, for the same servers.
    ///
    /// # Errors
    /// The old certificate does not count any more, is another authority's, or was renewed before for
    /// another key.
    pub fn renew(&self, body: &[u8]) -> Result<Registered, CaError> {
        let now = Timestamp::now();
        let roots = Roots::new(vec![self.root.clone()]);
        let verifier = roots.asking(OWN_STORE);
        let Renewal { old, new } = Renewal::verify(body, &verifier, now)
            .map_err(|error| CaError::NotRenewed(error.to_string()))?;
        if !old.issuer.is_same_authority(&self.authority.certificate) {
            return Err(CaError::NotRenewed("it is of another authority".into()));
        }
        if new.name != old.name {
            return Err(CaError::NotRenewed(format!("the new key is for “{}”", new.name)));
        }
        if new.key == old.key {
            return Err(CaError::NotRenewed("the new key is the old one".into()));
        }
        let (serial, role) = (old.certificate.serial(), old.role);
        let names = old.certificate.server_names();
        // The names of servers stand for nobody; their addresses do.
        let who = if role == Role::Server { names.join(" ") } else { old.name.clone() };
        let mut store = self.lock();
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if names::is_revoked(&transaction, &serial)? {
            let why = CertError::Revoked { subject: old.name };
            return Err(CaError::NotRenewed(why.to_string()));
        }
        names::is_free_key(&transaction, &new.key, &old.name)?;
        let sql = "SELECT public, certificate FROM renewals WHERE serial = ?1";
        let row: Option<([u8; 32], Vec<u8>)> = transaction
            .query_row(sql, [&serial], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((public, der)) = row {
            if public != *new.key.as_bytes() {
                return Err(CaError::Renewed);
            }
            return Ok(self.registered(Certificate::from_der(&der)?));
        }
        let sql = "SELECT count(*) FROM renewals WHERE role = ?1 AND name = ?2 AND made > ?3";
        let since = now.before(WHILE).millis().cast_signed();
        let of_one = params![role.to_string(), who, since];
        let count: u32 = transaction.query_row(sql, of_one, |row| row.get(0))?;
        if count >= MOST_OF_ONE {
            return Err(CaError::Often { name: old.name });
        }
        let until = now.after(Duration::from_secs(DAYS * 86_400));
        let certificate = self.authority.issue(&old.name, &new.key, role, &names, now, until)?;
        let made = now.millis().cast_signed();
        transaction.execute(
            "INSERT INTO renewals VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![serial, role.to_string(), who, made, new.key.as_bytes(), certificate.der()],
        )?;
        transaction.commit()?;
        tracing::info!(%role, serial, "a certificate is renewed");
        Ok(self.registered(certificate))
    }
}
