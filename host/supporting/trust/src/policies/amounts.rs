//! Where a decision about an amount of money can change.
//!
//! Cedar says yes or no to one amount at a time. To say up to which amount a set of policies permits a
//! payment, the amounts are found at which any of its comparisons can turn, or any of its sums can
//! overflow: between two of them nothing changes. That works as long as the amount is only added,
//! subtracted, and multiplied by numbers that are known. Policies that reckon otherwise are named, and
//! no ceiling is told.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// Most ways in which one number of a policy can come about.
const MAX_WAYS: usize = 64;

/// The numbers of a service that policies can compare an amount with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// `principal.scope.ceiling`.
    pub ceiling: i64,
    /// `principal.level`.
    pub level: i64,
}

/// A number of a policy: `by` times the amount, and `and` added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    by: i128,
    and: i128,
}

/// What an expression is, as far as the amount matters.
enum Term {
    /// A number, in each of the ways in which it can come about.
    Number(Vec<Line>),
    /// Something that does not depend on the amount, or a truth whose turning points are noted.
    Other,
}

/// The policy reckons with the amount in a way that is not followed here.
struct NotFollowed;

/// An expression as Cedar writes it in JSON: the amount's turning points are collected from it.
struct Reading<'a> {
    known: Known,
    points: &'a mut BTreeSet<i64>,
}

/// The conditions of a policy that looks at amounts; `None` if they cannot be read.
#[derive(Debug)]
pub(super) struct Conditions(Option<Value>);

impl Conditions {
    /// Those of a policy, if it looks at amounts.
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        match policy.to_json() {
            Ok(mut json) => {
                let conditions = json.get_mut("conditions").map(Value::take);
                conditions.filter(mentions).map(|it| Self(Some(it)))
            }
            Err(_) => Some(Self(None)),
        }
    }

    /// Adds the amounts at which they can turn; false if those cannot be told.
    pub(super) fn turning(&self, known: Known, points: &mut BTreeSet<i64>) -> bool {
        let Some(Value::Array(conditions)) = &self.0 else { return false };
        let mut reading = Reading { known, points };
        conditions.iter().all(|it| it.get("body").is_some_and(|body| reading.term(body).is_ok()))
    }
}

impl Reading<'_> {
    fn term(&mut self, expression: &Value) -> Result<Term, NotFollowed> {
        let object = expression.as_object().ok_or(NotFollowed)?;
        let (operator, inner) = object.iter().next().ok_or(NotFollowed)?;
        match operator.as_str() {
            "Value" => Ok(match inner.as_i64() {
                Some(number) => Term::Number(vec![Line { by: 0, and: number.into() }]),
                None => Term::Other,
            }),
            "." => self.attribute(inner),
            "+" | "-" | "*" => self.reckoned(operator, inner),
            "neg" => {
                let zero = vec![Line { by: 0, and: 0 }];
                let negated = self.number(inner.get("arg").ok_or(NotFollowed)?)?;
                self.combined("-", &zero, &negated)
            }
            "<" | "<=" | ">" | ">=" | "==" | "!=" => self.compared(inner),
            "if-then-else" => self.either(inner),
            "&&" | "||" => {
                self.term(left(inner)?)?;
                self.term(right(inner)?)?;
                Ok(Term::Other)
            }
            "!" => self.term(inner.get("arg").ok_or(NotFollowed)?).map(|_| Term::Other),
            // Whatever else there is may not touch the amount.
            _ if mentions(inner) => Err(NotFollowed),
            _ => Ok(Term::Other),
        }
    }

    fn attribute(&self, inner: &Value) -> Result<Term, NotFollowed> {
        let number = |by, and: i64| Ok(Term::Number(vec![Line { by, and: and.into() }]));
        let attribute = inner.get("attr").and_then(Value::as_str).ok_or(NotFollowed)?;
        let of = left(inner)?;
        match attribute {
            "minor" if is_variable(of, "resource") => number(1, 0),
            "level" if is_variable(of, "principal") => number(0, self.known.level),
            "ceiling" if is_scope(of) => number(0, self.known.ceiling),
            _ if mentions(of) => Err(NotFollowed),
            _ => Ok(Term::Other),
        }
    }

    fn number(&mut self, expression: &Value) -> Result<Vec<Line>, NotFollowed> {
        match self.term(expression)? {
            Term::Number(ways) => Ok(ways),
            Term::Other => Err(NotFollowed),
        }
    }

    fn reckoned(&mut self, operator: &str, inner: &Value) -> Result<Term, NotFollowed> {
        let (one, other) = (self.number(left(inner)?)?, self.number(right(inner)?)?);
        self.combined(operator, &one, &other)
    }

    fn combined(
        &mut self,
        operator: &str,
        one: &[Line],
        other: &[Line],
    ) -> Result<Term, NotFollowed> {
        let mut ways = Vec::new();
        for one in one {
            for other in other {
                let line = match operator {
                    "+" => one.plus(*other),
                    "-" => one.plus(other.times(-1).ok_or(NotFollowed)?),
                    _ if one.by == 0 => other.times(one.and),
                    _ if other.by == 0 => one.times(other.and),
                    _ => None,
                };
                let line = line.ok_or(NotFollowed)?;
                // Beyond these amounts Cedar's numbers overflow, which is an error in the policy.
                for end in [i64::MIN, i64::MAX] {
                    self.turns_where(line, Line { by: 0, and: end.into() });
                }
                ways.push(line);
            }
        }
        if ways.len() > MAX_WAYS {
            return Err(NotFollowed);
        }
        Ok(Term::Number(ways))
    }

    fn compared(&mut self, inner: &Value) -> Result<Term, NotFollowed> {
        let (one, other) = (self.term(left(inner)?)?, self.term(right(inner)?)?);
        match (one, other) {
            (Term::Number(one), Term::Number(other)) => {
                for one in &one {
                    for other in &other {
                        self.turns_where(*one, *other);
                    }
                }
            }
            (Term::Other, Term::Other) => {}
            // A number beside something whose value is not known here.
            (Term::Number(ways), Term::Other) | (Term::Other, Term::Number(ways)) => {
                if ways.iter().any(|it| it.by != 0) {
                    return Err(NotFollowed);
                }
            }
        }
        Ok(Term::Other)
    }

    fn either(&mut self, inner: &Value) -> Result<Term, NotFollowed> {
        let part = |name: &str| inner.get(name).ok_or(NotFollowed);
        self.term(part("if")?)?;
        match (self.term(part("then")?)?, self.term(part("else")?)?) {
            (Term::Number(mut one), Term::Number(other)) => {
                one.extend(other);
                if one.len() > MAX_WAYS { Err(NotFollowed) } else { Ok(Term::Number(one)) }
            }
            (Term::Other, Term::Other) => Ok(Term::Other),
            _ => Err(NotFollowed),
        }
    }

    /// Notes the amounts around the one at which two numbers are the same.
    fn turns_where(&mut self, one: Line, other: Line) {
        let by = one.by - other.by;
        if by == 0 {
            return;
        }
        let at = (other.and - one.and).div_euclid(by);
        let near = [at - 1, at, at + 1];
        self.points.extend(near.into_iter().filter_map(|it| i64::try_from(it).ok()));
    }
}

impl Line {
    fn plus(self, other: Self) -> Option<Self> {
        let by = self.by.checked_add(other.by)?;
        Some(Self { by, and: self.and.checked_add(other.and)? }).filter(Self::is_small)
    }

    fn times(self, factor: i128) -> Option<Self> {
        let by = self.by.checked_mul(factor)?;
        Some(Self { by, and: self.and.checked_mul(factor)? }).filter(Self::is_small)
    }

    /// Far beyond every number that Cedar has, nothing is reckoned any more.
    fn is_small(&self) -> bool {
        const MOST: i128 = 1 << 100;
        self.by.abs() < MOST && self.and.abs() < MOST
    }
}

fn left(inner: &Value) -> Result<&Value, NotFollowed> {
    inner.get("left").ok_or(NotFollowed)
}

fn right(inner: &Value) -> Result<&Value, NotFollowed> {
    inner.get("right").ok_or(NotFollowed)
}

fn is_variable(expression: &Value, name: &str) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some(name)
}

/// Whether it is `principal.scope`.
fn is_scope(expression: &Value) -> bool {
    expression.get(".").is_some_and(|inner| {
        inner.get("attr").and_then(Value::as_str) == Some("scope")
            && left(inner).is_ok_and(|it| is_variable(it, "principal"))
    })
}

/// Whether the amount is anywhere in it.
fn mentions(expression: &Value) -> bool {
    let attribute = expression.get("attr").and_then(Value::as_str) == Some("minor");
    let within = match expression {
        Value::Object(all) => all.values().any(mentions),
        Value::Array(all) => all.iter().any(mentions),
        _ => false,
    };
    attribute || within
}
