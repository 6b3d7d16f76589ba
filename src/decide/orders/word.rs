//! An operator's answer to an alert as an order.

use super::{Cause, Order, Orders};
use crate::config::Action;
use crate::config::actions::GRACE;
use crate::decide::alert;
use crate::finding::Severity;
use crate::observe::process::Identity;
use chrono::{DateTime, Utc};

/// What such orders name as their cause.
const CAUSE: &str = "operator";

impl Order {
    /// Stops a run because an operator answered so to an alert. It stands above what is configured for
    /// the run: whoever answers is a person who saw the alert.
    pub fn answered(
        run: &str,
        alert: &str,
        why: String,
        target: Option<Identity>,
        step: Option<f64>,
        now: DateTime<Utc>,
    ) -> Self {
        let cause = Cause {
            syndrome: CAUSE.to_owned(),
            // Nobody is woken by what he ordered, and everybody sees it.
            severity: Severity::Warning,
            message: why,
            step,
            finding: serde_json::Value::Null,
        };
        Self {
            id: alert::id(&["answered", run, alert]),
            run: run.to_owned(),
            alert: alert.to_owned(),
            given: now,
            action: Action::Stop { grace: GRACE },
            target,
            cause,
            count: None,
        }
    }
}

impl Orders {
    /// Takes an order that a person gave. Says whether it is new: each is obeyed once, however often and
    /// whichever way it is said, and a stop that is under way is not begun again.
    pub fn obey(&mut self, order: Order) -> bool {
        let stops = |pending: &Order| matches!(pending.action, Action::Stop { .. });
        if self.given.contains(&order.id) {
            return false;
        }
        let under_way = self.pending.iter().any(stops);
        let given = super::Given { orders: vec![order], refused: Vec::new() };
        if under_way {
            self.given.extend(given.orders.into_iter().map(|order| order.id));
            return false;
        }
        self.keep(&given);
        true
    }
}
