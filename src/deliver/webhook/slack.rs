//! Slack's incoming webhooks, and what takes the same: Mattermost, Rocket.Chat, Discord's `/slack`.
//!
//! In Slack's text `&`, `<` and `>` are the control characters; Mattermost reads `@channel` and
//! Markdown as well. Slack shows at most 40,000 characters of a text; long before that nobody reads.

use crate::deliver::bulletin::{Bulletin, escaped};
use serde_json::{Value, json};

/// Alerts in a message: 50 lines of 200 characters are a quarter of Slack's limit.
pub(super) const MOST: usize = 50;
/// Units of a title, a field's value and a text.
const TITLE: usize = 300;
const FIELD: usize = 300;
const TEXT: usize = 20_000;

/// The body.
pub(super) fn body(bulletin: &Bulletin) -> Value {
    let head = bulletin.head();
    let title = plain(&bulletin.title(), TITLE);
    let mut text = if bulletin.is_rolled_up() {
        let lines = bulletin.told.iter().map(|told| plain(&told.in_a_line(), TITLE));
        lines.collect::<Vec<_>>().join("\n")
    } else {
        plain(&head.message, TEXT / 4)
    };
    let mut fields = Vec::new();
    if !bulletin.is_rolled_up() {
        let quotes = head.quotes();
        if !quotes.is_empty() {
            text = format!("{text}\n```{}```", plain(&quotes.join("\n"), TEXT / 4));
        }
        if !head.advice.is_empty() {
            text = format!("{text}\n*Next:* {}", plain(&head.advice, TEXT / 4));
        }
        let facts = head.facts().into_iter();
        fields = facts
            .map(|(name, value)| {
                let (name, value) = (plain(&name, FIELD), plain(&value, FIELD));
                json!({"title": name, "value": value, "short": value.len() <= 40})
            })
            .collect();
    }
    json!({
        "text": title,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{
            "color": format!("#{:06x}", head.color()),
            "fallback": title,
            "text": text,
            "mrkdwn_in": ["text"],
            "fields": fields,
            "footer": plain(&bulletin.footer(), FIELD),
            "ts": head.time.timestamp(),
        }],
    })
}

fn plain(text: &str, units: usize) -> String {
    escaped(text, units, |letter, out| match letter {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        // It would end a quotation.
        '`' => out.push('ˋ'),
        '@' => out.push_str("@\u{200b}"),
        other => out.push(other),
    })
}
