//! Before a run starts: which GPUs its command asks for, and whether they are free.
//!
//! Pure, like the checks: `command` and `request` read words and variables, `wanted` finds the
//! cards, `busy` says who is on them. Looking, waiting and asking is the command's.

pub mod busy;
pub mod command;
pub mod request;
mod script;
pub mod wanted;

pub use busy::{Limits, State, state};
pub use request::Request;
pub use wanted::{Wanted, wanted};
