//! Names: in each role a name belongs to one party, and so does every name that the eye takes for it
//! (Unicode TS 39). Servers are known by their addresses; their names stand for nobody.

use rusqlite::{Connection, OptionalExtension as _, params};
use semper_base::text::is_hidden;
use semper_base::{Certificate, PublicKey, Role, Timestamp};
use semper_trust::lookalike::{plain, suspicion};
use serde::Serialize;

use super::{Ca, CaError};

/// A certificate that the authority has issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// The role.
    pub role: String,
    /// The name.
    pub name: String,
    /// The serial number, lower-case hex.
    pub serial: String,
    /// Until when it is valid.
    pub until: Timestamp,
    /// Whether it has been withdrawn.
    pub revoked: bool,
    /// Another name in this role that the eye takes for this one.
    pub alike: Option<String>,
}

/// Whether a name can be told by looking at it.
pub(super) fn is_visible(name: &str) -> Result<(), CaError> {
    if let Some(hidden) = name.chars().find(|c| is_hidden(*c)) {
        return Err(CaError::Name(format!(
            "it has the hidden character U+{:04X}",
            u32::from(hidden)
        )));
    }
    if plain(name).is_empty() {
        return Err(CaError::Name("it has no letters".into()));
    }
    match suspicion(name, []) {
        Some(why) => Err(CaError::Name(why)),
        None => Ok(()),
    }
}

/// Whether a name may be certified in a role: nobody has it, or it is a further key of who has it.
pub(super) fn is_free(
    store: &Connection,
    name: &str,
    role: Role,
    again: bool,
) -> Result<(), CaError> {
    if role == Role::Server {
        return Ok(());
    }
    let of = (role.to_string(), plain(name));
    let sql = "SELECT name FROM names WHERE role = ?1 AND plain = ?2 AND name <> ?3 LIMIT 1";
    let other: Option<String> =
        store.query_row(sql, params![of.0, of.1, name], |row| row.get(0)).optional()?;
    let sql = "SELECT EXISTS (SELECT 1 FROM names WHERE role = ?1 AND plain = ?2 AND name = ?3)";
    let own: bool = store.query_row(sql, params![of.0, of.1, name], |row| row.get(0))?;
    match other {
        // Of before names were looked at; whoever has one of two keeps it.
        _ if own && again => Ok(()),
        _ if own => Err(CaError::Taken { name: name.into(), role }),
        Some(other) => Err(CaError::Alike { name: name.into(), other, role }),
        None => Ok(()),
    }
}

/// Whether a key may be certified under a name: it was certified under no other, and nobody has taken
/// a certificate of it back.
pub(super) fn is_free_key(store: &Connection, key: &PublicKey, name: &str) -> Result<(), CaError> {
    let sql = "SELECT certificate FROM invitations WHERE public = ?1 AND certificate IS NOT NULL
               UNION ALL SELECT certificate FROM renewals WHERE public = ?1";
    let mut statement = store.prepare_cached(sql)?;
    let rows = statement.query_map([key.as_bytes()], |row| row.get::<_, Vec<u8>>(0))?;
    for der in rows {
        let before = Certificate::from_der(&der?)?;
        if is_revoked(store, &before.serial())? || before.subject() != name {
            return Err(CaError::KeyTaken);
        }
    }
    Ok(())
}

/// Whether a key is a party's.
pub(super) fn is_party(store: &Connection, key: &PublicKey) -> Result<bool, CaError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM invitations WHERE public = ?1)
               OR EXISTS (SELECT 1 FROM renewals WHERE public = ?1)";
    Ok(store.query_row(sql, [key.as_bytes()], |row| row.get(0))?)
}

/// Whether we have given out a certificate with this serial number.
pub(super) fn is_issued(store: &Connection, serial: &str) -> Result<bool, CaError> {
    let sql = "SELECT certificate FROM invitations WHERE certificate IS NOT NULL
               UNION ALL SELECT certificate FROM renewals
               UNION ALL SELECT certificate FROM below";
    let mut statement = store.prepare(sql)?;
    for der in statement.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
        if Certificate::from_der(&der?)?.serial() == serial {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a certificate of ours is withdrawn.
pub(super) fn is_revoked(store: &Connection, serial: &str) -> Result<bool, CaError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM revoked WHERE serial = ?1)";
    Ok(store.prepare_cached(sql)?.query_row([serial], |row| row.get(0))?)
}

/// The certificates that have come of one by renewal, the next first.
pub(super) fn successors(store: &Connection, serial: &str) -> Result<Vec<Certificate>, CaError> {
    let (mut all, mut serial) = (Vec::new(), serial.to_owned());
    let sql = "SELECT certificate FROM renewals WHERE serial = ?1";
    let mut statement = store.prepare_cached(sql)?;
    while let Some(der) =
        statement.query_row([&serial], |row| row.get::<_, Vec<u8>>(0)).optional()?
    {
        let certificate = Certificate::from_der(&der)?;
        serial = certificate.serial();
        all.push(certificate);
    }
    Ok(all)
}

/// The name has been certified in this role.
pub(super) fn take(store: &Connection, name: &str, role: Role) -> Result<(), CaError> {
    let sql = "INSERT OR IGNORE INTO names VALUES (?1, ?2, ?3)";
    store.execute(sql, params![role.to_string(), plain(name), name])?;
    Ok(())
}

/// Takes up the names of a store of before they were looked at, and tells the operator of those that
/// look alike: they stay as they are.
pub(super) fn complete(store: &mut Connection) -> Result<(), CaError> {
    let sql = "SELECT DISTINCT role, name FROM invitations AS one WHERE certificate IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM names
                               WHERE names.role = one.role AND names.name = one.name)";
    let missing: Vec<(String, String)> = {
        let mut statement = store.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = store.transaction()?;
    for (role, name) in missing {
        let role: Role = role.parse()?;
        if let Err(error) = is_free(&transaction, &name, role, true) {
            tracing::warn!(%error, "names that were certified before look alike");
        }
        take(&transaction, &name, role)?;
    }
    transaction.commit()?;
    Ok(())
}

impl Ca {
    /// Every certificate that was issued: to those who were invited, to their next keys, to authorities
    /// below; by role and name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn issued(&self) -> Result<Vec<Issued>, CaError> {
        let store = self.reading();
        let sql = "SELECT role, name, certificate,
                       (SELECT names.name FROM names
                        JOIN names AS own ON own.role = names.role AND own.plain = names.plain
                        WHERE own.role = one.role AND own.name = one.name
                        AND names.name <> one.name AND one.role <> 'server' LIMIT 1)
                   FROM (SELECT role, name, made, certificate FROM invitations
                         WHERE certificate IS NOT NULL
                         UNION ALL SELECT role, name, made, certificate FROM renewals
                         UNION ALL SELECT 'authority', name, made, certificate FROM below) AS one
                   ORDER BY role, name, made";
        let mut statement = store.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let der: Vec<u8> = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, der, row.get(3)?))
        })?;
        let rows: Vec<(String, String, Vec<u8>, Option<String>)> =
            rows.collect::<Result<_, _>>()?;
        let mut all = Vec::with_capacity(rows.len());
        for (role, name, der, alike) in rows {
            let certificate = Certificate::from_der(&der)?;
            let (serial, until) = (certificate.serial(), certificate.validity().1);
            let revoked = is_revoked(&store, &serial)?;
            all.push(Issued { role, name, serial, until, revoked, alike });
        }
        Ok(all)
    }
}
