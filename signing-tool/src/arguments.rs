//! The commands and their help.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::language::Language;

/// Which commands are whose.
const WHOSE: &str = "\
Authors begin here:    semper-sign new my-shop --language rust
  then                 build, try, check, exercise; service (pack and sign in one) with key and csr
Organisations:         organisation; inspect, check, exercise, report, diff; certify, delegate, revoke
Merchants:             terms, publish, log; pull, push, copy; digest, verify
Every entry of service.toml, terms.toml, certificate.toml and try.toml: semper-sign reference

semper-sign COMMAND --help explains a command, with an example. Wrong input exits with 2 and says how to
mend it, a refusal with 1.";

/// Make, examine, certify and publish services and terms of business.
#[derive(Parser)]
#[command(name = "semper-sign", version, max_term_width = 100, after_help = WHOSE)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make an Ed25519 key (PKCS#8 PEM, readable by you alone).
    #[command(after_help = "Example: semper-sign key --out author.key")]
    Key {
        /// Where to write it; a file that is there is not overwritten.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make a certificate request (PKCS#10) for a key.
    #[command(
        visible_alias = "request",
        after_help = "Example: semper-sign csr --key author.key --name \"Ada Author\" --out author.csr"
    )]
    Csr {
        /// The key.
        #[arg(long)]
        key: PathBuf,
        /// The name to be certified, as the registration key was given out for it.
        #[arg(long)]
        name: String,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Set up a consumer organisation: its own root, and the key that it certifies with; or renew that key.
    Organisation(OrganisationArguments),
    /// Begin a service: a folder with both halves, terms and tests, which builds, plays and sells at
    /// once.
    #[command(
        after_help = "Example: semper-sign new my-shop --language rust\nIt prints the commands that come next, from here to a purchase."
    )]
    New(NewArguments),
    /// Build a service's two components with its language's own tools.
    #[command(
        after_help = "Example: semper-sign build my-shop\nThe components are buyer.wasm and seller.wasm in that folder."
    )]
    Build {
        /// The folder that `new` made.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// As FOLDER; kept for scripts.
        #[arg(long = "folder", value_name = "FOLDER", hide = true, conflicts_with = "folder")]
        named: Option<PathBuf>,
    },
    /// Play a service's two halves against each other, and show step by step what each did.
    Try(TryArguments),
    /// Pack two components and a description into a bundle that nobody has signed yet.
    #[command(
        after_help = "Example: semper-sign pack --author \"Ada Author\" --description service.toml --buyer buyer.wasm --seller seller.wasm --out bundle"
    )]
    Pack {
        #[command(flatten)]
        pack: PackArguments,
        /// The author's certified name.
        #[arg(long)]
        author: String,
    },
    /// Sign a packed service as its author.
    #[command(
        after_help = "Example: semper-sign sign --bundle bundle --key author.key --certificate author.pem"
    )]
    Sign {
        /// The bundle.
        #[arg(long)]
        bundle: PathBuf,
        #[command(flatten)]
        signer: SignerArguments,
    },
    /// Make a bundle of a service: packed and signed in one step.
    #[command(
        after_help = "Example: semper-sign service --description service.toml --buyer buyer.wasm --seller seller.wasm --key author.key --certificate author.pem --out bundle"
    )]
    Service {
        #[command(flatten)]
        pack: PackArguments,
        #[command(flatten)]
        signer: SignerArguments,
    },
    /// Add a merchant's terms to a service's bundle, signed by the merchant.
    Terms(TermsArguments),
    /// Publish a bundle: have it logged, then put it where buyers fetch it.
    Publish(PublishArguments),
    /// Show what is in a bundle: artifacts, components, what each import allows, flow, parameters.
    #[command(after_help = "Example: semper-sign inspect --bundle bundle")]
    Inspect {
        /// The bundle, or the folder of a service that is built.
        #[arg(long)]
        bundle: PathBuf,
    },
    /// Draw the flow.
    #[command(
        after_help = "Example: semper-sign draw --bundle bundle --out flow.svg --property seller-bound"
    )]
    Draw {
        /// The bundle, or the folder of a service that is built.
        #[arg(long)]
        bundle: PathBuf,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        /// Mark the counterexample of this property.
        #[arg(long)]
        property: Option<String>,
        /// Write Graphviz's language instead of SVG.
        #[arg(long)]
        dot: bool,
    },
    /// Show what changed between two versions: code, imports, flow, parameters, texts.
    #[command(after_help = "Example: semper-sign diff --old bundle-1.0 --new bundle-1.1")]
    Diff {
        /// The older bundle.
        #[arg(long)]
        old: PathBuf,
        /// The newer bundle.
        #[arg(long)]
        new: PathBuf,
    },
    /// Check the flow against what buyers may expect; counterexamples for what does not hold.
    #[command(after_help = "Example: semper-sign check --bundle bundle")]
    Check {
        /// The bundle, or the folder of a service that is built.
        #[arg(long)]
        bundle: PathBuf,
    },
    /// Run both components against each other and against forgers, and report what is unfair.
    Exercise(ExerciseArguments),
    /// Examine a bundle in every way and write one HTML page about it.
    #[command(
        after_help = "Example: semper-sign report --bundle bundle --out report.html --runs 1000"
    )]
    Report {
        #[command(flatten)]
        exercise: ExerciseArguments,
        /// The page to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Certify the service (or the terms) in a bundle, as a consumer organisation.
    Certify(CertifyArguments),
    /// Say that what another organisation certifies, you certify.
    Delegate(DelegateArguments),
    /// Say that something no longer holds: begin or extend your revocation list.
    Revoke(RevokeArguments),
    /// Transparency logs: have statements logged, watch a log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Fetch a bundle from wherever it lies.
    #[command(
        after_help = "Example: semper-sign pull registry://localhost:5000/otto/terms:current --root ca.pem --out bundle"
    )]
    Pull {
        /// https://…, registry://host:port/name:tag, a folder or a .tar file; oci:folder:name or
        /// oci-archive:file:name, as skopeo writes them.
        from: String,
        /// The folder or .tar file to write.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        net: NetArguments,
    },
    /// Put a bundle into a registry, a folder or a .tar file.
    #[command(
        after_help = "Example: semper-sign push --bundle bundle registry://localhost:5000/otto/terms:current --root ca.pem"
    )]
    Push {
        /// The bundle.
        #[arg(long)]
        bundle: PathBuf,
        /// registry://host:port/name:tag, a folder or a .tar file.
        to: String,
        #[command(flatten)]
        net: NetArguments,
    },
    /// Copy a bundle from one place to another.
    #[command(after_help = "Example: semper-sign copy https://otto.example/files/terms terms.tar")]
    Copy {
        /// Whence.
        from: String,
        /// Whither.
        to: String,
        #[command(flatten)]
        net: NetArguments,
    },
    /// Explain every entry of service.toml, terms.toml, certificate.toml and try.toml; every limit, every
    /// rule. With --json, the JSON schemas.
    #[command(after_help = "Example: semper-sign reference | less")]
    Reference,
    /// Print the digests by which service and terms are known.
    #[command(after_help = "Example: semper-sign digest --bundle bundle")]
    Digest {
        /// The bundle.
        #[arg(long)]
        bundle: PathBuf,
    },
    /// Verify a bundle as a buyer with this trust file would.
    Verify(VerifyArguments),
    /// Print completions for a shell: bash, zsh, fish, elvish, powershell.
    #[command(
        after_help = "Example: semper-sign completions bash > /etc/bash_completion.d/semper-sign"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages.
    #[command(after_help = "Example: semper-sign man --out man1")]
    Man {
        /// The folder to write them to.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
pub enum LogCommand {
    /// Have every statement of a bundle logged, and put the proofs into it.
    #[command(
        after_help = "Example: semper-sign log add --bundle bundle --url https://log.example --log-key log.vkey --root ca.pem"
    )]
    Add {
        /// The bundle.
        #[arg(long)]
        bundle: PathBuf,
        #[command(flatten)]
        log: LogAt,
        #[command(flatten)]
        net: NetArguments,
    },
    /// Show every statement that is new in a log, and in whose name; catch a log that changes
    /// its past. In a third party's log of verdicts: two verdicts about one exchange, missing
    /// lines, verdicts about your own exchanges, changes of its key; exits with 1 if there are any
    /// of the first three.
    Monitor(MonitorArguments),
}

#[derive(Args)]
pub struct LogAt {
    /// The log's address.
    #[arg(long)]
    pub url: String,
    /// The log's key (name+hash+key), or the file that it stands in.
    #[arg(long = "log-key")]
    pub key: String,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign log monitor --url https://log.example --log-key log.vkey --name \"Otto Versand\" --state otto.watch --root ca.pem\nA third party's: semper-sign log monitor --url https://third.example:8446/verdicts --log-key third.vkey --evidence exchange.cbor --state third.watch --root ca.pem"
)]
pub struct MonitorArguments {
    #[command(flatten)]
    pub log: LogAt,
    /// In a log of verdicts: an exchange in which you took part (exchange:…); may be given several
    /// times.
    #[arg(long)]
    pub exchange: Vec<String>,
    /// In a log of verdicts: what you have kept of an exchange (semper archive save); each verdict
    /// in it must have its line. May be given several times.
    #[arg(long)]
    pub evidence: Vec<PathBuf>,
    /// Show only statements in this name; may be given several times.
    #[arg(long)]
    pub name: Vec<String>,
    /// Where what has been seen is remembered.
    #[arg(long)]
    pub state: PathBuf,
    #[command(flatten)]
    pub net: NetArguments,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper-sign organisation --name Verbraucherbund --out verbraucherbund\n  semper-sign organisation --renew --out verbraucherbund\nThe second has the root in the folder certify another key under the same name, for three years; root.key must lie there while it works. Buyers go on by the root that they have. The old key and certificate are kept as evaluator-DATE.key and evaluator-DATE.pem.\nWhatever was interrupted is done by the same command again."
)]
#[command(group(ArgGroup::new("which").required(true).args(["name", "renew"])))]
pub struct OrganisationArguments {
    /// The organisation's name.
    #[arg(long)]
    pub name: Option<String>,
    /// Renew the key that certifies, by the root in the folder.
    #[arg(long)]
    pub renew: bool,
    /// The folder to make, or to renew the key in: root.pem, root.key, evaluator.pem, evaluator.key.
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Args)]
pub struct SignerArguments {
    /// The signer's key.
    #[arg(long)]
    pub key: PathBuf,
    /// The signer's certificate, with those of its issuers below the root.
    #[arg(long)]
    pub certificate: PathBuf,
}

#[derive(Args)]
pub struct NewArguments {
    /// The service's name: lower-case letters, digits and hyphens.
    #[arg(required_unless_present = "named")]
    pub name: Option<String>,
    /// The language that it is written in.
    #[arg(long)]
    pub language: Language,
    /// The folder to make; its name is the service's if none is given.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// As NAME; kept for scripts.
    #[arg(long = "name", value_name = "NAME", hide = true, conflicts_with = "name")]
    pub named: Option<String>,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign try my-shop --watch\nPersons, bank, catalogue and clock are played, by try.toml in the folder; no keys are needed, and nobody \
is paid. The exit code is 1 if a half does not end as a deal ends, or not as [expect] in the play says."
)]
pub struct TryArguments {
    /// The folder of the service, built.
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// The play, instead of try.toml in the folder.
    #[arg(long, value_name = "FILE", conflicts_with = "tests")]
    pub play: Option<PathBuf>,
    /// try.toml and all plays of the folder tests/, a line each.
    #[arg(long)]
    pub tests: bool,
    /// The number of the deal, instead of the play's own.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Go on: build and play again whenever a file changes.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Args)]
pub struct PackArguments {
    /// Name, version, flow, parameters (TOML).
    #[arg(long)]
    pub description: PathBuf,
    /// The buyer's component.
    #[arg(long)]
    pub buyer: PathBuf,
    /// The seller's component.
    #[arg(long)]
    pub seller: PathBuf,
    /// The folder or .tar file to make.
    #[arg(long)]
    pub out: PathBuf,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign terms --bundle bundle --description terms.toml --text en=terms.en.md --key otto.key --certificate otto.pem\nWithout --description every value is asked for at the terminal."
)]
pub struct TermsArguments {
    /// The bundle.
    #[arg(long)]
    pub bundle: PathBuf,
    /// Serial number, parameters, payment, validity (TOML); asked for without it.
    #[arg(long)]
    pub description: Option<PathBuf>,
    /// A text for people: language=file; may be given several times.
    #[arg(long)]
    pub text: Vec<String>,
    #[command(flatten)]
    pub signer: SignerArguments,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign publish --bundle bundle --to registry://localhost:5000/otto/terms:current --log https://log.example --log-key log.vkey --root ca.pem"
)]
pub struct PublishArguments {
    /// The bundle.
    #[arg(long)]
    pub bundle: PathBuf,
    /// A folder that a server shows, a .tar file, or registry://host:port/name:tag.
    #[arg(long)]
    pub to: String,
    /// The transparency log's address.
    #[arg(long, requires = "log_key")]
    pub log: Option<String>,
    /// The log's key (name+hash+key), or the file that it stands in.
    #[arg(long)]
    pub log_key: Option<String>,
    #[command(flatten)]
    pub net: NetArguments,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign certify --bundle bundle --description certificate.toml --report report.html --key evaluator.key --certificate evaluator.pem"
)]
pub struct CertifyArguments {
    /// The bundle.
    #[arg(long)]
    pub bundle: PathBuf,
    /// Criteria, level, scope, report, validity (TOML).
    #[arg(long)]
    pub description: PathBuf,
    /// Certify the merchant's terms, not the service.
    #[arg(long)]
    pub terms: bool,
    /// The report; its digest stands in the certificate.
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// The bundle of the version that this one replaces.
    #[arg(long)]
    pub predecessor: Option<PathBuf>,
    #[command(flatten)]
    pub signer: SignerArguments,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign delegate --bundle bundle --to konsument/root.pem --criteria https://semper.example/criteria/consumer/1 --level 2 --key evaluator.key --certificate evaluator.pem"
)]
pub struct DelegateArguments {
    /// The bundle that the other organisation has certified.
    #[arg(long)]
    pub bundle: PathBuf,
    /// The other organisation's root certificate.
    #[arg(long)]
    pub to: PathBuf,
    /// For which criteria; may be given several times.
    #[arg(long, required = true)]
    pub criteria: Vec<String>,
    /// To which level at most.
    #[arg(long)]
    pub level: u32,
    /// How often it may delegate on.
    #[arg(long, default_value_t = 0)]
    pub depth: u8,
    /// For how many days.
    #[arg(long, default_value_t = 365)]
    pub days: u64,
    #[command(flatten)]
    pub signer: SignerArguments,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper-sign revoke --list revocations.json --what sha256:… --reason unfair --root root.pem --key evaluator.key --certificate evaluator.pem\nWithout --what the list is only renewed: it must be, before its next update is due."
)]
pub struct RevokeArguments {
    /// The list, begun if it is not there.
    #[arg(long)]
    pub list: PathBuf,
    /// The digest of a service, of terms, of a certificate; may be given several times.
    #[arg(long)]
    pub what: Vec<String>,
    /// key-compromise, superseded, unfair, defect or withdrawn.
    #[arg(long, default_value = "withdrawn")]
    pub reason: String,
    /// Hours until the next list is due.
    #[arg(long, default_value_t = 168)]
    pub hours: u64,
    /// The root behind the signer's certificate.
    #[arg(long)]
    pub root: PathBuf,
    #[command(flatten)]
    pub signer: SignerArguments,
}

#[derive(Args, Clone)]
#[command(
    after_help = "Example: semper-sign exercise --bundle bundle --runs 1000 --seed 1996\nThere must be terms: they fix the parameters. The exit code is 1 if something unfair was found."
)]
pub struct ExerciseArguments {
    /// The bundle, or the folder of a service that is built.
    #[arg(long)]
    pub bundle: PathBuf,
    /// How many deals are played.
    #[arg(long, default_value_t = 1_000)]
    pub runs: u64,
    /// Where the randomness begins: the same seed plays the same deals.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Args)]
#[command(after_help = "Example: semper-sign verify --bundle bundle --trust policies/trust.toml")]
pub struct VerifyArguments {
    /// The bundle.
    #[arg(long)]
    pub bundle: PathBuf,
    /// The trust file.
    #[arg(long)]
    pub trust: PathBuf,
    /// A signed revocation list; may be given several times.
    #[arg(long)]
    pub list: Vec<PathBuf>,
    /// An authority's revocation list (DER or PEM), beside those that the home of the trust file
    /// keeps; may be given several times.
    #[arg(long)]
    pub crl: Vec<PathBuf>,
    /// As of this moment (RFC 3339) instead of now.
    #[arg(long)]
    pub at: Option<String>,
}

#[derive(Args, Clone)]
pub struct NetArguments {
    /// A root certificate (PEM) that vouches for servers, of any kind of key; may be given several
    /// times. For registries and other places of bundles the operating system's count as well.
    #[arg(long)]
    pub root: Vec<PathBuf>,
    /// The name to give to the registry or server, if it asks. Without it, what docker has stored
    /// for the registry is taken (config.json, credential helpers).
    #[arg(long, requires = "password_file")]
    pub user: Option<String>,
    /// A file with the password.
    #[arg(long)]
    pub password_file: Option<PathBuf>,
    /// A name and a password for one host: host=name:password-file; may be given several times.
    #[arg(long)]
    pub login: Vec<String>,
    /// Ask this host first: registry-host=mirror-host; may be given several times.
    #[arg(long)]
    pub mirror: Vec<String>,
    /// Let yourself be redirected to this host; may be given several times.
    #[arg(long)]
    pub redirect: Vec<String>,
    /// A folder in which fetched blobs are kept, and broken fetches resumed.
    #[arg(long)]
    pub cache: Option<PathBuf>,
}
