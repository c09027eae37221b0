//! Receipts: what they show is what was signed, whatever is written into them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use semper_base::cert::{Authority, Revocation, Roots, Verifier};
use semper_base::{Amount, Certificate, Digest, Role, SealSecret, SigningKey, Timestamp};
use semper_examine::attest::{Hand, Piece};
use semper_examine::receipt::Receipt;
use semper_examine::receipt::file::{Checked, check};
use semper_items::agreement::{Attributes, Hello};
use semper_items::statement::{Offer, Order, PaymentConfirmation, Receipt as Received};
use semper_items::{Agreement, Content, DealKeys, Kind, SignedStatement, Statement};

const NOW: u64 = 1_790_000_000_000;

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(NOW + minutes * 60_000).unwrap()
}

/// Somebody with a certificate.
struct Person {
    name: String,
    key: SigningKey,
    chain: Vec<Certificate>,
}

/// A town with an authority, a buyer, a seller and a bank, and one deal between them.
struct Town {
    verifier: Verifier,
    agreement: Agreement,
    buyer: Person,
    seller: Person,
    bank: Person,
    pieces: Vec<Piece>,
}

impl Town {
    fn new(buyer: &str, seller: &str) -> Self {
        let day = std::time::Duration::from_secs(86_400);
        let authority = Authority::new("Root", SigningKey::generate(), at(0).before(day)).unwrap();
        let person = |name: &str, role| {
            let key = SigningKey::generate();
            let (from, until) = (at(0).before(day), at(0).after(day * 300));
            let own = authority.issue(name, &key.public(), role, &[], from, until).unwrap();
            Person { name: name.to_owned(), key, chain: vec![own] }
        };
        let (buyer, seller) = (person(buyer, Role::Buyer), person(seller, Role::Merchant));
        let bank = person("Sparbank", Role::Bank);
        let keys = |seed: u8| DealKeys {
            sign: SigningKey::from_seed(&[seed; 32]).public(),
            seal: SealSecret::from_seed(&[seed; 32]).public(),
        };
        let hello = Hello {
            nonce: Digest::of(b"one"),
            terms: Digest::of(b"terms"),
            merchant: seller.name.clone(),
            buyer: buyer.name.clone(),
            keys: keys(1),
            attributes: Attributes::default(),
            payment: vec!["purse@Sparbank".into()],
            made: at(0),
        };
        let agreement = Agreement {
            hello,
            nonce: Digest::of(b"two"),
            keys: keys(2),
            payment: "purse@Sparbank".into(),
            countersign_by: at(10),
            expires: at(10_000),
        };
        let signed = |person: &Person| Piece {
            kind: "agreement".into(),
            bytes: agreement.sign(&person.key, person.chain.clone()),
        };
        let pieces = vec![signed(&buyer), signed(&seller)];
        let root = authority.certificate.clone();
        let verifier = Roots::new(vec![root]).asking(Revocation::EVIDENCE);
        Self { verifier, agreement, buyer, seller, bank, pieces }
    }

    /// Adds a signed statement; its name.
    fn signs(&mut self, who: fn(&Self) -> &Person, content: Content, minute: u64) -> Digest {
        let statement = Statement { deal: self.agreement.id(), made: at(minute), content };
        let person = who(self);
        let bytes = SignedStatement::sign(&statement, &person.key, person.chain.clone()).unwrap();
        let kind = statement.content.kind().name().to_owned();
        self.pieces.push(Piece { kind, bytes });
        Digest::of(&statement.encode().unwrap())
    }

    /// A whole purchase of something with this title.
    fn purchase(&mut self, title: &str, street: &str) {
        let Content::Offer(mut offer) = Kind::Offer.example() else { unreachable!() };
        offer.lines[0].title = title.into();
        let total = offer.total;
        let offer = self.signs(|it| &it.seller, Content::Offer(Offer { ..offer }), 1);
        let Content::Order(mut order) = Kind::Order.example() else { unreachable!() };
        (order.offer, order.ship_to.street) = (offer, street.into());
        let order = self.signs(|it| &it.buyer, Content::Order(Order { ..order }), 2);
        let Content::PaymentConfirmation(paid) = Kind::PaymentConfirmation.example() else {
            unreachable!()
        };
        let paid = PaymentConfirmation { purpose: order, amount: total, ..paid };
        let payment = self.signs(|it| &it.bank, Content::PaymentConfirmation(paid), 3);
        let receipt = Received { order, payment, amount: total };
        self.signs(|it| &it.seller, Content::Receipt(receipt), 4);
    }

    fn receipt(&self) -> Receipt {
        Receipt::draw(self.pieces.clone(), &self.verifier).unwrap()
    }

    fn check(&self, file: &[u8]) -> Checked {
        check(file, &self.verifier).unwrap()
    }
}

fn town() -> Town {
    let mut town = Town::new("Anna Berg", "Otto Versand");
    town.purchase("woollen scarf", "Lindenweg 4");
    town
}

#[test]
fn a_receipt_says_who_signed_what_when_and_certified_by_whom() {
    let town = town();

    for file in [town.receipt().html().into_bytes(), town.receipt().pdf()] {
        let checked = town.check(&file);
        assert_eq!(checked.found.wrong, Vec::<String>::new());
        let who: Vec<(&str, &str)> =
            checked.signed.iter().map(|it| (it.kind.as_str(), it.signer.as_str())).collect();
        assert_eq!(
            who,
            [
                ("agreement", "Anna Berg"),
                ("agreement", "Otto Versand"),
                ("offer", "Otto Versand"),
                ("order", "Anna Berg"),
                ("payment-confirmation", "Sparbank"),
                ("receipt", "Otto Versand"),
            ]
        );
        assert!(checked.signed.iter().all(|it| it.certified_by == "Root"));
        assert!(checked.signed.iter().all(|it| it.by == Hand::Certificate));
        assert_eq!(checked.signed[5].made, at(4));
    }
    let page = town.receipt().html();
    for words in ["<h1>Receipt</h1>", "44.88 EUR", "woollen scarf", "Lindenweg 4", "Sparbank"] {
        assert!(page.contains(words), "{words}\n{page}");
    }
}

#[test]
fn the_same_evidence_gives_the_same_file_and_the_evidence_stands_by_itself() {
    let town = town();
    assert_eq!(town.receipt().html(), town.receipt().html());
    assert_eq!(town.receipt().pdf(), town.receipt().pdf());

    let page = town.receipt().html();
    let json = page.split_once("id=\"evidence\">").unwrap().1.split_once("</script>").unwrap().0;

    let checked = town.check(json.as_bytes());
    assert_eq!((checked.form.words(), checked.found.wrong.len()), ("evidence of a receipt", 0));
}

#[test]
fn every_change_to_the_text_of_a_page_is_found() {
    let town = town();
    let page = town.receipt().html();
    let changes = [
        ("44.88 EUR</td>", "54.88 EUR</td>"),
        ("Otto Versand, certified", "Otto Versand GmbH, certified"),
        ("2026-09-21", "2026-09-20"),
        ("woollen scarf", "silken scarf"),
        ("<h1>Receipt</h1>", "<h1>Receipt of 1000.00 EUR</h1>"),
        ("</body>", "<p>and a bottle of wine</p></body>"),
        ("color: #111", "display: none"),
        ("default-src 'none'", "default-src *"),
        ("\"signer\":\"Otto Versand\"", "\"signer\":\"Otto Vertrieb\""),
        ("\"format\"", "\"more\":1,\"format\""),
    ];
    for (what, with) in changes {
        let changed = page.replacen(what, with, 1);
        assert_ne!(changed, page, "{what}");

        let wrong = town.check(changed.as_bytes()).found.wrong;

        assert_eq!(wrong.len(), 1, "{what}");
        assert!(wrong[0].contains("not what its evidence says: line"), "{what}: {wrong:?}");
    }
}

#[test]
fn every_change_to_the_text_of_a_pdf_is_found() {
    let town = town();
    let pdf = town.receipt().pdf();
    let replace = |what: &[u8], with: &[u8]| -> Vec<u8> {
        let at = pdf.windows(what.len()).position(|it| it == what).unwrap();
        [&pdf[..at], with, &pdf[at + what.len()..]].concat()
    };
    for changed in [
        replace(b"44.88 EUR", b"54.88 EUR"),
        replace(b"Otto Versand", b"Otto Vertrie"),
        replace(b"/Courier-Bold", b"/Courier-Blah"),
        [pdf.as_slice(), b"\n"].concat(),
    ] {
        let wrong = town.check(&changed).found.wrong;
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("not what its evidence says"), "{wrong:?}");
    }
    // Saved again by a program that packs everything, it has no evidence that can be found.
    let packed = check(b"%PDF-1.7\nnothing of it", &town.verifier).unwrap_err();
    assert!(packed.to_string().contains("no evidence can be found in this PDF"), "{packed}");
}

#[test]
fn a_changed_signature_and_a_stranger_s_signature_are_found_by_kind() {
    let town = town();
    for index in 0..town.pieces.len() {
        let mut pieces = town.pieces.clone();
        let last = pieces[index].bytes.len() - 1;
        pieces[index].bytes[last] ^= 1;
        let kind = pieces[index].kind.clone();
        let error = Receipt::draw(pieces, &town.verifier).unwrap_err().to_string();
        assert!(error.contains(&kind), "{kind}: {error}");
    }
    // Everything is in order, but for people whom nobody here believes.
    let others = Town::new("Anna Berg", "Otto Versand");
    let wrong = check(town.receipt().html().as_bytes(), &others.verifier).unwrap().found.wrong;
    assert!(wrong[0].contains("no signature of the buyer that holds"), "{wrong:?}");
}

#[test]
fn nobody_signs_for_another_and_no_statement_comes_from_another_deal() {
    // The buyer signs a receipt for herself.
    let mut town = town();
    let amount: Amount = "44.88 EUR".parse().unwrap();
    let forged = Received { order: Digest::of(b"o"), payment: Digest::of(b"p"), amount };
    town.signs(|it| &it.buyer, Content::Receipt(forged), 5);
    let error = Receipt::draw(town.pieces.clone(), &town.verifier).unwrap_err().to_string();
    assert!(error.contains("Anna Berg, who does not make it"), "{error}");

    // A receipt of the same people in another deal.
    let mut town = self::town();
    town.agreement.nonce = Digest::of(b"another deal");
    town.purchase("something else", "Lindenweg 4");
    let error = Receipt::draw(town.pieces, &town.verifier).unwrap_err().to_string();
    assert!(error.contains("another deal"), "{error}");
}

#[test]
fn hostile_texts_are_drawn_as_texts() {
    let hostile = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>&lt;",
        ") Tj ET endstream endobj << /JS (x) >>",
        "שלום עולם 44.88 EUR",
        "مرحبا بالعالم",
        "e\u{301}\u{301}\u{301}\u{301} 👩‍👩‍👧 \u{3042}",
        "\"}],\"evidence\":[]}\\u003c/script",
    ];
    for text in hostile {
        let mut town = Town::new("Anna <b>Berg</b>", "Otto & \"Söhne\"");
        town.purchase(text, text);

        let (page, pdf) = (town.receipt().html(), town.receipt().pdf());

        assert_eq!(page.matches("<script").count(), 1, "{text}");
        assert_eq!(page.matches("</script>").count(), 1, "{text}");
        assert!(!page.contains("<img") && !page.contains("<b>"), "{text}");
        let printed = String::from_utf8_lossy(&pdf);
        assert_eq!(
            printed.matches("\nendstream").count(),
            1 + printed.matches("/Type /Page\n").count(),
            "{text}"
        );
        for file in [page.as_bytes(), &pdf] {
            let checked = town.check(file);
            assert_eq!(checked.found.wrong, Vec::<String>::new(), "{text}");
        }
    }
    // In a PDF letters that Courier lacks are written by their numbers, and not turned round.
    let mut town = Town::new("Anna Berg", "Otto Versand");
    town.purchase("שלום", "Lindenweg 4");
    let pdf = String::from_utf8_lossy(&town.receipt().pdf()).to_uppercase();
    // The line has a “×”, so it is written as numbers, too.
    let numbers: String =
        "[U+05E9][U+05DC][U+05D5][U+05DD]".bytes().map(|it| format!("{it:02X}")).collect();
    assert!(pdf.contains(&numbers), "{pdf}");
    assert!(town.receipt().html().contains("<bdi dir=\"auto\">2 × שלום"));
}

#[test]
fn what_is_no_receipt_is_refused_with_a_reason() {
    let town = town();
    let deep = "[".repeat(100_000);
    let long = format!("{{\"format\":\"{}\"}}", "x".repeat(100_000));
    for file in ["", "{}", "[]", "{\"format\":\"\\u001b[2J\"}", "<html>", "%PDF", &deep, &long] {
        let error = check(file.as_bytes(), &town.verifier).unwrap_err().to_string();
        assert!(error.len() < 500 && !error.contains('\u{1b}'), "{error}");
    }
    // A receipt's form with nothing in it has no agreement.
    let empty = b"{\"format\":\"semper-receipt-v1\",\"evidence\":[]}";
    let wrong = town.check(empty).found.wrong;
    assert!(wrong[0].contains("no signature of the buyer that holds"), "{wrong:?}");
}
