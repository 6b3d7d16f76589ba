//! What is new, worse or over: opinions against what is open.

pub mod alert;
pub mod ledger;
pub mod lifecycle;
pub mod orders;

pub use alert::{Alert, Transition};
pub use ledger::{Ledger, Open};
pub use lifecycle::{Decision, Rules, decide};

#[cfg(test)]
mod tests;
