use super::*;
use crate::config::template::Template;
use crate::decide::{Alert, Transition};
use crate::deliver::outbox::{Destination, Entry};
use crate::finding::{Evidence, Occurrence, Role, Severity};
use crate::redact::Redactor;
use serde_json::{Value, json};

/// Everything at once that a log line can do to whoever forwards it.
const NASTY: &str = "\x1b]0;x\x07\x1b[31m::error::<!channel> <@U1> @everyone @here `x` ```y``` ]]> \r\nA: b & c *d* _e_ [f](http://g) hf_abcdefghijklmnopqrst \u{202e}end";

fn alert(number: u64) -> Alert {
    Alert {
        id: format!("{number:032x}"),
        time: "2026-01-01T00:00:00Z".parse().unwrap(),
        run: "gpt".to_owned(),
        transition: Transition::Opened,
        severity: Severity::Critical,
        check: "words".to_owned(),
        syndrome: "cuda_oom".to_owned(),
        message: format!("the GPU is full: {NASTY}"),
        advice: "Use a smaller batch".to_owned(),
        step: Some(1200.0),
        occurrence: Some(Occurrence {
            file: "/logs/train.log".to_owned(),
            line: 11,
            offset: 5,
            step: Some(1200.0),
            text: NASTY.to_owned(),
        }),
        evidence: Evidence::from([("free_bytes".to_owned(), json!(12)), ("why".to_owned(), json!(NASTY))]),
        role: Role::Root,
        told_as: Vec::new(),
        choices: Vec::new(),
        respond: String::new(),
        order: 0,
    }
}

fn bulletin(alerts: Vec<Alert>) -> Bulletin {
    let to = Destination { channel: "web".to_owned(), path: None };
    let entries: Vec<Entry> = alerts.into_iter().map(|alert| Entry::loose(alert, to.clone())).collect();
    let message = Message { id: "key", entries: entries.iter().collect(), to: &to };
    Bulletin::new(&message, &Redactor::default(), "node7")
}

/// All strings in a value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(strings).collect(),
        Value::Object(map) => map.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn expect_harmless(text: &str) {
    assert!(!text.contains("hf_abc"), "a token: {text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "a control character: {text:?}");
    assert!(!text.contains('\u{202e}'), "a turn of direction: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("::")), "a workflow command: {text}");
}

#[test]
fn a_nasty_line_is_harmless_in_every_form() {
    let one = bulletin(vec![alert(1)]);
    let many = bulletin((1..=30).map(alert).collect());
    for bulletin in [&one, &many] {
        let slack = slack::body(bulletin);
        for text in strings(&slack) {
            expect_harmless(text);
            let rest = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
            assert!(!rest.contains(['<', '>', '&']), "{text}");
            assert!(!text.contains("@everyone") && !text.contains("@here"), "{text}");
        }
        let discord = discord::body(bulletin);
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
        for text in strings(&discord) {
            expect_harmless(text);
            assert!(!text.contains("@everyone") && !text.contains("@here"), "{text}");
        }
        let (headers, body) = ntfy::request(bulletin);
        expect_harmless(&body);
        for (name, value) in &headers {
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value}");
        }
        for body in [generic::body(bulletin, None), generic::body(bulletin, Some(&template()))] {
            assert!(!body.contains(['<', '>', '&']), "{body}");
            for text in strings(&serde_json::from_str(&body).unwrap()) {
                expect_harmless(text);
            }
        }
    }
    let quoted = slack::body(&one)["attachments"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(quoted.matches("```").count(), 2, "one block of code, which nothing in it ends: {quoted}");
    let quoted = discord::body(&one)["embeds"][0]["description"].as_str().unwrap().to_owned();
    let (before, after) = quoted.split_once("```").unwrap();
    let (_, after) = after.split_once("```").unwrap();
    assert!(!after.contains("```") && !before.replace("\\`", "").contains('`'), "{quoted}");
    assert!(before.contains("\\*d\\* \\_e\\_ \\[f\\]"), "{before}");
}

fn template() -> Template {
    Template::new(
        json!({"text": "{{title}} {{message}} {{line}}", "alerts": "{{alerts}}", "e": "{{evidence}}"}),
    )
    .unwrap()
}

#[test]
fn every_form_says_run_step_what_where_and_what_next() {
    let one = bulletin(vec![alert(1)]);
    let (headers, body) = ntfy::request(&one);
    let texts = [
        slack::body(&one).to_string(),
        discord::body(&one).to_string().replace('\\', ""),
        format!("{headers:?} {body}"),
        generic::body(&one, None),
    ];
    for text in texts {
        for part in [
            "CRITICAL gpt step 1200: cuda_oom opened",
            "/logs/train.log:11",
            "Use a smaller batch",
            "free_bytes",
            "12",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
    assert_eq!(slack::body(&one)["attachments"][0]["color"], "#d32f2f");
    let over = bulletin(vec![Alert { transition: Transition::Resolved, ..alert(1) }]);
    assert_eq!(slack::body(&over)["attachments"][0]["color"], "#2e7d32");
    assert_eq!(discord::body(&over)["embeds"][0]["color"], 0x2e_7d32);
    assert_eq!(over.title(), "RESOLVED gpt step 1200: cuda_oom");
    assert_eq!((over.field("action"), over.field("status")), (json!("resolve"), json!("resolved")));
    assert!(!over.text().contains("next:"));
}

#[test]
fn the_limits_of_each_service_are_kept_and_every_cut_is_said() {
    let long = |number| {
        let mut alert = alert(number);
        alert.message = "𝄞`<*_".repeat(2_000);
        alert.advice = "@&\\".repeat(3_000);
        alert.run = "r".repeat(400);
        alert.occurrence.as_mut().unwrap().text = "`é".repeat(3_000);
        for fact in 0..40 {
            alert.evidence.insert("name".repeat(100) + &fact.to_string(), json!("v".repeat(5_000)));
        }
        alert
    };
    let one = bulletin(vec![long(1)]);
    let slacks = bulletin((0..slack::MOST as u64).map(long).collect());
    for bulletin in [&one, &slacks] {
        let text = slack::body(bulletin);
        assert!(strings(&text).iter().all(|text| units(text) < 40_000));
        assert!(units(text["attachments"][0]["text"].as_str().unwrap()) < 40_000);
        assert!(text.to_string().contains("… [cut]"));
    }
    let discords = bulletin((0..discord::MOST as u64).map(long).collect());
    for bulletin in [&one, &discords] {
        let body = discord::body(bulletin);
        let embed = &body["embeds"][0];
        let length = |value: &Value| units(value.as_str().unwrap());
        assert!(length(&embed["title"]) <= 256 && length(&embed["description"]) <= 4096, "{embed}");
        let fields = embed["fields"].as_array().unwrap();
        assert!(fields.len() <= 25);
        assert!(fields.iter().all(|field| length(&field["name"]) <= 256 && length(&field["value"]) <= 1024));
        let all: usize = fields.iter().map(|field| length(&field["name"]) + length(&field["value"])).sum();
        let all = all + length(&embed["title"]) + length(&embed["description"]);
        assert!(all + length(&embed["footer"]["text"]) <= 6_000, "{all}");
        assert!(body.to_string().contains("… [cut]"));
    }
    let ntfys = bulletin((0..ntfy::MOST as u64).map(long).collect());
    for bulletin in [&one, &ntfys] {
        let (headers, body) = ntfy::request(bulletin);
        assert!(body.len() <= 4_096 && headers[0].1.len() <= 200, "{}", body.len());
        let rolled = bulletin.is_rolled_up();
        assert!(!rolled || body.lines().count() == ntfy::MOST, "an alert was cut off: {body}");
    }
}

#[test]
fn a_roll_up_holds_every_alert_in_order_and_is_headed_by_the_worst() {
    let mut alerts: Vec<Alert> = (0..ntfy::MOST as u64).map(alert).collect();
    for (number, alert) in alerts.iter_mut().enumerate() {
        alert.severity = if number == 7 { Severity::Critical } else { Severity::Warning };
        alert.message = format!("alert {number}.");
        alert.transition = if number == 3 { Transition::Resolved } else { Transition::Opened };
    }
    alerts[3].severity = Severity::Critical;
    alerts[5].run = "other".to_owned();
    alerts[7].run = "worst".to_owned();
    let bulletin = bulletin(alerts);
    assert_eq!(
        bulletin.title(),
        "18 alerts of 3 runs, first of all: CRITICAL worst step 1200: cuda_oom opened"
    );
    let texts = [
        slack::body(&bulletin)["attachments"][0]["text"].as_str().unwrap().to_owned(),
        discord::body(&bulletin)["embeds"][0]["description"].as_str().unwrap().to_owned(),
        ntfy::request(&bulletin).1,
    ];
    for text in texts {
        let found: Vec<usize> = (0..ntfy::MOST)
            .map(|number| {
                text.find(&format!("alert {number}.")).unwrap_or_else(|| panic!("{number}: {text}"))
            })
            .collect();
        assert!(found.is_sorted(), "{text}");
    }
    let object: Value = serde_json::from_str(&generic::body(&bulletin, None)).unwrap();
    assert_eq!(object["alerts"].as_array().unwrap().len(), 18);
    assert_eq!((&object["run"], &object["count"]), (&json!("worst"), &json!(18)));
}

#[test]
fn a_format_is_recognised_by_its_address_unless_it_is_chosen() {
    for (url, format) in [
        ("https://hooks.slack.com/services/T/B/x", Format::Slack),
        ("https://discord.com/api/webhooks/1/x", Format::Discord),
        ("https://discord.com/api/webhooks/1/x/slack", Format::Slack),
        ("https://ptb.discord.com/api/webhooks/1/x", Format::Discord),
        ("https://ntfy.sh/mine", Format::Ntfy),
        ("https://ntfy.corp.example/mine", Format::Ntfy),
        ("https://evil.example/hooks.slack.com", Format::Generic),
        ("https://hooks.slack.com.evil.example/", Format::Generic),
    ] {
        let address = Address::parse(url).unwrap();
        assert_eq!(recognised(Format::Auto, &address), format, "{url}");
        assert_eq!(recognised(Format::Generic, &address), Format::Generic, "{url}");
    }
}

#[test]
fn a_signature_is_the_one_that_receivers_expect() {
    // RFC 4231, test case 2.
    assert_eq!(
        signature("Jefe", b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn an_address_in_a_file_that_others_can_write_is_not_used() {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hook.url");
    let mut file = File::create(&path).unwrap();
    file.write_all(b"\n  https://h/s3cret \nsecond\n").unwrap();
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert_eq!(first_line(&path).unwrap(), "https://h/s3cret");
    assert_eq!(first_line(&link).unwrap(), "https://h/s3cret");
    file.set_permissions(std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = first_line(&link).unwrap_err();
    assert!(said.contains("writable by everybody") && !said.contains("s3cret"), "{said}");
    assert!(first_line(dir.path()).unwrap_err().contains("not a regular file"));
}
