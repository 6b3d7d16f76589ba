//! JSON for any receiver: `trainguard/message/1`, or the body that the user wrote.

use crate::config::template::Template;
use crate::deliver::bulletin::{Bulletin, inert};

/// Alerts in a message: some 100 KiB.
pub(super) const MOST: usize = 100;

/// The body.
pub(super) fn body(bulletin: &Bulletin, template: Option<&Template>) -> String {
    match template {
        Some(template) => inert(&template.fill(&|name| bulletin.field(name))),
        None => bulletin.json(),
    }
}
