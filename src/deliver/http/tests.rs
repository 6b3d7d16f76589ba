use super::*;
use std::io::Write;
use std::net::TcpListener;
use std::thread;

const SECRET: &str = "T012/B345/s3cretS3cret";

fn now() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Answers one request with bytes, and sends the request back.
fn answers(bytes: &'static [u8]) -> (Address, thread::JoinHandle<Vec<u8>>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::parse(&format!("http://{}/{SECRET}?q=1", server.local_addr().unwrap())).unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"BODY") {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        drop(stream.write_all(bytes));
        request
    });
    (address, served)
}

fn post(address: &Address, limit: Duration) -> Result<Answer, Outcome> {
    let client = Client::new(address, None, &|_| None, now()).unwrap();
    let headers = [("Idempotency-Key".to_owned(), "k".to_owned())];
    client.send(&Request { method: "POST", headers: &headers, body: b"BODY" }, limit, false)
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn the_request_carries_its_headers_and_its_body() {
    let (address, served) = answers(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert!(matches!(post(&address, LONG).unwrap().outcome(), Outcome::Taken));
    let request = String::from_utf8(served.join().unwrap()).unwrap();
    assert!(request.starts_with(&format!("POST /{SECRET}?q=1 HTTP/1.1\r\n")), "{request}");
    assert!(request.to_lowercase().contains("idempotency-key: k\r\n"), "{request}");
    assert!(request.contains("trainguard/") && request.ends_with("\r\n\r\nBODY"), "{request}");
}

#[test]
fn a_status_is_taken_or_later_or_never() {
    let answer = |status| Answer { status, retry_after: None, body: Vec::new(), said: String::new() };
    for status in [200, 201, 202, 204] {
        assert!(matches!(answer(status).outcome(), Outcome::Taken), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(matches!(answer(status).outcome(), Outcome::Retry { .. }), "{status}");
    }
    for status in [301, 302, 307, 308, 401, 403, 404, 405, 410] {
        assert!(matches!(answer(status).outcome(), Outcome::Refused { content: false, .. }), "{status}");
    }
    for status in [400, 413, 422] {
        assert!(matches!(answer(status).outcome(), Outcome::Refused { content: true, .. }), "{status}");
    }
}

#[test]
fn a_refusal_says_what_the_server_said_and_no_secret() {
    let (address, _served) = answers(
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 77\r\n\r\nno hook /T012/B345/s3cretS3cret?q=1 here,\x1b[31m token hf_abcdefghijklmnop sent\n",
    );
    let Outcome::Refused { why, .. } = post(&address, LONG).unwrap().outcome() else { panic!() };
    assert_eq!(why, "it answered 404 Not Found: no hook … here, [31m token [redacted] sent");
}

#[test]
fn whoever_asks_for_time_gets_it_in_both_forms() {
    for (text, seconds) in [
        ("7", Some(7.0)),
        ("0.5", Some(0.5)),
        ("Thu, 01 Jan 2026 00:02:00 GMT", Some(120.0)),
        ("Wed, 31 Dec 2025 23:00:00 GMT", Some(0.0)),
        ("-3", None),
        ("soon", None),
    ] {
        assert_eq!(retry_after(text, now()).map(|time| time.as_secs_f64()), seconds, "{text}");
    }
    let (address, _served) = answers(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    let Outcome::Retry { after, .. } = post(&address, LONG).unwrap().outcome() else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(7)));
}

#[test]
fn nobody_there_and_nobody_answering_are_for_later_and_show_no_secret() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (host, said) in [
        (free.to_string(), "refused"),
        (silent.local_addr().unwrap().to_string(), "did not answer within 0.3 s"),
        ("no-such-host.invalid".to_owned(), "look"),
    ] {
        let address = Address::parse(&format!("http://{host}/{SECRET}")).unwrap();
        let limit = if said.contains("0.3") { Duration::from_millis(300) } else { LONG };
        let Err(Outcome::Retry { why, after: None }) = post(&address, limit) else { panic!("{host}") };
        assert!(why.contains(said) && why.contains(&host) && !why.contains("s3cret"), "{why}");
    }
}

#[test]
fn an_answer_that_breaks_off_in_its_head_is_for_later() {
    for bytes in [&b""[..], b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nContent-Le", b"nonsense\r\n\r\n"] {
        let (address, _served) = answers(bytes);
        assert!(matches!(post(&address, LONG), Err(Outcome::Retry { .. })), "{bytes:?}");
    }
}

#[test]
fn the_proxy_is_the_one_for_the_scheme_and_spares_who_is_listed() {
    let proxy_of = |url: &str, variables: &[(&str, &str)]| {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let env = move |name: &str| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| OsString::from(value))
        };
        let proxy = proxy(&Address::parse(url).unwrap(), &env);
        proxy.map(|proxy| proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    };
    let both = [("https_proxy", "http://a:1"), ("http_proxy", "http://b:2")];
    assert_eq!(proxy_of("https://h/", &both), Ok(Some("a:1".to_owned())));
    assert_eq!(proxy_of("http://h/", &both), Ok(Some("b:2".to_owned())));
    assert_eq!(proxy_of("http://h/", &[("HTTP_PROXY", "http://b:2")]), Ok(None));
    assert_eq!(proxy_of("https://h/", &[("ALL_PROXY", "c:3")]), Ok(Some("c:3".to_owned())));
    for (list, spared) in [("h.corp", true), (".corp", true), ("*.corp,x", true), ("*", true), ("orp", false)]
    {
        let variables = [("https_proxy", "http://a:1"), ("NO_PROXY", list)];
        assert_eq!(proxy_of("https://h.corp/", &variables).unwrap().is_none(), spared, "{list}");
    }
    let said = proxy_of("https://h/", &[("HTTPS_PROXY", "gopher://u:s3cret@p")]).unwrap_err();
    assert!(said.contains("$HTTPS_PROXY") && !said.contains("s3cret"), "{said}");
}

#[test]
fn a_file_without_certificates_is_said() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"nothing\n").unwrap();
    let address = Address::parse("https://h/").unwrap();
    let said = Client::new(&address, Some(file.path()), &|_| None, now()).err().unwrap();
    assert!(said.contains("there is none in it"), "{said}");
    let missing = Path::new("/nonexistent/ca.pem");
    let said = Client::new(&address, Some(missing), &|_| None, now()).err().unwrap();
    assert!(said.contains("/nonexistent/ca.pem"), "{said}");
}
