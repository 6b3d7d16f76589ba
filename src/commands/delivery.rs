//! Serving the channels: what the outbox holds goes out, within a time.

use crate::config::Config;
use crate::deliver::outbox::{Delivery, Outbox};
use crate::deliver::{Site, at_hand, elsewhere};
use crate::error::chain;
use crate::persist::store::Store;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

/// All channels together have so long, and never more than is left of `--timeout`.
pub(crate) const DELIVERY_MAX: Duration = Duration::from_secs(10);

/// What is served: the outbox of a state directory, by the channels of a config.
pub(crate) struct Post<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Store,
    pub(crate) outbox: &'a Outbox,
}

impl Post<'_> {
    /// Serves the channels until then; `shown` are the alerts that `out` has told already.
    pub(crate) fn serve(
        &self,
        out: &mut dyn Write,
        shown: BTreeSet<String>,
        now: DateTime<Utc>,
        until: Instant,
    ) -> Delivery {
        let redactor = Redactor::of_environment(std::env::vars_os());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now, host: &host, redactor: &redactor };
        let mut channels = at_hand(self.store, out, shown, &redactor);
        channels.extend(elsewhere(self.config, site));
        let drained = self.outbox.drain(&mut channels, now, until);
        drained.unwrap_or_else(|error| Delivery { troubles: vec![chain(&error)], dropped: Vec::new() })
    }
}
