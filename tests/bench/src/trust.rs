//! Trust: verification beside its bare signatures, policies, logs, the way from a click to a
//! running component, pulling and pushing beside skopeo.

use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::Home;
use semper_base::{Digest, SigningKey};
use semper_items::Side;
use semper_keeper::Keeper;
use semper_roles::log::{Log, LogConfig};
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;
use semper_testkit::Binaries;
use semper_tlog::tree::{self, Tree};
use semper_tlog::{Checkpoint, Proof, leaf};
use semper_trust::bundle;
use semper_trust::describe::ServiceDescription;
use semper_trust::policies::{Facts, Policies};
use semper_trust::trustfile::About;
use semper_trust::verify::Described;
use semper_trust::{Capability, Grants, Knowledge, Layout, TrustFile, VerifiedTerms};
use semper_trust_tests::registry::Yard;
use semper_trust_tests::{HOUR, World, ago, eur, logged};

pub fn run() -> Result<(), Box<dyn Error>> {
    verification();
    policies();
    logs()?;
    click()?;
    moving()
}

/// Terms with three certificates and a witnessed log proof.
fn verification() {
    let world = World::new();
    let layout = logged(&world, |w, entry| w.log.prove(entry).to_string().into_bytes());
    let trust = world.trust_with_log();
    let knowledge = Knowledge::default();
    let verify = || {
        let terms = world.verify_by(&layout, &trust, &knowledge);
        black_box(terms.is_ok_and(|it| it.grants().certified && it.log().is_some()));
    };
    (0..50).for_each(|_| verify());
    // Merchant, author, three evaluators: an envelope and a certificate each; log and witness.
    let (key, message) = (SigningKey::generate(), vec![7; 1_500]);
    let signature = key.sign(&message);
    let bare = || {
        for _ in 0..12 {
            black_box(key.public().verify(&message, &signature).is_ok());
        }
    };
    (0..20).for_each(|_| bare());
    // In turns: the machine's moods hit both.
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..20 {
        ours += super::each(20, verify);
        theirs += super::each(20, bare);
    }
    let figure = "full verification with three certificates and a log proof, with grants, vs its 12 \
                  bare signature verifications (target: 1.5)";
    super::row(figure, ours / 20, theirs / 20);
    let stage = |upto: u32| {
        super::each(200, || {
            let Ok(described) = Described::parse(&layout) else { return };
            if upto == 0 {
                return;
            }
            let signed = described.signed(&layout, &trust, Some(&knowledge), world.now);
            let Ok(signed) = signed else { return };
            if upto == 1 {
                return;
            }
            let Ok(fresh) = signed.fresh(&trust, Some(&knowledge), world.now) else { return };
            let Ok(logged) = fresh.logged(&layout, &trust, true) else { return };
            if upto == 2 {
                return;
            }
            let certified = logged.certified(&layout, &trust, Some(&knowledge), world.now);
            black_box(certified.is_ok());
        })
    };
    let (described, signed, logged, certified) = (stage(0), stage(1), stage(2), stage(3));
    super::note(
        "of that, by stage",
        &format!(
            "described {described:.0?}, signed {:.0?}, fresh and logged {:.0?}, certified {:.0?}, \
             granted {:.0?}",
            signed.saturating_sub(described),
            logged.saturating_sub(signed),
            certified.saturating_sub(logged),
            (ours / 20).saturating_sub(certified),
        ),
    );
}

/// Decisions about everything that a service may want, by so many policies.
fn policies() {
    let facts = Facts {
        name: "shop".into(),
        version: "1.0.0".into(),
        author: "Ada Author".into(),
        merchant: "Otto Versand".into(),
        certifiers: vec!["verbraucherbund".into()],
        level: 2,
        logged: true,
        known: true,
        suspicious: false,
        country: "DE".into(),
    };
    let mut reach = Grants::harmless();
    reach.certified = true;
    reach.capabilities = Capability::all().collect();
    reach.most = Some(eur(50_000));
    for count in [10, 100, 1_000] {
        let mut text = semper_trust::policies::ORDINARY.to_owned();
        for number in 4..count {
            text += &format!(
                "@id(\"own-{number}\")\nforbid (principal, action == Action::\"link\", resource)\n\
                 when {{ principal.merchant == \"Somebody {number}\" }};\n"
            );
        }
        let Ok(policies) = Policies::parse(&[("own.cedar".into(), text)]) else { continue };
        let mut times: Vec<Duration> = (0..300)
            .map(|number| {
                // Another service each time: the same one's answer is kept.
                let facts = Facts { version: format!("1.0.{number}"), ..facts.clone() };
                let start = Instant::now();
                black_box(policies.narrow(reach.clone(), &facts).0.certified);
                start.elapsed()
            })
            .collect();
        times.sort();
        let decisions = policies.narrow(reach.clone(), &facts).1.len();
        super::note(
            &format!(
                "{decisions} policy decisions (all that a service may want), {count} policies"
            ),
            &format!("p50 {:.1?}, p99 {:.1?}", times[150], times[297]),
        );
    }
}

/// Appends by many at once, and the size of proofs.
fn logs() -> Result<(), Box<dyn Error>> {
    const ENTRIES: u32 = 4_000;
    const THREADS: u32 = 32;
    let folder = tempfile::tempdir()?;
    let world = World::new();
    let root = folder.path().join("root.pem");
    let (_, own, evaluator) = &world.organisations[0];
    std::fs::write(&root, own.certificate.to_pem())?;
    let home = folder.path().join("log");
    Log::create(&home, "log.example/terms")?;
    let config = LogConfig { home, authorities: vec![root], witness: Vec::new(), quorum: 0 };
    let keeper = Keeper::new("bench");
    let log = Log::open(&config, &keeper)?;
    let (layout, _) = world.service_bundle(&world.service());
    let entries: Vec<Vec<u8>> = (0..ENTRIES)
        .map(|level| {
            let mut one = layout.clone();
            let mut certificate = world.certificate(0);
            certificate.level = level;
            let digest =
                bundle::certify(&mut one, About::Service, certificate, &evaluator.signer())?;
            Ok(one.blob(&digest)?.to_vec())
        })
        .collect::<Result<_, semper_trust::LayoutError>>()?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in entries.chunks(ENTRIES.div_ceil(THREADS) as usize) {
            let log = &log;
            scope.spawn(move || part.iter().for_each(|it| assert!(log.add(it).is_ok())));
        }
    });
    let each = start.elapsed() / ENTRIES;
    super::note(
        &format!("log: statements a second, {THREADS} at once, each checked, durable, proved"),
        &format!("{:.0}", 1.0 / each.as_secs_f64()),
    );
    for size in [1_000_u64, 1_000_000] {
        let mut tiles = std::collections::HashMap::new();
        let mut tree = Tree::new();
        let flat = |hashes: &[Digest]| -> Vec<u8> {
            hashes.iter().flat_map(|it| *it.as_bytes()).collect()
        };
        let start = Instant::now();
        for entry in 0..size {
            tree.append(leaf(&entry.to_be_bytes()), |level, number, hashes| {
                tiles.insert(tree::path(level, number, hashes.len()), flat(hashes));
            });
        }
        let grown = start.elapsed();
        for (level, number, hashes) in tree.partial() {
            tiles.insert(tree::path(level, number, hashes.len()), flat(hashes));
        }
        let start = Instant::now();
        let path = tree::prove(size, tree.root(), size / 3, |name| tiles.get(name).cloned())?;
        let proved = start.elapsed();
        let origin = "log.example/terms".to_owned();
        let mut checkpoint = Checkpoint { origin, size, root: tree.root() }.sign(&world.log.key)?;
        checkpoint.cosign("witness.example/one", &world.log.witness, world.now)?;
        let proof = Proof { index: size / 3, path, checkpoint }.to_string();
        super::note(
            &format!("log of {size} entries: a proof with one witness"),
            &format!("{} bytes, made in {proved:.1?}; the tree grown in {grown:.1?}", proof.len()),
        );
    }
    Ok(())
}

/// A bundle with mail-order's components, certified.
fn shop(world: &World) -> Result<Layout, Box<dyn Error>> {
    let guests = Binaries::beside()?.guests;
    let buyer = std::fs::read(guests.join("mail_order_buyer.wasm"))?;
    let seller = std::fs::read(guests.join("mail_order_seller.wasm"))?;
    let service = ServiceDescription {
        buyer: Digest::of(&buyer),
        seller: Digest::of(&seller),
        ..world.service()
    };
    let before = ago(world.now, HOUR);
    let (mut layout, digest) =
        bundle::service(&service, buyer, seller, &world.author.signer(), before);
    let mut terms = world.terms(digest);
    terms.texts.clear();
    bundle::terms(&mut layout, &terms, &[], &world.merchant.signer(), before);
    (0..3).for_each(|it| world.certify(&mut layout, it, |_| {}));
    Ok(layout)
}

/// From a click to a component that is ready: fetched from a registry on loopback, verified,
/// compiled.
fn click() -> Result<(), Box<dyn Error>> {
    let yard = Yard::new();
    let registry = yard.registry("one");
    let world = World::new();
    let place = format!("registry://{}/otto/terms:current", registry.host);
    yard.push(&shop(&world)?, &place);
    let trust: TrustFile = world.trust();
    let folder = tempfile::tempdir()?;
    let home = Arc::new(Home::create(&folder.path().join("home"))?);
    let program = Binaries::beside()?.semper;
    for way in ["cold", "warm (fetched, code in the cache)"] {
        let runtime = Runtime::new(
            Compiler::new(Arc::clone(&home), program.clone())?,
            &Keeper::new("bench"),
        )?;
        let start = Instant::now();
        let layout = yard.pull(&place)?;
        let fetched = start.elapsed();
        let knowledge = Knowledge::default();
        let terms = VerifiedTerms::verify(&layout, &trust, Some(&knowledge), world.now)?;
        let verified = start.elapsed() - fetched;
        runtime.ready(&terms, Side::Buyer)?;
        let whole = start.elapsed();
        let ready = whole - verified - fetched;
        super::note(
            &format!("from a click to a component that is ready, {way}"),
            &format!(
                "{whole:.1?}: fetched {fetched:.1?}, verified {verified:.1?}, compiled and linked \
                 {ready:.1?}"
            ),
        );
    }
    Ok(())
}

/// A bundle of 48 MiB that does not compress.
fn large(world: &World) -> Layout {
    let mut noise = Vec::with_capacity(48 << 20);
    let mut block = Digest::of(b"noise");
    while noise.len() < 48 << 20 {
        block = Digest::of(block.as_bytes());
        noise.extend_from_slice(block.as_bytes());
    }
    let service = ServiceDescription { buyer: Digest::of(&noise), ..world.service() };
    let before = ago(world.now, HOUR);
    let seller = semper_trust_tests::other_component();
    let (mut layout, digest) =
        bundle::service(&service, noise, seller, &world.author.signer(), before);
    let mut terms = world.terms(digest);
    terms.texts.clear();
    bundle::terms(&mut layout, &terms, &[], &world.merchant.signer(), before);
    layout
}

/// A bundle of 48 MiB, pulled and pushed by us and copied by skopeo, from and into a folder.
fn moving() -> Result<(), Box<dyn Error>> {
    use semper_trust_tests::registry::{PASSWORD, USER};
    let yard = Yard::new();
    let registry = yard.registry("one");
    let layout = large(&World::new());
    let folder = yard.path().join("big").display().to_string();
    semper_distribution::push(&layout, &folder.parse()?, &yard.fetcher(None), &())?;
    let place = format!("registry://{}/otto/big:current", registry.host);
    yard.push(&layout, &place);
    let sign = Binaries::beside()?.sign.display().to_string();
    let (host, credentials) = (&registry.host, format!("{USER}:{PASSWORD}"));
    let timed = |program: &str, arguments: &[&str]| -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        let done = Command::new(program).args(arguments).current_dir(yard.path()).output()?;
        let taken = start.elapsed();
        if done.status.success() {
            return Ok(taken);
        }
        Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
    };
    let own = ["--root", "certs/ca.crt", "--user", USER, "--password-file", "password"];
    let skopeo = ["copy", "--all", "--insecure-policy"];
    let source = ["--src-cert-dir", "certs", "--src-creds", &credentials];
    let target = ["--dest-cert-dir", "certs", "--dest-creds", &credentials];
    let mut best = [Duration::MAX; 4];
    for round in 0..3 {
        let name = format!("docker://{host}/otto");
        let pull = ["pull", &place, "--out", &format!("ours-{round}")];
        let from = [&format!("{name}/big:current"), &format!("oci:theirs-{round}:current")];
        // Into a repository that has nothing of it yet.
        let push = ["push", "--bundle", "big", &format!("registry://{host}/otto/ours-{round}:1")];
        let to = ["oci:big", &format!("{name}/theirs-{round}:1")];
        let runs = [
            timed(&sign, &[&pull[..], &own[..]].concat())?,
            timed("skopeo", &[&skopeo[..], &source[..], &from.map(String::as_str)[..]].concat())?,
            timed(&sign, &[&push[..], &own[..]].concat())?,
            timed("skopeo", &[&skopeo[..], &target[..], &to[..]].concat())?,
        ];
        for (best, run) in best.iter_mut().zip(runs) {
            *best = (*best).min(run);
        }
    }
    let [pulled, copied, pushed, sent] = best;
    let size = "of a bundle of 48 MiB vs skopeo copy (best of 3)";
    super::row(&format!("semper-sign pull {size}"), pulled, copied);
    super::row(&format!("semper-sign push {size}"), pushed, sent);
    Ok(())
}
