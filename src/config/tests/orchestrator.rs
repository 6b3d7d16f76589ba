//! `orchestrator:`, at the top and under a run.

use super::*;
use crate::config::orchestrator::Token;

const RUN: &str = "- {name: a, log: l, orchestrator: {run_id: r1}}";

fn servers(text: &str) -> Vec<Option<(String, String, Option<Token>)>> {
    let config = loaded(text);
    assert_eq!(config.notes, Vec::<String>::new());
    let of = |server: &Orchestrator| {
        (server.address.uri().to_string(), server.run_id.clone(), server.token.clone())
    };
    config.runs.iter().map(|run| run.orchestrator.as_ref().map(of)).collect()
}

#[test]
fn the_one_run_takes_what_stands_at_the_top_and_several_say_which_they_are() {
    let whole = "{url: 'http://h:1/', run_id: r1, token_env: T}";
    let expected = ("http://h:1/".to_owned(), "r1".to_owned(), Some(Token::Env("T".to_owned())));
    for text in [
        format!("runs: [{{name: a, log: l}}]\norchestrator: {whole}\n"),
        format!("runs: [{{name: a, log: l, orchestrator: {whole}}}]\n"),
        format!("runs:\n{RUN}\norchestrator: {{url: 'http://h:1/', token_env: T}}\n"),
    ] {
        assert_eq!(servers(&text), [Some(expected.clone())], "{text}");
    }
    let several =
        format!("runs:\n{RUN}\n- {{name: b, log: m}}\norchestrator: {{url: 'http://h:1/', token_env: T}}\n");
    assert_eq!(servers(&several), [Some(expected), None]);
    assert_eq!(servers(&format!("runs:\n{RUN}\norchestrator: {{url: ''}}\n")), [None]);
    let launched = loaded(&format!("orchestrator: {whole}\n"));
    assert_eq!(launched.orchestrator.unwrap().run_id, "r1");
}

#[test]
fn every_mistake_says_where_it_is_and_repeats_no_secret() {
    let top = "runs: [{name: a, log: l}, {name: b, log: m}]\norchestrator:\n  url: http://h\n";
    for (text, place, what) in [
        (format!("runs:\n{RUN}\n"), ":2:21:", "has no `url`"),
        (format!("{top}  run_id: r\n"), ":4:3:", "one `run_id` cannot be that of 2 runs"),
        (top.to_owned(), ":2:1:", "no run has a `run_id`"),
        ("orchestrator:\n  url: s3cret\n  run_id: r\n".to_owned(), ":2:8:", "`url` cannot be used"),
        ("orchestrator:\n  url: http://h\n  run_id: a/b\n".to_owned(), ":3:11:", "no id of a run"),
        (
            "orchestrator:\n  url: http://h\n  run_id: a\n  token_env: s3cret-token\n".to_owned(),
            ":4:14:",
            "no name of a variable",
        ),
        (
            "orchestrator:\n  url: http://h\n  run_id: a\n  token_env: A\n  token_file: b\n".to_owned(),
            ":5:3:",
            "both given",
        ),
        ("orchestrator:\n  token: s\n".to_owned(), ":2:3:", "unknown key `token`"),
    ] {
        let said = mistake(&text);
        assert!(said.contains(place) && said.contains(what), "{text}: {said}");
        let first = said.lines().next().unwrap_or_default();
        assert!(!first.contains("s3cret"), "{said}");
    }
}
