//! The buyer's own rules: Cedar policies, checked against the schema when they are loaded, asked
//! when grants are made. They narrow what certificates reach; they never widen it.

mod amounts;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::str::FromStr as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;
use semper_base::{Amount, Mend};

use crate::capability::Capability;
use crate::certificate::CREDENTIALS;
use crate::policy::Grants;

/// The schema, as `policies/semper.cedarschema` has it.
pub const SCHEMA: &str = include_str!("../../../../policies/semper.cedarschema");
/// The rules of a trust file that names none.
pub const ORDINARY: &str = include_str!("../../../../policies/ordinary.cedar");
/// Most policies of a trust file.
pub const MAX_POLICIES: usize = 2_000;
/// Largest policy file, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;

/// Why a policy file is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
#[error("{file}:{line}:{column}: {what}")]
#[mend(input, "compare with policies/ordinary.cedar and policies/semper.cedarschema")]
pub struct PolicyError {
    /// The name of the policy file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The fault, in Cedar's words.
    pub what: String,
}

/// Answers that are kept: a host looks at the same terms again and again.
const KEPT: usize = 16;

/// An answer: what was asked, and what came of it.
type Answer = (Grants, Facts, Grants, Vec<Decided>);

/// A set of policies that fits the schema.
#[derive(Debug)]
pub struct Policies {
    set: PolicySet,
    /// The annotations of policies, by their names: Cedar parses an annotation's name each
    /// time that it is asked for.
    said: HashMap<PolicyId, Said>,
    /// Those that look at amounts.
    amounts: Vec<(PolicyId, amounts::Conditions)>,
    /// The last answers. They follow from what was asked and the policies alone.
    kept: Mutex<VecDeque<Answer>>,
}

/// The annotations of a policy.
#[derive(Clone, Debug, Default)]
struct Said {
    says: Option<String>,
    mend: Option<String>,
}

/// The facts about a service that policies can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The service's name.
    pub name: String,
    /// The version of the service.
    pub version: String,
    /// Its author's certified name.
    pub author: String,
    /// The merchant's certified name.
    pub merchant: String,
    /// The organisations whose certificates count, by their names in the trust file.
    pub certifiers: Vec<String>,
    /// The lowest level among them.
    pub level: u32,
    /// Whether the terms are proved to be logged.
    pub logged: bool,
    /// Whether there have been deals with the merchant.
    pub known: bool,
    /// Whether something about the names is odd.
    pub suspicious: bool,
    /// Where the buyer lives.
    pub country: String,
}

/// One decision, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Decided {
    /// The question: `link semper:transfer/payments`, `pay up to 500.00 EUR`.
    pub what: String,
    /// Whether it is permitted.
    pub permitted: bool,
    /// The policies that decided; none if none permits it.
    pub by: Vec<String>,
    /// Their reason, in words.
    pub why: String,
    /// The mend of a refusal.
    pub mend: String,
}

fn schema() -> &'static Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    PARSED.get_or_init(|| {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).expect("our own schema parses");
        schema
    })
}

impl Default for Policies {
    fn default() -> Self {
        Self::parse(&[("ordinary.cedar".into(), ORDINARY.into())]).expect("our own policies parse")
    }
}

impl Policies {
    /// Parses policy files, given by name and text, and validates them against the schema.
    pub fn parse(files: &[(String, String)]) -> Result<Self, PolicyError> {
        let mut set = PolicySet::new();
        let mut amounts = Vec::new();
        let mut said = HashMap::new();
        let several = files.len() > 1;
        for (file, text) in files {
            let wrong = |at: usize, what: String| {
                let (line, column) = place(text, at);
                PolicyError { file: file.clone(), line, column, what }
            };
            if text.len() > MAX_TEXT {
                return Err(wrong(0, format!("more than {MAX_TEXT} bytes")));
            }
            let parsed = PolicySet::from_str(text).map_err(|errors| {
                let at = errors.iter().find_map(offset).unwrap_or(0);
                wrong(at, errors.to_string())
            })?;
            if parsed.templates().next().is_some() {
                return Err(wrong(0, "templates have nobody here who links them".into()));
            }
            let validated =
                Validator::new(schema().clone()).validate(&parsed, ValidationMode::Strict);
            if let Some(error) = validated.validation_errors().next() {
                return Err(wrong(offset(error).unwrap_or(0), error.to_string()));
            }
            for policy in parsed.policies() {
                let own = policy.annotation("id").map_or(policy.id().to_string(), str::to_owned);
                let id = if several { format!("{file}#{own}") } else { own };
                amounts.extend(amounts::Conditions::of(policy).map(|it| (PolicyId::new(&id), it)));
                let own = |key: &str| policy.annotation(key).map(str::to_owned);
                said.insert(PolicyId::new(&id), Said { says: own("says"), mend: own("mend") });
                set.add(policy.new_id(PolicyId::new(&id)))
                    .map_err(|_| wrong(0, format!("two policies are called “{id}”")))?;
            }
        }
        let count = set.policies().count();
        if count > MAX_POLICIES {
            let what = format!("more than {MAX_POLICIES} policies");
            return Err(PolicyError { file: files[0].0.clone(), line: 1, column: 1, what });
        }
        Ok(Self { set, said, amounts, kept: Mutex::default() })
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.set.policies().count()
    }

    /// Whether there are none: nothing is permitted then.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Narrows what certificates reach to what the policies permit; every decision with its
    /// reason.
    pub fn narrow(&self, reach: Grants, facts: &Facts) -> (Grants, Vec<Decided>) {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().iter().find(|it| it.0 == reach && it.1 == *facts).cloned();
        if let Some((_, _, grants, decided)) = known {
            return (grants, decided);
        }
        let (grants, decided) = self.decide(reach.clone(), facts);
        let mut kept = lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((reach, facts.clone(), grants.clone(), decided.clone()));
        (grants, decided)
    }

    fn decide(&self, reach: Grants, facts: &Facts) -> (Grants, Vec<Decided>) {
        let asking = Asking::new(self, &reach, facts);
        let mut grants = reach.clone();
        let mut decided = Vec::new();
        for capability in Capability::all() {
            let outcome = asking.ask("link", "Capability", capability.name(), "link ");
            if !outcome.permitted && grants.capabilities.remove(&capability) {
                grants.denied.insert(capability, format!("policy: {}", outcome.why));
            }
            decided.push(outcome);
        }
        for kind in CREDENTIALS {
            let outcome = asking.ask("present", "Credential", kind, "present ");
            if !outcome.permitted {
                grants.presents.remove(kind);
            }
            decided.push(outcome);
        }
        if let Some(reach) = reach.most {
            let (most, outcome) = asking.ceiling(reach);
            grants.most = most;
            decided.push(outcome);
        }
        (grants, decided)
    }

    /// Whether this much may be paid in a deal: asked when money moves. `reach` is what certificates
    /// reach.
    pub fn pay(&self, reach: &Grants, facts: &Facts, amount: Amount) -> Decided {
        Asking::new(self, reach, facts).pay(amount)
    }
}

fn offset(error: &(impl Diagnostic + ?Sized)) -> Option<usize> {
    error.labels()?.next().map(|label| label.offset())
}

/// Line and column of an offset, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |it| it.chars().count()) + 1;
    (line, column)
}

/// A service put before the policies.
struct Asking<'a> {
    policies: &'a Policies,
    service: EntityUid,
    principal: Entity,
    context: Context,
    named: Entities,
    level: i64,
    authorizer: Authorizer,
}

/// The types of the schema, parsed once: Cedar's parser is no quick one.
static TYPES: [(&str, OnceLock<EntityTypeName>); 5] = [
    ("Service", OnceLock::new()),
    ("Capability", OnceLock::new()),
    ("Credential", OnceLock::new()),
    ("Money", OnceLock::new()),
    ("Action", OnceLock::new()),
];

fn uid(kind: &str, id: &str) -> EntityUid {
    let (name, parsed) = TYPES.iter().find(|it| it.0 == kind).expect("a type of the schema");
    let kind = parsed.get_or_init(|| name.parse().expect("our own types' names"));
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}

fn entity(uid: EntityUid, attributes: Vec<(&str, RestrictedExpression)>) -> Entity {
    let attributes: HashMap<String, RestrictedExpression> =
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Entity::new(uid, attributes, HashSet::new()).expect("plain values evaluate")
}

impl<'a> Asking<'a> {
    fn new(policies: &'a Policies, reach: &Grants, facts: &Facts) -> Self {
        let flag = RestrictedExpression::new_bool;
        let currency = reach.most.map_or_else(String::new, |it| it.currency().code().to_owned());
        let scope = [
            ("imports", texts(reach.capabilities.iter().map(|it| it.name()))),
            ("currency", text(&currency)),
            ("ceiling", RestrictedExpression::new_long(reach.most.map_or(0, Amount::minor))),
            ("credentials", texts(reach.presents.iter().map(String::as_str))),
        ];
        let scope = scope.map(|(name, value)| (name.to_owned(), value));
        let scope = RestrictedExpression::new_record(scope).expect("no key is there twice");
        let service = uid("Service", &facts.name);
        let attributes = vec![
            ("name", text(&facts.name)),
            ("version", text(&facts.version)),
            ("author", text(&facts.author)),
            ("merchant", text(&facts.merchant)),
            ("certified", flag(reach.certified)),
            ("certifiers", texts(facts.certifiers.iter().map(String::as_str))),
            ("level", RestrictedExpression::new_long(facts.level.into())),
            ("logged", flag(facts.logged)),
            ("known", flag(facts.known)),
            ("suspicious", flag(facts.suspicious)),
            ("scope", scope),
        ];
        let principal = entity(service.clone(), attributes);
        let mut named = vec![principal.clone()];
        for capability in Capability::all() {
            let harmless = Capability::HARMLESS.contains(&capability);
            let attributes = vec![("name", text(capability.name())), ("harmless", flag(harmless))];
            named.push(entity(uid("Capability", capability.name()), attributes));
        }
        for kind in CREDENTIALS {
            named.push(entity(uid("Credential", kind), vec![("kind", text(kind))]));
        }
        let context = Context::from_pairs([("country".to_owned(), text(&facts.country))]);
        Self {
            policies,
            service,
            principal,
            context: context.expect("no key is there twice"),
            named: Entities::from_entities(named, None).expect("each is there once"),
            level: facts.level.into(),
            authorizer: Authorizer::new(),
        }
    }

    fn ask(&self, action: &str, kind: &str, id: &str, verb: &str) -> Decided {
        self.decide(action, uid(kind, id), &self.named, format!("{verb}{id}"))
    }

    fn decide(&self, action: &str, on: EntityUid, all: &Entities, what: String) -> Decided {
        let context = self.context.clone();
        let request = Request::new(self.service.clone(), uid("Action", action), on, context, None)
            .expect("without a schema nothing is refused");
        let response = self.authorizer.is_authorized(&request, &self.policies.set, all);
        let said = |id: &PolicyId| self.policies.said.get(id);
        let mut ids: Vec<&PolicyId> = response.diagnostics().reason().collect();
        ids.sort();
        let mut why: Vec<String> = ids
            .iter()
            .map(|id| match said(id).and_then(|it| it.says.as_deref()) {
                Some(says) => format!("“{id}”: {says}"),
                None => format!("“{id}”"),
            })
            .collect();
        // Nobody knows what a policy that cannot be evaluated would have said: nothing is permitted.
        let failed: Vec<String> =
            response.diagnostics().errors().map(|error| error.to_string()).collect();
        why.extend(failed.iter().cloned());
        if ids.is_empty() {
            why.insert(0, "no policy permits it".into());
        }
        let mend = ids.iter().find_map(|id| said(id)?.mend.clone()).unwrap_or_else(|| {
            "buy where it is certified for this, or permit it in your policies".into()
        });
        Decided {
            what,
            permitted: response.decision() == Decision::Allow && failed.is_empty(),
            by: ids.iter().map(|id| id.to_string()).collect(),
            why: why.join("; "),
            mend,
        }
    }

    fn pay(&self, amount: Amount) -> Decided {
        let money = uid("Money", "amount");
        let attributes = vec![
            ("currency", text(amount.currency().code())),
            ("minor", RestrictedExpression::new_long(amount.minor())),
        ];
        let both = [self.principal.clone(), entity(money.clone(), attributes)];
        let all = Entities::from_entities(both, None).expect("each is there once");
        self.decide("pay", money, &all, format!("pay up to {amount}"))
    }

    /// The highest amount up to which everything is permitted; where that cannot be told, all that
    /// certificates reach, and each amount is asked when it is paid.
    fn ceiling(&self, reach: Amount) -> (Option<Amount>, Decided) {
        if reach.minor() < 1 {
            return (None, self.pay(reach));
        }
        let known = amounts::Known { ceiling: reach.minor(), level: self.level };
        let mut asked: BTreeSet<i64> = BTreeSet::from([1, reach.minor()]);
        let all = self.policies.amounts.iter();
        let odd: Vec<&PolicyId> =
            all.filter(|(_, it)| !it.turning(known, &mut asked)).map(|it| &it.0).collect();
        if !odd.is_empty() {
            return (Some(reach), unbounded(reach, &odd));
        }
        let mut last = None;
        for minor in asked.range(1..=reach.minor()) {
            let amount = Amount::new(*minor, reach.currency());
            let decided = self.pay(amount);
            if !decided.permitted {
                return match last {
                    None => (None, decided),
                    Some((below, permitted)) => (Some(below), permitted),
                };
            }
            last = Some((amount, decided));
        }
        last.map_or_else(|| (None, self.pay(reach)), |(amount, decided)| (Some(amount), decided))
    }
}

/// No ceiling can be told because of these policies.
fn unbounded(reach: Amount, by: &[&PolicyId]) -> Decided {
    let by: Vec<String> = by.iter().map(|it| it.to_string()).collect();
    Decided {
        what: format!("pay at most {reach}, each amount asked when it is paid"),
        permitted: true,
        why: format!("up to which amount they permit cannot be told of “{}”", by.join("”, “")),
        by,
        mend: "compare resource.minor with numbers, and a ceiling is told".into(),
    }
}
