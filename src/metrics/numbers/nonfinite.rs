//! Rows whose loss or gradient norm is not finite, told apart from an overflow that mixed
//! precision skips.

use super::json::Number;
use crate::metrics::{Metric, Row};
use serde::{Deserialize, Serialize};

/// Finite rows after which a bad streak is over (the contract's number).
pub const FINITE_ROWS: u64 = 3;

/// Rows in a row with a non-finite gradient norm beside a finite loss that count as bad. Mixed
/// precision skips a step whose gradient overflows and halves its scale, and a log may show two of
/// these; a third says that every step is skipped.
const GRADIENT_ROWS: u64 = 3;

/// What was not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The training loss.
    Loss,
    /// The norm of the gradient.
    GradNorm,
}

impl Which {
    /// The contract's name of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => Metric::Loss.name(),
            Self::GradNorm => Metric::GradNorm.name(),
        }
    }
}

/// How a number is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bad(Number);

impl Bad {
    /// The value, where it is not finite.
    pub fn of(value: Option<f64>) -> Option<Self> {
        value.filter(|value| !value.is_finite()).map(|value| Self(value.into()))
    }

    /// `NaN`, `Infinity` or `-Infinity`.
    pub fn word(self) -> &'static str {
        match f64::from(self.0) {
            value if value.is_nan() => "NaN",
            value if value > 0.0 => "Infinity",
            _ => "-Infinity",
        }
    }
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Hash of its file's head: with the offset it is the same when the file is read anew.
    #[serde(default)]
    pub head: String,
    /// 1-based line.
    pub line: u64,
    /// Byte offset of the record.
    pub offset: u64,
    /// Its step, where it has one: as printed, else the global one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<f64>,
}

impl Spot {
    /// Where the row stands.
    pub fn of(row: &Row, head: &str) -> Self {
        let step = row.values.get(Metric::Step).or(row.global_step).filter(|step| step.is_finite());
        Self { head: head.to_owned(), line: row.line, offset: row.offset, step }
    }
}

/// Bad rows with fewer than [`FINITE_ROWS`] finite ones between any two of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Streak {
    /// The first bad row; where the gradient was bad first, the first with a bad loss.
    pub first: Spot,
    /// The last bad row.
    pub last: Spot,
    /// What was not finite there.
    pub which: Which,
    /// How.
    pub bad: Bad,
    /// Bad rows.
    pub rows: u64,
    /// Finite rows since the last bad one.
    pub finite_since: u64,
    /// Bad rows that follow each other, up to the last one, and whose loss is lost: a finite one beside
    /// a bad gradient is what a loss scaler shows while it comes down, however long that takes.
    #[serde(default)]
    pub in_a_row: u64,
}

impl Streak {
    /// Whether enough finite rows followed.
    pub fn is_over(&self) -> bool {
        self.finite_since >= FINITE_ROWS
    }
}

/// Non-finite rows of one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NonFinite {
    /// Bad rows so far, over all attempts.
    pub count: u64,
    /// Bad rows in this pass.
    #[serde(skip)]
    pub fresh: u64,
    /// The present streak or the latest one; `None` where this attempt has had none.
    pub streak: Option<Streak>,
    /// Rows in a row whose gradient norm alone was not finite.
    gradient_rows: u64,
}

impl NonFinite {
    /// Whether what is bad or may become so has to be kept for the next pass.
    pub(super) fn goes_on(&self) -> bool {
        self.gradient_rows > 0 || self.streak.as_ref().is_some_and(|streak| !streak.is_over())
    }

    /// The latest streak, where it began in this pass.
    pub fn is_new(&self) -> bool {
        self.streak.as_ref().is_some_and(|streak| streak.rows <= self.fresh)
    }

    /// Takes the loss and gradient norm of the next row; rows with neither change nothing.
    #[inline]
    pub(super) fn fold(&mut self, loss: Option<f64>, grad_norm: Option<f64>, spot: impl FnOnce() -> Spot) {
        let finite = loss.is_none_or(f64::is_finite) && grad_norm.is_none_or(f64::is_finite);
        if finite && self.streak.is_none() && self.gradient_rows == 0 {
            return;
        }
        self.fold_rare(loss, grad_norm, spot);
    }

    #[cold]
    fn fold_rare(&mut self, loss: Option<f64>, grad_norm: Option<f64>, spot: impl FnOnce() -> Spot) {
        // A framework that hides a NaN prints a loss of exactly 0 beside it, or none.
        let hidden = loss.is_none_or(|loss| loss == 0.0);
        let found = match (Bad::of(loss), Bad::of(grad_norm)) {
            (Some(bad), _) => Some((Which::Loss, bad)),
            (None, Some(bad)) => {
                self.gradient_rows += 1;
                let streak = self.streak.as_ref().is_some_and(|streak| !streak.is_over());
                if !(hidden || streak || self.gradient_rows >= GRADIENT_ROWS) {
                    return;
                }
                Some((Which::GradNorm, bad))
            }
            (None, None) => None,
        };
        let Some((which, bad)) = found else {
            if loss.is_some() || grad_norm.is_some() {
                self.gradient_rows = 0;
                if let Some(streak) = &mut self.streak {
                    streak.finite_since = streak.finite_since.saturating_add(1);
                }
            }
            return;
        };
        self.count += 1;
        self.fresh += 1;
        let spot = spot();
        let lost = which == Which::Loss || hidden;
        match &mut self.streak {
            Some(streak) if !streak.is_over() => {
                // A bad gradient leads to a bad loss, and the loss is what people look for.
                if (streak.which, which) == (Which::GradNorm, Which::Loss) {
                    (streak.first, streak.which, streak.bad) = (spot.clone(), which, bad);
                }
                streak.last = spot;
                streak.rows += 1;
                let before = if lost && streak.finite_since == 0 { streak.in_a_row } else { 0 };
                streak.in_a_row = before + u64::from(lost);
                streak.finite_since = 0;
            }
            _ => {
                let first = spot.clone();
                let in_a_row = u64::from(lost);
                self.streak =
                    Some(Streak { first, last: spot, which, bad, rows: 1, finite_since: 0, in_a_row });
            }
        }
    }
}
