//! Check `guard`: whether the guard itself is well. Its state was whole, its alerts arrive.

use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::guard::{GuardFacts, Undelivered};

/// Its name.
pub const NAME: &str = "guard";
/// Alerts that a channel did not take.
pub const DELIVERY_FAILED: &str = "delivery_failed";

/// `state_damaged` and `delivery_failed`.
pub fn check(context: &Context<'_>, _memory: &mut Memory) -> Vec<Opinion> {
    opinions(&context.look.guard, context.open)
}

/// The same of whatever has a state and alerts, with what of it is open.
pub fn opinions(facts: &GuardFacts, open: &[Subject]) -> Vec<Opinion> {
    let mut opinions = vec![state(facts)];
    opinions.extend(facts.undelivered.iter().map(undelivered));
    let over = open.iter().filter(|open| open.check == NAME && open.syndrome == DELIVERY_FAILED);
    let over =
        over.filter(|open| !facts.undelivered.iter().any(|owed| Some(&owed.channel) == open.of.as_ref()));
    opinions
        .extend(over.map(|open| Opinion::Well(open.clone(), "its alerts were taken or given up".to_owned())));
    opinions
}

fn state(facts: &GuardFacts) -> Opinion {
    let subject = Subject::new(NAME, "state_damaged");
    match &facts.damage {
        None => Opinion::Well(subject, "the state is whole".to_owned()),
        Some(damage) => Claim::new(
            subject,
            Scope::Surroundings,
            Severity::Warning,
            damage.clone(),
            "Look for a full disk or a crash of this machine; alerts that were told are not told again",
        )
        .holds(),
    }
}

fn undelivered(owed: &Undelivered) -> Opinion {
    let (channel, count, refused) = (&owed.channel, owed.alerts, owed.refused);
    let plural = if count == 1 { "alert" } else { "alerts" };
    let dead = if refused == 0 { String::new() } else { format!(" ({refused} refused for good)") };
    let next = if refused == 0 {
        "what waits is sent by the next patrol"
    } else {
        "then `trainguard alerts retry` sends what was refused; `trainguard alerts` lists it"
    };
    Claim::new(
        Subject::new(NAME, DELIVERY_FAILED).of(channel.clone()),
        Scope::Surroundings,
        Severity::Warning,
        format!("channel {channel} did not take {count} {plural}{dead}: {}", owed.error),
        format!("Mend channels.{channel} in the config; {next}"),
    )
    .with("alerts", count)
    .with("refused", refused)
    .holds()
}
