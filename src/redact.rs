//! Takes secrets out of text before it leaves the machine, by the shapes that are known of them.
//!
//! It is a net and no wall: a password that looks like a word stands in no list. What is taken for a
//! secret becomes [`MARK`]; its key or scheme stays, so that a reader sees what stood there.

use aho_corasick::{AhoCorasick, MatchKind};
use regex::{Captures, Regex};
use serde_json::Value;
use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::{LazyLock, OnceLock};

/// What stands in a secret's place.
pub const MARK: &str = "[redacted]";

/// A shape, and what replaces it: what is captured is kept.
struct Shape {
    when: When,
    pattern: String,
    /// Most texts hold no secret, and making an expression takes longer than a patrol should.
    regex: OnceLock<Option<Regex>>,
    kept: &'static str,
}

/// What a text must hold for a shape to stand in it.
enum When {
    /// One of these, in lower case.
    Holds(&'static [&'static str]),
    /// What this finds.
    Finds(fn(&str) -> bool),
}

impl Shape {
    fn may_stand_in(&self, text: &str, lower: &str) -> bool {
        match self.when {
            When::Holds(words) => words.iter().any(|word| lower.contains(word)),
            When::Finds(finds) => finds(text),
        }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| Regex::new(&self.pattern).ok()).as_ref()
    }
}

/// A run of characters of base64 that is long enough to be looked at.
fn has_long_run(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.as_bytes().split(|byte| !letter(byte)).any(|run| run.len() >= 60)
}

/// Eight digits and a colon.
fn has_bot_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b':', bytes).any(|at| at >= 8 && bytes[at - 8..at].iter().all(u8::is_ascii_digit))
}

/// A key's value: quoted, with escaped quotes (JSON within JSON), or up to the next blank or separator.
/// Not one that is redacted already.
const VALUE: &str = r#"(?:\\+"[^"\\\n]*\\*"?|"[^"\n]*"|'[^'\n]*'|[^\s,;&"'\[{(<\\]+)"#;
/// What stands between a key and its value.
const IS: &str = r#"(?:\\*["'])?\s*[=:]\s*"#;

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let shapes = [
        // A block whose beginning or end was cut off is one too.
        (When::Holds(&["private key"]), r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)".to_owned(), MARK),
        (When::Holds(&["private key"]), r"(?s)\A.*-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----".to_owned(), MARK),
        // A line of nothing but base64 is the middle of one, or of nothing that anybody reads.
        (When::Finds(has_long_run), r"(?m)^[ \t]*[A-Za-z0-9+/]{60,}={0,2}[ \t]*$".to_owned(), MARK),
        // scheme://user:password@host, and scheme://token@host.
        (When::Holds(&["://"]), r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@]{1,512}@".to_owned(), "${1}[redacted]@"),
        // The scheme of an Authorization header, with or without the header.
        (When::Holds(&["authorization"]), r"(?i)\b((?:proxy-)?authorization\W{1,4})(?:(basic|bearer|digest|token|apikey)\s+)?[^\s,;]+[^\n]*".to_owned(), "${1}${2} [redacted]"),
        (When::Holds(&["bearer"]), r"(?i)\b(bearer\s+)[a-z0-9._~+/=-]{8,}".to_owned(), "${1}[redacted]"),
        // JSON web tokens.
        (When::Holds(&["eyj"]), r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?".to_owned(), MARK),
        // Hugging Face, GitHub, OpenAI and Anthropic and their like, Slack, AWS, Google, W&B, GitLab, PyPI.
        (When::Holds(&["hf_", "api_org_"]), r"\b(?:hf|api_org)_[A-Za-z0-9]{10,}".to_owned(), MARK),
        (When::Holds(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"]), r"\b(?:gh[pousr]_[A-Za-z0-9]{10,}|github_pat_[A-Za-z0-9_]{10,})".to_owned(), MARK),
        (When::Holds(&["sk-"]), r"\bsk-[A-Za-z0-9_-]{16,}".to_owned(), MARK),
        (When::Holds(&["xox", "xapp-"]), r"\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}".to_owned(), MARK),
        (When::Holds(&["hooks.slack.com"]), r"https://hooks\.slack\.com/[^\s]+".to_owned(), MARK),
        (When::Holds(&["akia", "asia"]), r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}".to_owned(), MARK),
        (When::Holds(&["aiza"]), r"\bAIza[A-Za-z0-9_-]{30,}".to_owned(), MARK),
        (When::Holds(&["glpat-", "pypi-", "nvapi-", "gsk_", "r8_", "wandb_v1_"]), r"\b(?:glpat-|pypi-|nvapi-|gsk_|r8_|wandb_v1_)[A-Za-z0-9_-]{16,}".to_owned(), MARK),
        // Forty hexadecimal digits are a commit as well: only beside the words of a key.
        (When::Holds(&["wandb", "key"]), r"(?i)((?:wandb|api[_-]?key)[^\n]{0,80}?[^0-9a-z])[0-9a-f]{40}\b".to_owned(), "${1}[redacted]"),
        // NAME=value, "name": "value", --name value, for names that say what they hold.
        (When::Holds(&["passw", "passphrase", "secret", "key", "token", "credential"]), format!(r"(?i)([a-z0-9_.-]*(?:passw(?:or)?d|passphrase|secret(?:[_-]?key)?|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?token|access[_-]?token|api[_-]?token|hf[_-]?token|gh[_-]?token|github[_-]?token|bot[_-]?token|credential)s?(?:_[a-z0-9_]*)?{IS}){VALUE}"), "${1}[redacted]"),
        (When::Holds(&["passw", "passphrase", "secret", "key", "token", "credential"]), format!(r"(?i)(--?(?:password|passwd|secret|api[_-]key|token|[a-z-]*-token)[ =]){VALUE}"), "${1}[redacted]"),
        (When::Holds(&["token"]), format!(r"(\b[A-Z0-9_]*_TOKEN{IS}){VALUE}"), "${1}[redacted]"),
        // Cookies, up to the end of the line: they are a list.
        (When::Holds(&["cookie"]), r#"(?i)\b((?:set-)?cookie(?:\\*["'])?\s*[:=]\s*)[^\n]+"#.to_owned(), "${1}[redacted]"),
        // What signs or opens an address.
        (When::Holds(&["?", "&", ";"]), r#"(?i)([?&;](?:amp;)?[a-z0-9_.-]*(?:signature|sig|token|key|keyid|secret|passw(?:or)?d|credential|auth|code|policy|session)=)[^&\s"'<>\\]+"#.to_owned(), "${1}[redacted]"),
        // Addresses that are secrets themselves: Discord, Teams; and Telegram's tokens.
        (When::Holds(&["discord", "webhook.office.com"]), r#"(?i)https://(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/[^\s"'<>]+|https://[a-z0-9.-]+\.webhook\.office\.com/[^\s"'<>]+"#.to_owned(), MARK),
        (When::Finds(has_bot_id), r"\b(?:bot)?[0-9]{8,10}:[A-Za-z0-9_-]{35}\b".to_owned(), MARK),
    ];
    shapes
        .into_iter()
        .map(|(when, pattern, kept)| Shape { when, pattern, regex: OnceLock::new(), kept })
        .collect()
});

/// `some_token = value` and `some_key: value`, whose value decides whether it is a secret.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let value = r"[A-Za-z0-9_.~+/=-]+";
    Regex::new(&format!(r#"(?i)\b([a-z0-9]+[a-z0-9_.-]*[_-])?((?:token|key){IS}(?:\\*["'])?)({value})"#)).ok()
});

/// Tokens and keys of models, tables and dictionaries.
const HARMLESS: &[&str] = &[
    "additional_special",
    "audio",
    "begin",
    "bos",
    "cache",
    "cls",
    "decoder_start",
    "dict",
    "end",
    "eos",
    "foreign",
    "group",
    "image",
    "input",
    "label",
    "map",
    "mask",
    "metric",
    "next",
    "pad",
    "partition",
    "per",
    "primary",
    "query",
    "sep",
    "sort",
    "special",
    "start",
    "state",
    "stop",
    "target",
    "text",
    "unk",
    "video",
];
/// A value this long is no word; one half as long is none if digits are in it.
const LONG: usize = 16;

/// The text without what looks like a secret. Lines stay lines but where a secret spans several.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    let lower = text.to_ascii_lowercase();
    for shape in SHAPES.iter().filter(|shape| shape.may_stand_in(text, &lower)) {
        if let Some(regex) = shape.regex()
            && let Cow::Owned(replaced) = regex.replace_all(&clean, shape.kept)
        {
            clean = Cow::Owned(replaced);
        }
    }
    if ["token", "key"].iter().any(|word| lower.contains(word))
        && let Some(named) = NAMED.as_ref()
        && let Cow::Owned(replaced) = named.replace_all(&clean, by_name)
    {
        clean = Cow::Owned(replaced);
    }
    clean
}

fn by_name(found: &Captures<'_>) -> String {
    let [whole, prefix, key, value] = [0, 1, 2, 3].map(|group| found.get(group).map_or("", |at| at.as_str()));
    let name = prefix.trim_end_matches(['_', '-']).to_ascii_lowercase();
    let harmless = HARMLESS.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
    let digits = value.bytes().any(|byte| byte.is_ascii_digit());
    let letters = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let secret = value.len() >= LONG || (value.len() >= LONG / 2 && digits && letters);
    if harmless || !secret { whole.to_owned() } else { format!("{prefix}{key}{MARK}") }
}

/// Takes secrets out by their shapes, and the values of this process's own environment whose names say
/// that they are secret.
#[derive(Debug, Default)]
pub struct Redactor {
    values: Option<AhoCorasick>,
}

/// Parts of the names of variables that hold secrets, and endings of those that say where one is.
const SECRET_NAMES: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSW",
    "PASSPHRASE",
    "APIKEY",
    "_KEY",
    "CREDENTIAL",
    "COOKIE",
    "WEBHOOK",
    "_DSN",
    "_PAT",
    "_PASS",
    "AUTHORIZATION",
];
const PLACE_NAMES: &[&str] = &["_FILE", "_PATH", "_DIR", "_SOCK", "_HOME"];
/// A shorter value is a word of many texts.
const VALUE_MIN: usize = 8;

impl Redactor {
    /// Knows the secrets of an environment.
    pub fn of_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut values = Vec::new();
        for (name, value) in variables {
            let name = name.to_string_lossy().to_ascii_uppercase();
            let secret = SECRET_NAMES.iter().any(|part| name.contains(part));
            if !secret || PLACE_NAMES.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            for line in value.to_string_lossy().lines().map(str::trim) {
                let number = line.bytes().all(|byte| byte.is_ascii_digit());
                if line.len() >= VALUE_MIN && !number {
                    values.push(line.replace('\\', "\\\\").replace('"', "\\\""));
                    values.push(line.to_owned());
                }
            }
        }
        let automaton = || AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values);
        Self { values: if values.is_empty() { None } else { automaton().ok() } }
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        match &self.values {
            None => redact(text).into_owned(),
            Some(values) => {
                let marks = vec![MARK; values.patterns_len()];
                redact(&values.replace_all(text, &marks)).into_owned()
            }
        }
    }

    /// The same for every text in a value.
    pub fn redact_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Array(list) => list.iter_mut().for_each(|item| self.redact_value(item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.redact_value(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Built at run time, so that no scanner takes the tests for a leak.
    fn letters(count: usize) -> String {
        "aB3dE5gH7jK9".chars().cycle().take(count).collect()
    }

    #[test]
    fn every_shape_is_written_well() {
        assert_eq!(SHAPES.len(), 23);
        assert!(SHAPES.iter().all(|shape| shape.regex().is_some()));
        assert!(NAMED.is_some());
    }

    #[test]
    fn secrets_of_known_shapes_are_gone_and_their_names_stay() {
        let token = letters(36);
        let hex = "0123456789abcdef".repeat(3)[..40].to_owned();
        let jwt = format!("eyJ{}.eyJ{}.{}", letters(20), letters(30), letters(20));
        let table = [
            (format!("token is hf_{token}, ok"), "token is [redacted], ok".to_owned()),
            (format!("clone with ghp_{token}"), format!("clone with {MARK}")),
            (format!("github_pat_{token}_{token}"), MARK.to_owned()),
            (format!("sk-{token}"), MARK.to_owned()),
            (format!("key sk-ant-api03-{token}-{token}"), format!("key {MARK}")),
            (format!("sk-proj-{token}"), MARK.to_owned()),
            (format!("xoxb-12345-{token}"), MARK.to_owned()),
            (format!("AKIA{}", "QWERTY12UIOPASDF"), MARK.to_owned()),
            (format!("jwt {jwt} end"), format!("jwt {MARK} end")),
            (format!("wandb: using API key {hex}"), format!("wandb: using API key {MARK}")),
            (format!("WANDB_API_KEY={hex}"), format!("WANDB_API_KEY={MARK}")),
            (format!("wandb.login(key='{hex}')"), format!("wandb.login(key='{MARK}')")),
            ("fetch https://me:pa55@host/x.git".to_owned(), format!("fetch https://{MARK}@host/x.git")),
            ("mongodb+srv://u:p%40@db".to_owned(), format!("mongodb+srv://{MARK}@db")),
            (format!("Authorization: Bearer {token}"), format!("Authorization: Bearer {MARK}")),
            ("authorization: Basic dTpw".to_owned(), format!("authorization: Basic {MARK}")),
            (format!("sent 'bearer {token}'"), format!("sent 'bearer {MARK}'")),
            ("password=hunter2 loss 1".to_owned(), format!("password={MARK} loss 1")),
            ("db_password: 'two words', x".to_owned(), format!("db_password: {MARK}, x")),
            (
                r#"{"client_secret": "abc", "lr": 0.1}"#.to_owned(),
                format!(r#"{{"client_secret": {MARK}, "lr": 0.1}}"#),
            ),
            ("AWS_SECRET_ACCESS_KEY=a/b+c".to_owned(), format!("AWS_SECRET_ACCESS_KEY={MARK}")),
            ("HF_TOKEN=abc python train.py".to_owned(), format!("HF_TOKEN={MARK} python train.py")),
            ("train.py --api-key abc --lr 1".to_owned(), format!("train.py --api-key {MARK} --lr 1")),
            (
                r#"{\"api_key\": \"abc\", \"lr\": 0.1}"#.to_owned(),
                format!(r#"{{\"api_key\": {MARK}, \"lr\": 0.1}}"#),
            ),
            (r#""{\\\"password\\\":\\\"p w\\\"}""#.to_owned(), format!(r#""{{\\\"password\\\":{MARK}}}""#)),
            (format!("my_token={token}"), format!("my_token={MARK}")),
            ("refresh_token: abc12345".to_owned(), format!("refresh_token: {MARK}")),
            (format!("{{'session_key': '{token}'}}"), format!("{{'session_key': '{MARK}'}}")),
            (format!("token={token} sent"), format!("token={MARK} sent")),
            (
                "GET https://b.s3.amazonaws.com/k?X-Amz-Date=2026&X-Amz-Signature=abc&X-Amz-Expires=9"
                    .to_owned(),
                format!(
                    "GET https://b.s3.amazonaws.com/k?X-Amz-Date=2026&X-Amz-Signature={MARK}&X-Amz-Expires=9"
                ),
            ),
            ("https://a.blob/x?sv=1&sig=a%2Fb".to_owned(), format!("https://a.blob/x?sv=1&sig={MARK}")),
            ("Cookie: a=b; session=c".to_owned(), format!("Cookie: {MARK}")),
            ("{\"Set-Cookie\": \"id=1\"}".to_owned(), format!("{{\"Set-Cookie\": {MARK}")),
            ("https://discord.com/api/webhooks/1/a-b ok".to_owned(), format!("{MARK} ok")),
            (format!("bot123456789:{}", letters(35)), MARK.to_owned()),
        ];
        for (text, expected) in table {
            assert_eq!(redact(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_secrets_of_the_environment_are_gone_wherever_they_stand() {
        let variables = [
            ("TEAM_TOKEN", "plain words"),
            ("DB_PASSWORD", "say \"a\\b\" now"),
            ("SERVICE_ACCOUNT_KEY", "line one of it\nshort\nline two of it"),
            ("SSH_AUTH_SOCK", "/run/agent.sock"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/home/ada/.aws"),
            ("MAX_TOKENS", "12345678"),
            ("SHORT_SECRET", "loss"),
            ("EDITOR", "editor-of-mine"),
        ];
        let redactor = Redactor::of_environment(variables.map(|(name, value)| (name.into(), value.into())));
        for (text, expected) in [
            ("it said plain words again", format!("it said {MARK} again")),
            ("say \"a\\b\" now", MARK.to_owned()),
            (r#"{"p": "say \"a\\b\" now"}"#, format!(r#"{{"p": "{MARK}"}}"#)),
            ("line two of it", MARK.to_owned()),
            ("/run/agent.sock /home/ada/.aws 12345678 loss editor-of-mine", String::new()),
        ] {
            let expected = if expected.is_empty() { text.to_owned() } else { expected };
            assert_eq!(redactor.redact(text), expected);
        }
        let mut value = serde_json::json!({"a": ["plain words", 1]});
        redactor.redact_value(&mut value);
        assert_eq!(value, serde_json::json!({"a": [MARK, 1]}));
    }

    #[test]
    fn a_private_key_is_gone_also_where_it_is_cut() {
        let line = letters(64);
        let (begin, end) = ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----");
        for (text, expected) in [
            (format!("a\n{begin}\n{line}\nshort==\n{end}\nb"), format!("a\n{MARK}\nb")),
            (format!("a\n{begin}\n{line}\nshort"), format!("a\n{MARK}")),
            (format!("short\n{line}\n{end}\nb"), format!("{MARK}\nb")),
            (format!("a\n{line}\nb"), format!("a\n{MARK}\nb")),
        ] {
            assert_eq!(redact(&text), expected);
        }
    }

    #[test]
    fn what_a_training_prints_stays_as_it_is() {
        for text in [
            "step 100 | loss 2.31 | tokens/s 51234 | total tokens: 1048576",
            "{'loss': 2.31, 'tokens': 1048576, 'grad_norm': 0.7, 'secretary': 1}",
            "num_tokens=4096 token_embedding: torch.Size([32000, 4096]) pad_token: </s>",
            "eos_token_id = 2, bos_token=<s>",
            "pad_token: endoftext0000000000000, label_key=sentence_embedding_v2",
            "key=loss token=the per_token=0.01 loss_key: train_loss",
            "time per_token: 0.000123456789012345",
            "commit 0123456789abcdef0123456789abcdef01234567",
            "Epoch 3: 45%|████▌     | 450/1000 [01:23<01:41, 5.41it/s]",
            "saved /ckpt/hf_model/step_100 sk-learn xoxo",
            "see https://example.org/a@b and mail a@b.org, task-force",
            "rank0: token dispatch 12.5 ms, key cache hit 0.97, password-free login",
            "============================================================================",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_token_is_found_wherever_it_stands(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let token = format!("ghp_{}", letters(36));
            let text = format!("{before} {token} {after}");
            prop_assert!(!redact(&text).contains(&token));
        }

        #[test]
        fn what_is_redacted_stays_so(text in r"[ -~\n]{0,200}") {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.as_str());
        }
    }
}
