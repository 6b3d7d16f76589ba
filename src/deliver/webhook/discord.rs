//! Discord's webhooks: one embed, no mention of anybody, whatever the text says.
//!
//! Limits of Discord's documentation: title 256, description 4096, field 256 and 1024, footer 2048,
//! all embeds together 6000, counted in UTF-16 units here.

use crate::deliver::bulletin::{Bulletin, escaped};
use serde_json::{Value, json};

/// Alerts in a message: so many lines of 150 units fit a description.
pub(super) const MOST: usize = 25;
const LINE: usize = 150;
const TITLE: usize = 256;
const TEXT: usize = 1_200;
const FIELD_NAME: usize = 100;
const FIELD: usize = 150;
const FOOTER: usize = 300;

/// The body.
pub(super) fn body(bulletin: &Bulletin) -> Value {
    let head = bulletin.head();
    let mut fields = Vec::new();
    let text = if bulletin.is_rolled_up() {
        let lines = bulletin.told.iter().map(|told| plain(&told.in_a_line(), LINE));
        lines.collect::<Vec<_>>().join("\n")
    } else {
        let mut text = plain(&head.message, TEXT);
        let quotes = head.quotes();
        if !quotes.is_empty() {
            text = format!("{text}\n```\n{}\n```", quoted(&quotes.join("\n"), TEXT));
        }
        if !head.advice.is_empty() {
            text = format!("{text}\n**Next:** {}", plain(&head.advice, TEXT));
        }
        for (name, value) in head.facts() {
            let (name, value) = (plain(&name, FIELD_NAME), plain(&value, FIELD));
            fields.push(json!({"name": name, "value": value, "inline": true}));
        }
        text
    };
    json!({
        "content": "",
        "allowed_mentions": {"parse": []},
        "embeds": [{
            "title": plain(&bulletin.title(), TITLE),
            "description": text,
            "color": head.color(),
            "fields": fields,
            "footer": {"text": escaped(&bulletin.footer(), FOOTER, |letter, out| out.push(letter))},
            "timestamp": head.time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }],
    })
}

/// Markdown is text again, and nobody is called.
fn plain(text: &str, units: usize) -> String {
    escaped(text, units, |letter, out| match letter {
        '\\' | '*' | '_' | '~' | '|' | '>' | '<' | '[' | ']' | '(' | ')' | '#' | '-' | '`' => {
            out.push('\\');
            out.push(letter);
        }
        '@' => out.push_str("@\u{200b}"),
        other => out.push(other),
    })
}

/// Within a block of code nothing is escaped, and only backticks end it.
fn quoted(text: &str, units: usize) -> String {
    escaped(text, units, |letter, out| match letter {
        '`' => out.push('ˋ'),
        '@' => out.push_str("@\u{200b}"),
        other => out.push(other),
    })
}
