//! A party with keys, money and goods.

use std::time::Duration;

use semper_base::PublicKey;
use semper_base::{Amount, Digest, SigningKey, Timestamp, keys};
use semper_exchange::crypto::Signed;
use semper_exchange::item::EscrowCertificate;
use semper_exchange::manager::Secret;
use semper_exchange::negotiation::{self, Offered, Propose, Refusal, Select, Wishes};
use semper_exchange::standard::{Keys, Standard};
use semper_exchange::{
    Agreed, Fairness, Half, Item, Mode, Money, Party, Protocol, Role, ThirdParty,
};

use crate::goods::{Goods, Prepared, prepare};

/// What somebody gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signature under a statement.
    Statement,
    /// A signature that no affidavit may replace.
    Autograph,
    /// Information, escrowed.
    Information(Vec<u8>),
    /// Information that the third party has certified.
    Certified(Vec<u8>),
    /// Information, and what its description promises instead.
    False(Vec<u8>, Vec<u8>),
    /// Money, in the modes that its payer likes.
    Money(i64, Vec<Mode>),
}

/// A party.
pub struct Trader {
    /// Keys of this exchange, and what it has.
    pub keys: Keys<Goods>,
    /// The seed of the keys, for a process that acts for it.
    pub seed: [u8; 32],
    /// Its account.
    pub account: String,
    /// What it gives.
    pub gives: Vec<Offered<Standard>>,
    /// What it must keep of that.
    pub secrets: Vec<Secret<Standard>>,
    /// Encrypted information that it sends before.
    pub sealed: Vec<Prepared>,
}

/// Who certifies escrows: the third party's own keys.
pub type Certifier<'a> = dyn Fn(&Prepared) -> Signed<Standard, EscrowCertificate<Standard>> + 'a;

impl Trader {
    /// A trader with this account, who gives this. `payee` is the other side's account.
    pub fn new(
        account: &str,
        payee: &str,
        bank: PublicKey,
        gives: &[Kind],
        certify: &Certifier<'_>,
    ) -> Self {
        let seed = keys::random();
        let keys = Keys::new(SigningKey::from_seed(&seed), Goods::default());
        let mut trader = Self {
            seed,
            account: account.into(),
            gives: Vec::new(),
            secrets: Vec::new(),
            sealed: Vec::new(),
            keys,
        };
        for (index, kind) in gives.iter().enumerate() {
            trader.add(index, kind, payee, bank, certify);
        }
        trader
    }

    fn add(
        &mut self,
        index: usize,
        kind: &Kind,
        payee: &str,
        bank: PublicKey,
        certify: &Certifier<'_>,
    ) {
        let signer = self.keys.public();
        let statement = |affidavit| Item::Statement {
            statement: Digest::of(format!("statement {index}").as_bytes()),
            signer,
            affidavit,
        };
        let mut certified = false;
        let (ways, secret) = match kind {
            Kind::Statement => (vec![statement(true)], Secret::Nothing),
            Kind::Autograph => (vec![statement(false)], Secret::Nothing),
            Kind::Money(minor, modes) => {
                let money = |mode: &Mode| {
                    Item::Money(Money {
                        module: "purse".into(),
                        mode: *mode,
                        amount: Amount::new(*minor, "EUR".parse().unwrap()),
                        payee: payee.into(),
                        bank,
                    })
                };
                (modes.iter().map(money).collect(), Secret::Nothing)
            }
            Kind::Information(plain) => self.information(prepare(plain, None), None),
            Kind::False(plain, promised) => self.information(prepare(plain, Some(promised)), None),
            Kind::Certified(plain) => {
                let prepared = prepare(plain, None);
                let certificate = certify(&prepared);
                certified = true;
                self.information(prepared, Some(Box::new(certificate)))
            }
        };
        self.gives.push(Offered { path: index.to_string(), ways, certified });
        self.secrets.push(secret);
    }

    fn information(
        &mut self,
        prepared: Prepared,
        certificate: Option<Box<Signed<Standard, EscrowCertificate<Standard>>>>,
    ) -> (Vec<Item<Standard>>, Secret<Standard>) {
        let seed = || Digest::from_bytes(keys::random());
        let (escrowed, peers) = prepared.shares.clone();
        let secret = Secret::Shares { escrowed, peers, seeds: (seed(), seed()), certificate };
        let item = Item::Information(prepared.leaf.clone());
        self.sealed.push(prepared);
        (vec![item], secret)
    }

    /// What it wishes.
    pub fn wishes(
        &self,
        role: Role,
        third: &ThirdParty<Standard>,
        now: Timestamp,
    ) -> Wishes<Standard> {
        Wishes {
            deal: Digest::of(b"a deal"),
            party: Party { sign: self.keys.public(), seal: self.keys.seal_public() },
            gives: self.gives.clone(),
            roles: vec![role],
            third_parties: vec![third.clone()],
            fairness: Fairness::Weak,
            protocols: Protocol::ALL.to_vec(),
            accept_by: now.after(Duration::from_secs(60)),
            close_by: now.after(Duration::from_secs(7 * 24 * 3600)),
            dispute_ms: 0,
            clauses: Digest::of(b"clauses"),
            nonce: Digest::from_bytes(keys::random()),
            fees: None,
        }
    }

    /// The other side's encrypted information has come.
    pub fn receive(&self, peer: &Self) {
        for prepared in &peer.sealed {
            self.keys.goods().keep(&prepared.leaf, &prepared.sealed);
        }
    }
}

/// A negotiation between two: N1, N2, and the agreement that each makes of them by itself.
///
/// # Errors
/// Why nothing follows.
pub fn agree(
    originator: &Trader,
    responder: &Trader,
    third: &ThirdParty<Standard>,
    adjust: impl Fn(&mut Wishes<Standard>),
) -> Result<Agreed<Standard>, Refusal> {
    let now = Timestamp::now();
    let mut one = originator.wishes(Role::Originator, third, now);
    adjust(&mut one);
    let deal = one.deal;
    let propose = Propose { wishes: one, answers: None };
    let propose = Signed::new(&originator.keys, deal, propose).unwrap();
    let mut other = responder.wishes(Role::Responder, third, now);
    adjust(&mut other);
    let (select, agreed) = negotiation::answer(&propose, other)?;
    let select: Signed<Standard, Select<Standard>> =
        Signed::new(&responder.keys, deal, select).unwrap();
    let same = negotiation::agree(&propose, &select)?;
    assert_eq!(agreed.id(), same.id(), "both make the same agreement");
    responder.receive(originator);
    originator.receive(responder);
    Ok(agreed)
}

/// The third party's certificate of an escrow, made with its own keys.
pub fn certify(
    third: &Keys,
    seal: &semper_base::SealPublic,
    prepared: &Prepared,
) -> Signed<Standard, EscrowCertificate<Standard>> {
    use semper_exchange::Crypto as _;
    let bound = prepared.leaf.escrowed;
    let seed = Digest::from_bytes(keys::random());
    let body = EscrowCertificate {
        cipher: prepared.leaf.cipher,
        content: prepared.leaf.content,
        escrowed: bound,
        escrow: Standard::seal(seal, Half::Escrowed, &bound, &prepared.shares.0, &seed),
    };
    Signed::new(third, bound, body).unwrap()
}
